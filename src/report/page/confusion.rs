//! Confusion matrices, as in Fig. 3 of PL-DC.

use super::content::{Analysed, AnalysedRow};
use super::download::{csv, csv_link};
use super::scale::place;
use maud::{Markup, html};

/// The side of a cell, and the room of the names at the left and at the top.
const SIZE: [f64; 2] = [16.0, 120.0];
/// The characters of a name that has room.
const NAME: usize = 17;
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
                (figure(&format!("{id}-confusion-{place}"), row, &analysed.sides))
            }
        }
    }
}

fn figure(id: &str, row: &AnalysedRow, sides: &[String]) -> Markup {
    let whole = SIZE[1] + SIZE[0] * sides.len() as f64;
    let cell = |at: usize| place(SIZE[1] + SIZE[0] * at as f64);
    let text = |at: usize| place(SIZE[1] + SIZE[0] * (at as f64 + 0.75));
    html! {
        figure class="panel matrix" {
            figcaption id=(id) { strong { (row.label) } ": " (worst(row, sides)) " " (csv_link(id, &lines(row, sides))) }
            svg viewBox=(format!("0 0 {0} {0}", place(whole + 2.0))) role="img" aria-labelledby=(id) {
                @for (at, name) in sides.iter().enumerate() {
                    text class="tick" x=(place(SIZE[1] - 4.0)) y=(text(at)) text-anchor="end" { (cut(name)) }
                    text class="tick" x="0" y="0" transform=(format!("translate({} {}) rotate(-90)", text(at), place(SIZE[1] - 4.0))) { (cut(name)) }
                }
                rect class="frame" x=(cell(0)) y=(cell(0)) width=(place(whole - SIZE[1])) height=(place(whole - SIZE[1])) {}
                @for (truth, counts) in row.confusion.iter().enumerate() {
                    @let sum = counts.iter().sum::<usize>();
                    @for (found, count) in counts.iter().enumerate() {
                        @if *count > 0 {
                            @let share = *count as f64 / sum as f64;
                            rect class=(format!("q{}", ((share * SHADES) as usize).min(15))) x=(cell(found)) y=(cell(truth))
                                width=(SIZE[0]) height=(SIZE[0]) {
                                title { (sides[truth]) " as " (sides[found]) ": " (count) " of " (sum) " (" (format!("{:.0} %", share * 100.0)) ")" }
                            }
                        }
                    }
                }
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

/// The name, or as much of it as has room.
fn cut(name: &str) -> String {
    match name.chars().count() > NAME {
        true => name.chars().take(NAME - 1).chain(['…']).collect(),
        false => name.to_string(),
    }
}
