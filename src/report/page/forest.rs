//! The forest plot of a sweep: differences to the reference with their intervals.

use super::content::View;
use super::download::{csv_link, numbers, text_of};
use super::scale::{Scale, place};
use super::table::visible;
use crate::report::cell::{DIGITS, interval, rounded, signed};
use crate::report::legend;
use crate::report::statistics::{Difference, Verdict};
use crate::report::table::TableRow;
use crate::screen::counted;
use maud::{Markup, html};

/// The most rows of a plot; the next ones have plots of their own behind folds.
const ROWS: usize = 50;
/// The width of the figure, the room of the labels at the left and of the numbers at the right.
const SIZE: [f64; 3] = [860.0, 230.0, 150.0];
/// The height of a row, and of the axis below.
const HEIGHTS: [f64; 2] = [30.0, 42.0];
/// The characters of a label that has room.
const LABEL: usize = 32;
/// The width of the plot, in widths of what has to be seen: a wider interval ends in an arrow.
const WIDEST: f64 = 2.0;

/// What the marks mean.
const MEANING: &str = "Thick: Student's 95 % interval; thin: bootstrap; dots: single seeds; hollow diamond: the paper's \
    difference. Triangle up: helps, triangle down: hurts, square: identical, circle: inconclusive.";
/// What the marks mean in a table of seeds until decided.
const MEANING_UNTIL: &str = "Thick: the 95 % confidence sequence, which holds whenever one stops; thin: bootstrap; dots: single \
    seeds; hollow diamond: the paper's difference. Triangle up: helps, triangle down: hurts, filled diamond: same, square: \
    identical, circle: inconclusive.";

/// A row that is compared: its place in the table, its difference and the verdict.
type Judged = (usize, Difference, Verdict);

/// The plot of `view`; nothing if no row has a difference. `id` begins all ids in it.
pub fn figure(id: &str, view: &View) -> Markup {
    let table = &view.table;
    let judged = |row: &usize| {
        let judged = table.rows[*row].judged?;
        let mut difference = judged.difference;
        if let Some(evidence) = judged.sequential {
            // The plot shows the interval that belongs to the verdict.
            difference.interval = evidence.sequence;
        }
        Some((*row, difference, judged.verdict))
    };
    let rows: Vec<Judged> = visible(table).iter().filter_map(judged).collect();
    if rows.is_empty() {
        return html! {};
    }
    let everything: Vec<Judged> = (0..table.rows.len())
        .filter_map(|row| judged(&row))
        .collect();
    let lines = lines(view, &everything);
    let scale = scale(view, &rows);
    let title = format!("{id}-forest");
    let metric = &table.metric;
    html! {
        figure class="forest" {
            figcaption id=(title) {
                "Differences of the " (metric) " to " (table.reference_words().unwrap_or_default().replace('`', ""))
                ". " (csv_link(&title, &text_of(&lines)))
            }
            @for (at, part) in rows.chunks(ROWS).enumerate() {
                @let first = at * ROWS;
                @let named = format!("Rows {} to {}", first + 1, first + part.len());
                @if at == 0 {
                    (plot(&title, &format!("Forest plot of the {metric}"), view, part, &scale))
                } @else {
                    details class="plot" {
                        summary { (named) }
                        (plot(&title, &format!("Forest plot of the {metric}, {named}"), view, part, &scale))
                    }
                }
            }
            @match &table.header.until {
                Some(rule) => {
                    p class="note" { (MEANING_UNTIL) " " (legend::first_sequence(rule)) }
                    p class="note" { (legend::rule(rule).replace('`', "")) }
                }
                None => {
                    p class="note" { (MEANING) }
                    p class="note" { (test(&rows)) }
                }
            }
            @if rows.len() < everything.len() {
                p class="note" { "The plots have the rows of the table; the file has all " (everything.len()) "." }
            }
            (numbers(&format!("Differences of the {metric}"), &lines))
        }
    }
}

/// The drawing of some rows. `title` is the id of the caption, `label` says which rows these are.
fn plot(title: &str, label: &str, view: &View, rows: &[Judged], scale: &Scale) -> Markup {
    let height = HEIGHTS[0] * rows.len() as f64;
    html! {
        div class="wide" tabindex="0" role="region" aria-label=(label) {
            svg viewBox=(format!("0 0 {} {}", SIZE[0], place(height + HEIGHTS[1]))) role="img" aria-labelledby=(title)
                data-step=(HEIGHTS[0]) data-floor=(height) {
                (axis(scale, height, &view.table.metric))
                @for (at, (row, found, verdict)) in rows.iter().enumerate() {
                    (self::row(view, *row, *found, *verdict, scale, at))
                }
            }
        }
    }
}

/// The test behind the verdicts in words: its pairs, and how far the intervals can be believed.
fn test(rows: &[Judged]) -> String {
    let pairs = || rows.iter().map(|(_, found, _)| found.pairs);
    let (least, most) = (pairs().min().unwrap_or(0), pairs().max().unwrap_or(0));
    let pairs = match least == most {
        true => counted(least, "pair"),
        false => format!("{least} to {most} pairs"),
    };
    let mut text = format!(
        "Verdicts are of Student's t-test of paired differences at 5 %, p adjusted by Holm over the table: a pair is a seed \
         that a row and its reference have both finished, and a row has {pairs}. The bootstrap draws from these pairs \
         alone, so of few seeds it is too narrow."
    );
    if least < 2 {
        text.push_str(" A row with one pair has no interval, so it is inconclusive.");
    }
    text
}

/// The scale of all that has to be seen; intervals may reach beyond.
fn scale(view: &View, rows: &[Judged]) -> Scale {
    let mut seen = vec![0.0];
    let mut reach = Vec::new();
    for (row, found, _) in rows {
        seen.push(found.mean);
        seen.extend(view.by_seed[*row].iter().map(|(_, value)| *value));
        seen.extend(view.table.rows[*row].paper_delta);
        reach.extend(
            found
                .interval
                .iter()
                .chain(&found.bootstrap)
                .flat_map(|(low, high)| [*low, *high]),
        );
    }
    let (low, high) = Scale::of(seen.iter().copied(), 0.0, 1.0).range();
    let room = WIDEST * (high - low) / 2.0;
    let bounds = [low - room, high + room];
    seen.extend(
        reach
            .into_iter()
            .map(|value| value.clamp(bounds[0], bounds[1])),
    );
    Scale::of(seen, SIZE[1] + 10.0, SIZE[0] - SIZE[2] - 10.0)
}

fn axis(scale: &Scale, height: f64, metric: &str) -> Markup {
    let zero = place(scale.at(0.0));
    let middle = place((SIZE[1] + SIZE[0] - SIZE[2]) / 2.0);
    html! {
        @for (value, text) in scale.ticks() {
            @let x = place(scale.at(value));
            line class="grid" x1=(x) x2=(x) y1="0" y2=(place(height)) {}
            text class="tick" x=(x) y=(place(height + 15.0)) text-anchor="middle" { (text) }
        }
        line class="zero" x1=(zero) x2=(zero) y1="0" y2=(place(height)) {}
        text class="axis" x=(middle) y=(place(height + 34.0)) text-anchor="middle" {
            "difference of the " (metric) " in points"
        }
    }
}

/// A row of the plot, moved to its place as a whole, so that it can be sorted with the table.
fn row(
    view: &View,
    row: usize,
    found: Difference,
    verdict: Verdict,
    scale: &Scale,
    at: usize,
) -> Markup {
    let own = &view.table.rows[row];
    let middle = HEIGHTS[0] / 2.0;
    let x = place(scale.at(found.mean));
    let is_sequence = view.table.header.until.is_some();
    let words = words(own, found, verdict, is_sequence);
    html! {
        g data-row=(row) transform=(format!("translate(0 {})", place(HEIGHTS[0] * at as f64))) {
            title { (own.label) ": " (words) }
            text class="label" x=(place(SIZE[1] - 8.0)) y=(place(middle + 4.0)) text-anchor="end" { (cut(&own.label)) }
            @if let Some(bounds) = found.interval { (whisker("student", bounds, scale, [middle, middle - 5.0])) }
            @if let Some(bounds) = found.bootstrap { (whisker("bootstrap", bounds, scale, [middle + 5.0, middle + 14.0])) }
            @for (_, value) in &view.by_seed[row] {
                circle class="seed" cx=(place(scale.at(*value))) cy=(place(middle + 9.0)) r="1.8" {}
            }
            @if let Some(paper) = own.paper_delta {
                path class="paper" d=(format!("M{} {}l5 5l-5 5l-5-5z", place(scale.at(paper)), place(middle - 5.0))) {}
            }
            path class=(format!("mark {verdict}")) d=(mark(verdict, &x, middle)) {}
            text class="value" x=(place(SIZE[0] - SIZE[2])) y=(place(middle + 4.0)) {
                (signed(Some(found.mean), DIGITS)) " "
                @match found.interval {
                    Some(_) => (interval(found.interval, DIGITS)),
                    None if is_sequence => "no sequence yet",
                    None => "no interval",
                }
            }
        }
    }
}

/// An interval as a line at the height `y`. An end beyond the scale becomes an arrow with its number, whose letters
/// stand on the height `base`.
fn whisker(class: &str, (low, high): (f64, f64), scale: &Scale, [y, base]: [f64; 2]) -> Markup {
    let (least, most) = scale.range();
    let ends = [low.max(least), high.min(most)].map(|value| scale.at(value));
    let arrow =
        |x: f64, way: f64| format!("M{} {}l{} -4v8z", place(x + way), place(y), place(-way));
    html! {
        line class=(class) x1=(place(ends[0])) x2=(place(ends[1])) y1=(place(y)) y2=(place(y)) {}
        @if !scale.holds(low) {
            path class="arrow" d=(arrow(ends[0], -7.0)) {}
            text class="beyond" x=(place(ends[0] - 6.0)) y=(place(base)) { (rounded(Some(low), DIGITS)) }
        }
        @if !scale.holds(high) {
            path class="arrow" d=(arrow(ends[1], 7.0)) {}
            text class="beyond" x=(place(ends[1] + 6.0)) y=(place(base)) text-anchor="end" { (rounded(Some(high), DIGITS)) }
        }
    }
}

/// The shape of a verdict around the place `x`, `y`.
fn mark(verdict: Verdict, x: &str, y: f64) -> String {
    let y = |shift: f64| place(y + shift);
    match verdict {
        Verdict::Helps => format!("M{x} {}l6 10h-12z", y(-6.0)),
        Verdict::Hurts => format!("M{x} {}l6 -10h-12z", y(6.0)),
        Verdict::Identical => format!("M{x} {}m-5 0h10v10h-10z", y(-5.0)),
        // A diamond.
        Verdict::Same => format!("M{x} {}l6 6-6 6-6-6z", y(-6.0)),
        Verdict::Inconclusive => format!("M{x} {}m-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0", y(0.0)),
    }
}

/// The row in words, for readers who do not see it. `is_sequence` tells that its interval is a confidence sequence.
fn words(row: &TableRow, found: Difference, verdict: Verdict, is_sequence: bool) -> String {
    let mut text = signed(Some(found.mean), DIGITS);
    let name = match is_sequence {
        true => "95 % confidence sequence",
        false => "95 % interval",
    };
    match found.interval {
        Some(bounds) => text.push_str(&format!(", {name} {}", interval(Some(bounds), DIGITS))),
        None if is_sequence => text.push_str(", no confidence sequence yet"),
        None => text.push_str(", no interval"),
    }
    if let Some(paper) = row.paper_delta {
        text.push_str(&format!(", in the paper {}", signed(Some(paper), DIGITS)));
    }
    format!("{text}, {verdict}")
}

/// The label, or as much of it as has room.
fn cut(label: &str) -> String {
    match label.chars().count() > LABEL {
        true => label.chars().take(LABEL - 1).chain(['…']).collect(),
        false => label.to_string(),
    }
}

/// The points of the plot.
fn lines(view: &View, rows: &[Judged]) -> Vec<Vec<String>> {
    let number = |value: Option<f64>| rounded(value, DIGITS);
    let head = [
        "variant",
        "difference",
        "low",
        "high",
        "boot_low",
        "boot_high",
        "paper",
        "verdict",
        "seeds",
    ];
    let mut lines = vec![head.map(String::from).to_vec()];
    for (row, found, verdict) in rows {
        let own = &view.table.rows[*row];
        let bounds = |one: Option<(f64, f64)>| {
            [one.map(|(low, _)| low), one.map(|(_, high)| high)].map(number)
        };
        let [low, high] = bounds(found.interval);
        let [boot_low, boot_high] = bounds(found.bootstrap);
        let seeds = view.by_seed[*row].iter();
        let seeds: Vec<String> = seeds
            .map(|(seed, value)| format!("{seed}: {}", number(Some(*value))))
            .collect();
        lines.push(vec![
            own.label.clone(),
            number(Some(found.mean)),
            low,
            high,
            boot_low,
            boot_high,
            number(own.paper_delta),
            verdict.to_string(),
            seeds.join("; "),
        ]);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::rounds::tests::{CLEAR, NONE, folder, made};
    use crate::report::{Record, TableLayout};
    use std::collections::BTreeMap;

    #[test]
    fn an_interval_beyond_the_plot_ends_in_an_arrow_with_its_number() {
        let scale = Scale::of([-1.0, 1.0], 0.0, 100.0);
        let inside = whisker("student", (-0.5, 0.5), &scale, [10.0, 5.0]).into_string();
        assert_eq!(
            inside,
            "<line class=\"student\" x1=\"25\" x2=\"75\" y1=\"10\" y2=\"10\"></line>"
        );
        let beyond = whisker("student", (-5.0, 0.5), &scale, [10.0, 5.0]).into_string();
        assert!(beyond.contains("x1=\"0\" x2=\"75\""), "{beyond}");
        assert_eq!(beyond.matches("class=\"arrow\"").count(), 1);
        assert!(beyond.contains("y=\"5\">-5.00</text>"), "{beyond}");
    }

    #[test]
    fn every_verdict_has_its_own_shape() {
        let verdicts = [
            Verdict::Helps,
            Verdict::Hurts,
            Verdict::Identical,
            Verdict::Same,
            Verdict::Inconclusive,
        ];
        let shapes = verdicts.map(|verdict| mark(verdict, "5", 10.0));
        for (place, shape) in shapes.iter().enumerate() {
            assert!(!shapes[..place].contains(shape), "{shape}");
        }
    }

    fn drawn(layout: &TableLayout, records: &BTreeMap<String, Record>) -> String {
        let table = made(layout, records, None);
        let view = View {
            by_seed: vec![Vec::new(); table.rows.len()],
            table,
        };
        figure("id", &view).into_string()
    }

    #[test]
    fn with_seeds_until_decided_the_bounds_are_those_of_the_sequence_and_their_lack_has_a_reason() {
        let (mut layout, records) = folder(&[("- a", &CLEAR), ("- b", &NONE[..4])]);
        let text = drawn(&layout, &records);
        for part in [
            ", 95 % confidence sequence [",
            ", no confidence sequence yet, inconclusive",
            " no sequence yet</text>",
            "It begins at 5 seeds",
        ] {
            assert!(text.contains(part), "`{part}` is not in: {text}");
        }
        assert!(!text.contains("95 % interval"), "{text}");
        layout.until = None;
        let text = drawn(&layout, &records);
        assert!(
            text.contains(", 95 % interval [") && !text.contains("sequence"),
            "{text}"
        );
    }
}
