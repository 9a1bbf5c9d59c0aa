//! Confusion matrices, as in Fig. 3 of PL-DC. Cells lead to the images of the gallery in which the confusion happens.

use super::confusion_change;
use super::confusion_examples::{Examples, table};
use super::content::{Analysed, AnalysedRow};
use super::download::{csv_link, numbers_table, text_of};
use super::gallery_content::Gallery;
use super::matrix::{SIDE, START, frame, view_box};
use super::scale::place;
use maud::{Markup, html};

/// The number of shades.
const SHADES: f64 = 16.0;

/// The matrices of the rows, with links into `gallery`. `id` begins all ids in them.
pub fn body(id: &str, analysed: &Analysed, gallery: Option<&Gallery>) -> Markup {
    html! {
        p class="note" {
            "As Fig. 3 of the paper: lines are the classes of objects, columns those of detections with a score of at least "
            (analysed.min_score) ". A detection, the best score first, gets the free object with the largest IoU of at least \
             0.5, whatever its class. The last column has the missed objects, the last line the invented ones. The shade is \
             the share of the line; the paper states no least score. "
            @if gallery.is_some() {
                "A cell with a frame leads to an image of the gallery in which this happens; the tables below the matrices \
                 have the same links."
            }
        }
        div class="panels" {
            @for (place, row) in analysed.rows.iter().enumerate() {
                @let reference = row.reference.filter(|other| *other != place);
                @let reference = reference.map(|other| &analysed.rows[other]);
                (figure(&format!("{id}-confusion-{place}"), &Examples { id, gallery, row }, reference, &analysed.sides))
            }
        }
    }
}

fn figure(
    id: &str,
    examples: &Examples,
    reference: Option<&AnalysedRow>,
    sides: &[String],
) -> Markup {
    let row = examples.row;
    let lines = lines(row, sides);
    html! {
        figure class="panel matrix" {
            figcaption id=(id) { strong { (row.label) } ": " (worst(row, sides)) " " (csv_link(id, &text_of(&lines))) }
            // Readers of the tables have the links; a picture has no parts for them.
            svg viewBox=(view_box(sides.len())) role=(if examples.any() { "group" } else { "img" }) aria-labelledby=(id) {
                (frame(sides))
                @for (truth, counts) in row.confusion.iter().enumerate() {
                    @for (found, count) in counts.iter().enumerate() {
                        @if *count > 0 { (cell(examples, (truth, found), sides)) }
                    }
                }
            }
            details {
                summary { "Numbers and images" }
                (table(examples, sides))
                (numbers_table(&format!("Matrix of {}", row.label), &lines))
            }
            @if let Some(reference) = reference {
                (confusion_change::figure(id, row, reference, sides))
            }
        }
    }
}

/// A cell, within a link if the gallery has an image of it.
fn cell(examples: &Examples, (truth, found): (usize, usize), sides: &[String]) -> Markup {
    let counts = &examples.row.confusion[truth];
    let (count, sum) = (counts[found], counts.iter().sum::<usize>());
    let share = count as f64 / sum as f64;
    let at = |side: usize| place(START + SIDE * side as f64);
    let link = examples.shown((truth, found)).into_iter().next();
    let shade = ((share * SHADES) as usize).min(15);
    let class = match link {
        Some(_) => format!("q{shade} linked"),
        None => format!("q{shade}"),
    };
    let rectangle = html! {
        rect class=(class) x=(at(found)) y=(at(truth)) width=(SIDE) height=(SIDE) {
            title {
                (sides[truth]) " as " (sides[found]) ": " (count) " of " (sum) " (" (format!("{:.0} %", share * 100.0)) ")"
                @if let Some(link) = &link { "; see image " (link.image) }
            }
        }
    };
    html! {
        @match &link {
            Some(link) => a href=(link.address) tabindex="-1" { (rectangle) },
            None => (rectangle),
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

/// The counts, with the names of the sides before and above them.
fn lines(row: &AnalysedRow, sides: &[String]) -> Vec<Vec<String>> {
    let head = ["object".to_string()]
        .into_iter()
        .chain(sides.iter().cloned());
    let mut lines = vec![head.collect::<Vec<_>>()];
    for (name, counts) in sides.iter().zip(&row.confusion) {
        let counts = counts.iter().map(usize::to_string);
        lines.push([name.clone()].into_iter().chain(counts).collect());
    }
    lines
}
