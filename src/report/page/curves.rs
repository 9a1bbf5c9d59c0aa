//! Learning curves: one small figure for each reading, with the rows of the sweep as lines.

use super::axes::{ROOM, axes, ends_heading};
use super::content::{Panel, Point, Series, Sweep};
use super::download::{csv_link, text_of};
use super::marks::{self, key, marks};
use super::scale::{Scale, place, reading};
use super::thin::{stretches, thinned};
use maud::{Markup, PreEscaped, html};
use serde_json::json;

/// The most lines of a figure before the reader chooses.
pub const LINES: usize = 8;
/// The most rows whose boxes all stand before the figures.
const CHOICES: usize = 12;
/// The most rows of which all have means over neighbouring points; of more rows, only those that are drawn at first.
const AVERAGED: usize = 40;
/// The widths of these means in points: odd, so that a mean has its point in its middle.
const WIDTHS: [usize; 4] = [3, 5, 11, 21];
/// Width and height of a figure.
const SIZE: [f64; 2] = [420.0, 240.0];
/// The number of whole units across the range of a figure in its data.
const UNITS: f64 = 1023.0;

/// The figures of a sweep; none without journals. `id` begins all ids in it.
pub fn body(id: &str, sweep: &Sweep) -> Option<Markup> {
    if sweep.curves.is_empty() {
        return None;
    }
    let mut rows: Vec<(usize, &str)> = Vec::new();
    for series in sweep.curves.iter().flat_map(|panel| &panel.series) {
        if !rows.iter().any(|(row, _)| *row == series.row) {
            rows.push((series.row, &series.label));
        }
    }
    let reference = sweep.views.first().and_then(|view| {
        let table = &view.table;
        table.rows.iter().position(|row| table.is_reference(row))
    });
    // The reference always has a line.
    rows.sort_by_key(|(row, _)| (Some(*row) != reference, *row));
    let slots: Vec<usize> = rows.iter().map(|(row, _)| *row).collect();
    let drawn = &slots[..slots.len().min(LINES)];
    Some(html! {
        p class="note" {
            "Lines: means over the seeds, each with a shape of its own at some of its points; thin lines: single seeds of the rows that are drawn at first; bands: from the smallest \
             to the largest seed, and of more than seven seeds one standard deviation on both sides of the mean. Nothing is smoothed \
             unless you choose it: a point is a window of up to 20 steps, and of long curves the extremes of every stretch are drawn. "
            @if sweep.burn_in.is_some() { "Shaded: the first training, before there are pseudo-labels. " }
            "Steps are counted on from one training of a trial to the next. "
            (validation(&sweep.curves))
        }
        fieldset class="series" data-curves=(format!("{id}-data")) {
            legend { "Rows" }
            @let shown = if rows.len() > CHOICES { LINES } else { rows.len() };
            @for slot in 0..shown { (choice(slot, rows[slot])) }
            @if shown < rows.len() {
                details {
                    summary { (rows.len() - shown) " more rows" }
                    @for slot in shown..rows.len() { (choice(slot, rows[slot])) }
                }
            }
            @if rows.len() > LINES {
                p class="note" { "At first the reference and the next rows are drawn, " (LINES) " in all." }
            }
            (smoothing(rows.len()))
        }
        div class="panels" {
            @for (place, panel) in sweep.curves.iter().enumerate() {
                (figure(&format!("{id}-curve-{place}"), panel, drawn, sweep.burn_in))
            }
        }
        script type="application/json" id=(format!("{id}-data")) {
            (PreEscaped(data(&sweep.curves, &slots).replace('<', "\\u003c")))
        }
    })
}

/// The sentence about the validation curves among `all` panels.
fn validation(all: &[Panel]) -> String {
    let panels = || all.iter().filter(|panel| panel.is_validation);
    if panels().next().is_none() {
        return "There is no validation curve: the networks are evaluated at the end alone; eval.period asks for more."
            .to_string();
    }
    let has = |row: usize| panels().any(|panel| panel.series.iter().any(|one| one.row == row));
    let mut without: Vec<&str> = Vec::new();
    for series in all.iter().flat_map(|panel| &panel.series) {
        if !has(series.row) && !without.contains(&series.label.as_str()) {
            without.push(&series.label);
        }
    }
    let begins = "The first panels are validation curves: metrics of the evaluated images during the training.";
    match without.len() {
        0 => begins.to_string(),
        count => {
            let named = without[..count.min(NAMED)].join(", ");
            let more = match count.saturating_sub(NAMED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!("{begins} These rows are evaluated at the end alone: {named}{more}.")
        }
    }
}

/// The box that shows and hides a row.
fn choice(slot: usize, (row, label): (usize, &str)) -> Markup {
    html! {
        label {
            input type="checkbox" class="script" data-row=(row) checked[slot < LINES];
            (key(slot)) " " (label)
        }
    }
}

/// The choice of the means over neighbouring points, at first none.
fn smoothing(rows: usize) -> Markup {
    html! {
        p class="script" {
            label {
                "Smoothing "
                select class="smooth" {
                    option value="1" { "none" }
                    @for width in WIDTHS { option value=(width) { "means over " (width) " points" } }
                }
            }
            " "
            output class="note" {}
            @if rows > AVERAGED {
                span class="note" { " Of " (rows) " rows, those that are drawn at first have means." }
            }
        }
    }
}

/// The scales of a panel: those of all its rows, so that a line keeps its place when others come and go.
fn scales(panel: &Panel) -> [Scale; 2] {
    let points = || panel.series.iter().flat_map(|series| &series.points);
    let steps = points().map(|point| point.step);
    let singles = panel
        .series
        .iter()
        .flat_map(|series| series.seeds.iter().flatten());
    let values = points().flat_map(|point| [point.low, point.high]);
    let values = values.chain(singles.map(|(_, value)| *value));
    [
        Scale::of_steps(steps, ROOM[0], SIZE[0] - ROOM[1]),
        Scale::of(values, SIZE[1] - ROOM[3], ROOM[2]),
    ]
}

fn figure(id: &str, panel: &Panel, drawn: &[usize], burn_in: Option<u64>) -> Markup {
    let [x, y] = scales(panel);
    let (left, right, top, bottom) = (ROOM[0], SIZE[0] - ROOM[1], ROOM[2], SIZE[1] - ROOM[3]);
    html! {
        figure class="panel" {
            figcaption id=(id) {
                strong { (panel.name) } " " span class="note" { (panel.about) }
                @if let Some(lost) = lost(panel) { " " span class="note lost" { (lost) } }
            }
            svg viewBox=(format!("0 0 {} {}", SIZE[0], SIZE[1])) role="img" aria-labelledby=(id) {
                @if let Some(step) = burn_in {
                    @let end = x.at(step as f64).clamp(left, right);
                    rect class="shade" x=(place(left)) y=(place(top)) width=(place(end - left)) height=(place(bottom - top)) {}
                }
                (axes([&x, &y], SIZE))
                g class="lines" data-panel=(panel.name) {
                    @for (slot, series) in lines(panel, drawn) {
                        (curve(series, slot, [&x, &y]))
                    }
                }
            }
            details {
                summary { "First and last values" }
                (csv_link(id, &text(panel, drawn)))
                table {
                    (ends_heading("variant"))
                    tbody {
                        @for (_, series) in lines(panel, drawn) {
                            tr {
                                th scope="row" { (series.label) }
                                td class="number" { (series.points.first().map_or(String::new(), |one| reading(one.mean))) }
                                td class="number" { (series.points.last().map_or(String::new(), |one| reading(one.mean))) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The lines of a panel: the rows `drawn` that have its reading, each with its place among them.
fn lines<'a>(panel: &'a Panel, drawn: &'a [usize]) -> impl Iterator<Item = (usize, &'a Series)> {
    let find = |row: usize| panel.series.iter().find(move |series| series.row == row);
    let all = drawn.iter().enumerate();
    all.filter_map(move |(slot, row)| Some((slot, find(*row)?)))
}

/// The most seeds that a sentence names.
const NAMED: usize = 6;

/// The seeds with readings that are not finite, in words; none without any.
fn lost(panel: &Panel) -> Option<String> {
    let seeds = panel.series.iter().flat_map(|series| {
        let one = |(seed, step): &(u64, u64)| format!("{}, seed {seed}, step {step}", series.label);
        series.lost.iter().map(one).collect::<Vec<_>>()
    });
    let seeds: Vec<String> = seeds.collect();
    let more = match seeds.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    let named = seeds[..seeds.len().min(NAMED)].join("; ");
    (!seeds.is_empty()).then(|| {
        format!("Readings that are not finite are left out; the first of them: {named}{more}.")
    })
}

/// The line of a single seed in whole units, each point as a step from the one before.
fn single(points: &[(u64, f64)], [x, y]: [&Scale; 2]) -> String {
    let all: Vec<Point> = points
        .iter()
        .map(|(step, value)| Point {
            step: *step,
            mean: *value,
            low: *value,
            high: *value,
        })
        .collect();
    let mut path = String::new();
    let mut before = [0, 0];
    for point in thinned(&all) {
        let at = [x.at(point.step as f64), y.at(point.mean)].map(|value| value.round() as i64);
        let lead = if path.is_empty() { "M" } else { "l" };
        path.push_str(&format!(
            "{lead}{} {}",
            at[0] - before[0],
            at[1] - before[1]
        ));
        before = at;
    }
    path
}

/// A line with its band and its seeds.
fn curve(series: &Series, slot: usize, [x, y]: [&Scale; 2]) -> Markup {
    let points = thinned(&series.points);
    let pair = |point: &Point, value: f64| {
        format!("{} {}", place(x.at(point.step as f64)), place(y.at(value)))
    };
    let join = |pairs: Vec<String>| format!("M{}", pairs.join("L"));
    let mean = join(points.iter().map(|point| pair(point, point.mean)).collect());
    let places = points
        .iter()
        .map(|point| [x.at(point.step as f64), y.at(point.mean)]);
    let places: Vec<[f64; 2]> = places.collect();
    let spread = points.iter().any(|point| point.high > point.low);
    let there = points.iter().map(|point| pair(point, point.high));
    let back = points.iter().rev().map(|point| pair(point, point.low));
    let band = join(there.chain(back).collect()) + "z";
    html! {
        g data-row=(series.row) class=(format!("c{slot}")) {
            title { (series.label) }
            @if spread { path class="band" d=(band) {} }
            @if !series.seeds.is_empty() {
                g style="stroke-opacity:.55" {
                    @for seed in &series.seeds {
                        path class="line one" style="stroke-width:.8" d=(single(seed, [x, y])) {}
                    }
                }
            }
            @if points.len() > 1 { path class="line" d=(mean) {} }
            (marks(slot, &places))
        }
    }
}

/// The lines for the script, steps as they are and values as whole units of the panel's range: `points` of the rows
/// that are not drawn at first, and `means` of stretches, which smoothing needs.
fn data(panels: &[Panel], slots: &[usize]) -> String {
    let drawn = &slots[..slots.len().min(LINES)];
    let panel = |panel: &Panel| {
        let [x, y] = scales(panel);
        let (low, high) = y.range();
        let unit = |value: f64| ((value - low) / (high - low) * UNITS).round() as i64;
        let series = panel.series.iter().map(|series| {
            let is_drawn = drawn.contains(&series.row);
            let mut line = json!({ "row": series.row, "label": series.label });
            if !is_drawn {
                let points = thinned(&series.points).into_iter();
                let points = points.flat_map(|point| [point.step as i64, unit(point.mean)]);
                line["points"] = points.collect::<Vec<i64>>().into();
            }
            if is_drawn || slots.len() <= AVERAGED {
                let means = stretches(&series.points).into_iter();
                let means = means.flat_map(|(step, value)| [step.round() as i64, unit(value)]);
                line["means"] = means.collect::<Vec<i64>>().into();
            }
            line
        });
        let series: Vec<_> = series.collect();
        json!({ "steps": x.range(), "series": series })
    };
    let panels: Vec<_> = panels.iter().map(panel).collect();
    let frame = [ROOM[0], SIZE[0] - ROOM[1], SIZE[1] - ROOM[3], ROOM[2]];
    json!({ "frame": frame, "units": UNITS, "order": slots, "marks": marks::data(), "panels": panels }).to_string()
}

/// The drawn points as CSV.
fn text(panel: &Panel, drawn: &[usize]) -> String {
    let head = ["variant", "step", "mean", "low", "high"];
    let mut rows = vec![head.map(String::from).to_vec()];
    for (_, series) in lines(panel, drawn) {
        for point in thinned(&series.points) {
            let numbers = [point.mean, point.low, point.high].map(|value| format!("{value}"));
            let cells = [series.label.clone(), point.step.to_string()];
            rows.push(cells.into_iter().chain(numbers).collect());
        }
    }
    text_of(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_without_validation_are_named() {
        let panel = |name: &str, is_validation, rows: std::ops::Range<usize>| Panel {
            name: name.into(),
            about: String::new(),
            is_validation,
            series: rows
                .map(|row| Series {
                    row,
                    label: format!("row {row}"),
                    points: Vec::new(),
                    seeds: Vec::new(),
                    lost: Vec::new(),
                })
                .collect(),
        };
        let of = |rows| validation(&[panel("val-teacher", true, rows), panel("loss", false, 0..9)]);
        assert!(
            validation(&[panel("loss", false, 0..9)]).starts_with("There is no validation curve")
        );
        assert!(of(0..9).ends_with("during the training."), "{}", of(0..9));
        assert!(
            of(0..8).ends_with("at the end alone: row 8."),
            "{}",
            of(0..8)
        );
        let many = of(0..1);
        assert!(
            many.ends_with("row 1, row 2, row 3, row 4, row 5, row 6 and 2 more."),
            "{many}"
        );
    }

    #[test]
    fn the_table_and_the_file_have_the_lines_that_are_drawn() {
        let point = Point {
            step: 20,
            mean: 1.5,
            low: 1.0,
            high: 2.0,
        };
        let series = |row: usize| Series {
            row,
            label: format!("row {row}"),
            points: vec![point],
            seeds: vec![vec![(20, 1.0), (40, 1.5)], vec![(20, 2.0)]],
            lost: vec![(3, 60)],
        };
        let panel = Panel {
            name: "loss".into(),
            about: "the loss".into(),
            is_validation: false,
            // Row 2 has no such reading.
            series: (0..12).filter(|row| *row != 2).map(series).collect(),
        };
        // The reference is the last row.
        let drawn = [11, 0, 1, 2, 3, 4, 5, 6];
        let shown: Vec<(usize, usize)> = lines(&panel, &drawn)
            .map(|(slot, series)| (slot, series.row))
            .collect();
        assert_eq!(
            shown,
            [(0, 11), (1, 0), (2, 1), (4, 3), (5, 4), (6, 5), (7, 6)]
        );
        let file = text(&panel, &drawn);
        assert!(file.contains("row 11,20,1.5,1,2"), "{file}");
        assert!(!file.contains("row 7,"), "{file}");
        let page = figure("curve", &panel, &drawn, None).into_string();
        assert_eq!(
            page.matches("class=\"line one\"").count(),
            14,
            "two seeds of seven rows"
        );
        assert!(
            page.contains("row 0, seed 3, step 60; row 1") && page.contains("; and 5 more."),
            "{page}"
        );
        let table = &page[page.find("<tbody>").unwrap()..];
        assert!(
            table.contains("row 11") && !table.contains("row 7"),
            "{table}"
        );
    }
}
