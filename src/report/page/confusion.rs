//! Confusion matrices, as in Fig. 3 of PL-DC.

use super::confusion_change;
use super::content::{Analysed, AnalysedRow};
use super::download::{csv, csv_link};
use super::matrix::{SIDE, START, frame, view_box};
use super::scale::place;
use maud::{Markup, html};

/// The number of shades.
const SHADES: f64 = 16.0;

/// The matrices of the rows. `id` begins all ids in them.
pub fn body(id: &str, analysed: &Analysed) -> Markup {
    html! {
        p class="note" {
            "As Fig. 3 of the paper: lines are the classes of objects, columns those of detections with a score of at least "
            (analysed.min_score) ". A detection, the best score first, gets the free object with the largest IoU of at least \
             0.5, whatever its class. The last column has the missed objects, the last line the invented ones. The shade is \
             the share of the line; the paper states no least score."
        }
        div class="panels" {
            @for (place, row) in analysed.rows.iter().enumerate() {
                @let reference = row.reference.filter(|other| *other != place);
                (figure(&format!("{id}-confusion-{place}"), row, reference.map(|other| &analysed.rows[other]), &analysed.sides))
            }
        }
    }
}

fn figure(
    id: &str,
    row: &AnalysedRow,
    reference: Option<&AnalysedRow>,
    sides: &[String],
) -> Markup {
    let cell = |at: usize| place(START + SIDE * at as f64);
    html! {
        figure class="panel matrix" {
            figcaption id=(id) { strong { (row.label) } ": " (worst(row, sides)) " " (csv_link(id, &lines(row, sides))) }
            svg viewBox=(view_box(sides.len())) role="img" aria-labelledby=(id) {
                (frame(sides))
                @for (truth, counts) in row.confusion.iter().enumerate() {
                    @let sum = counts.iter().sum::<usize>();
                    @for (found, count) in counts.iter().enumerate() {
                        @if *count > 0 {
                            @let share = *count as f64 / sum as f64;
                            rect class=(format!("q{}", ((share * SHADES) as usize).min(15))) x=(cell(found)) y=(cell(truth))
                                width=(SIDE) height=(SIDE) {
                                title { (sides[truth]) " as " (sides[found]) ": " (count) " of " (sum) " (" (format!("{:.0} %", share * 100.0)) ")" }
                            }
                        }
                    }
                }
            }
            @if let Some(reference) = reference {
                (confusion_change::figure(id, row, reference, sides))
            }
        }
    }
}

/// The two classes that are confused most, in words.
fn worst(row: &AnalysedRow, sides: &[String]) -> String {
    let classes = sides.len().saturating_sub(1);
    let cells = (0..classes).flat_map(|truth| (0..classes).map(move |found| (truth, found)));
    let wrong = cells.filter(|(truth, found)| truth != found);
    let most = wrong.max_by_key(|(truth, found)| {
        (
            row.confusion[*truth][*found],
            std::cmp::Reverse((*truth, *found)),
        )
    });
    match most {
        Some((truth, found)) if row.confusion[truth][found] > 0 => {
            let count = row.confusion[truth][found];
            let sum: usize = row.confusion[truth].iter().sum();
            format!(
                "most often, {} is taken for {}: {count} of {sum}.",
                sides[truth], sides[found]
            )
        }
        _ => "no class is taken for another one.".to_string(),
    }
}

/// The counts as CSV.
fn lines(row: &AnalysedRow, sides: &[String]) -> String {
    let head = ["object".to_string()]
        .into_iter()
        .chain(sides.iter().cloned());
    let mut lines = vec![head.collect::<Vec<_>>()];
    for (name, counts) in sides.iter().zip(&row.confusion) {
        let counts = counts.iter().map(usize::to_string);
        lines.push([name.clone()].into_iter().chain(counts).collect());
    }
    csv(&lines)
}
