//! TIDE's errors (<https://arxiv.org/abs/2008.08115>).

use super::content::{Analysed, AnalysedRow};
use super::download::{csv_link, text_of};
use super::scale::{Scale, place};
use crate::report::cell::number;
use maud::{Markup, html};

/// The width of the figure, the room of the names, that below the bars, and the height of a bar.
const SIZE: [f64; 4] = [720.0, 60.0, 34.0, 11.0];
/// The room between the bars of two kinds.
const GAP: f64 = 8.0;
/// The kinds in the order of TIDE's figures. Others follow.
const ORDER: [&str; 8] = ["Cls", "Loc", "Both", "Dupe", "Bkg", "Miss", "FP", "FN"];

/// The figure and the table. `id` begins all ids in them.
pub fn body(id: &str, analysed: &Analysed) -> Markup {
    let title = format!("{id}-tide");
    let kinds: Vec<&String> = analysed.rows.first().map_or(Vec::new(), |row| {
        row.tide.1.iter().map(|(kind, _)| kind).collect()
    });
    let mut lines = vec![vec!["variant".to_string(), "AP50".to_string()]];
    lines[0].extend(kinds.iter().map(|kind| kind.to_string()));
    for row in &analysed.rows {
        let values = row.tide.1.iter().map(|(_, value)| number(Some(*value)));
        lines.push(
            [row.label.clone(), number(Some(row.tide.0))]
                .into_iter()
                .chain(values)
                .collect(),
        );
    }
    html! {
        h3 { "TIDE" }
        p class="note" {
            "Points of AP at IoU 0.5 that a network without errors of a kind would have more (dAP), means over the seeds. They \
             do not add up. Cls: class; Loc: mask; Both; Dupe: a second detection; Bkg: no object, IoU up to 0.1; Miss: an \
             object that nothing found; FP and FN: all false positives, all misses. " (csv_link(&title, &text_of(&lines)))
        }
        (figure(&title, analysed))
        div class="wide" tabindex="0" role="region" aria-label="TIDE" {
            table class="results" {
                thead {
                    tr {
                        @for (place, name) in lines[0].iter().enumerate() {
                            th scope="col" class=[(place > 0).then_some("number")] data-sorts=(if place > 0 { "number" } else { "text" }) { (name) }
                        }
                    }
                }
                tbody {
                    @for row in &analysed.rows {
                        tr {
                            th scope="row" { (row.label) }
                            td class="number" data-value=(row.tide.0) { (number(Some(row.tide.0))) }
                            @for (_, value) in &row.tide.1 { td class="number" data-value=(value) { (number(Some(*value))) } }
                        }
                    }
                }
            }
        }
    }
}

/// A bar for each kind and row. The bars of a row have the number of the row.
fn figure(id: &str, analysed: &Analysed) -> Markup {
    let kinds = kinds(&analysed.rows);
    let rows = analysed.rows.len() as f64;
    let group = SIZE[3] * rows + GAP;
    let bottom = group * kinds.len() as f64;
    let name = format!("{id}-bars");
    // Bars begin at 0, and a rounding error may be below it.
    let values = analysed
        .rows
        .iter()
        .flat_map(|row| row.tide.1.iter().map(|(_, value)| *value));
    let x = Scale::of(values.chain([0.0]), SIZE[1], SIZE[0] - 46.0);
    html! {
        figure {
            figcaption id=(name) { "dAP by kind of error. The bars do not add up." }
            p class="legend" aria-hidden="true" {
                @for (at, row) in analysed.rows.iter().enumerate() {
                    span { svg class="key" viewBox="0 0 26 10" { rect class=(format!("fill c{}", at % 8)) width="26" height="10" {} } " " (at + 1) " " (row.label) }
                }
            }
            div class="wide" tabindex="0" role="region" aria-label="dAP by kind of error" {
                svg class="bars" viewBox=(format!("0 0 {} {}", SIZE[0], place(bottom + SIZE[2]))) role="img" aria-labelledby=(name) {
                    @for (value, text) in x.ticks() {
                        line class="grid" x1=(place(x.at(value))) x2=(place(x.at(value))) y1="0" y2=(place(bottom)) {}
                        text class="tick" x=(place(x.at(value))) y=(place(bottom + 14.0)) text-anchor="middle" { (text) }
                    }
                    text class="axis" x=(place((SIZE[0] + SIZE[1]) / 2.0)) y=(place(bottom + 30.0)) text-anchor="middle" { "points of AP at IoU 0.5" }
                    @for (at, kind) in kinds.iter().enumerate() {
                        @let top = group * at as f64;
                        text class="label" x="0" y=(place(top + (group - GAP) / 2.0 + 4.0)) { (kind) }
                        @for (at, row) in analysed.rows.iter().enumerate() {
                            @if let Some(value) = value_of(row, kind) {
                                (bar(at, row, (kind, value), &x, top + SIZE[3] * at as f64))
                            }
                        }
                    }
                }
            }
        }
    }
}

fn bar(at: usize, row: &AnalysedRow, (kind, value): (&str, f64), x: &Scale, top: f64) -> Markup {
    let (zero, end) = (x.at(0.0), x.at(value));
    html! {
        text class="small" x=(place(zero - 3.0)) y=(place(top + 8.5)) text-anchor="end" { (at + 1) }
        rect class=(format!("fill c{}", at % 8)) x=(place(zero.min(end))) y=(place(top)) width=(place((end - zero).abs())) height=(place(SIZE[3] - 1.5)) {
            title { (row.label) ", " (kind) ": " (number(Some(value))) }
        }
        text class="small" x=(place(zero.max(end) + 4.0)) y=(place(top + 8.5)) { (number(Some(value))) }
    }
}

fn value_of(row: &AnalysedRow, kind: &str) -> Option<f64> {
    let found = row.tide.1.iter().find(|(own, _)| own == kind);
    found.map(|(_, value)| *value)
}

/// The kinds of all rows, in TIDE's order.
fn kinds(rows: &[AnalysedRow]) -> Vec<&str> {
    let has = |kind: &&str| rows.iter().any(|row| value_of(row, kind).is_some());
    let mut kinds: Vec<&str> = ORDER.into_iter().filter(has).collect();
    for (kind, _) in rows.iter().flat_map(|row| &row.tide.1) {
        if !kinds.contains(&kind.as_str()) {
            kinds.push(kind);
        }
    }
    kinds
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(label: &str, tide: &[(&str, f64)]) -> AnalysedRow {
        AnalysedRow {
            label: label.into(),
            reference: None,
            scatters: Vec::new(),
            bins: Vec::new(),
            calibration: None,
            confusion: Vec::new(),
            confused: Vec::new(),
            kinds: Vec::new(),
            tide: (
                50.0,
                tide.iter()
                    .map(|(kind, value)| (kind.to_string(), *value))
                    .collect(),
            ),
        }
    }

    #[test]
    fn every_row_has_a_bar_of_its_length_for_each_of_its_kinds() {
        let rows = vec![
            row("<a>", &[("Loc", 4.0), ("Cls", 8.0), ("New", 1.0)]),
            row("b", &[("Cls", 2.0)]),
        ];
        assert_eq!(kinds(&rows), ["Cls", "Loc", "New"]);
        let analysed = Analysed {
            images: 1,
            similar: Vec::new(),
            sides: Vec::new(),
            min_score: 0.5,
            background: 0.0,
            kinds: Vec::new(),
            rows,
            more: 0,
        };
        let page = figure("t", &analysed).into_string();
        assert_eq!(
            page.matches("<rect class=\"fill c").count(),
            4 + 2,
            "bars and keys"
        );
        for part in [
            "&lt;a&gt;, Cls: 8.00",
            "b, Cls: 2.00",
            "&lt;a&gt;, New: 1.00",
        ] {
            assert!(page.contains(part), "{part}");
        }
        let width = |title: &str| {
            let before = &page[..page.find(title).unwrap()];
            let text = before.rsplit("width=\"").next().unwrap().split('"').next();
            text.unwrap().parse::<f64>().unwrap()
        };
        let ratio = width("&lt;a&gt;, Cls") / width("b, Cls");
        assert!((ratio - 4.0).abs() < 0.01, "{ratio}");
    }
}
