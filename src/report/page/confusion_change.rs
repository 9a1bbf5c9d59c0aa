//! The difference of two confusion matrices.

use super::content::AnalysedRow;
use super::download::{csv_link, numbers, text_of};
use super::matrix::{SIDE, START, frame, view_box};
use super::scale::place;
use crate::report::cell::signed;
use maud::{Markup, html};

/// The number of shades.
const SHADES: f64 = 16.0;
/// The least difference in percent that is written into its cell.
const WRITTEN: f64 = 1.0;

/// The difference of the shares of `row` to those of `reference`, behind a fold.
pub fn figure(id: &str, row: &AnalysedRow, reference: &AnalysedRow, sides: &[String]) -> Markup {
    let cells = changes(&row.confusion, &reference.confusion);
    let most = cells
        .iter()
        .flatten()
        .flatten()
        .fold(0.0f64, |most, one| most.max(one.abs()));
    let shade = |change: f64| ((change.abs() / most * SHADES) as usize).min(15);
    let name = format!("{id}-change");
    let lines = lines(&cells, sides);
    html! {
        details {
            summary { "Difference to " (reference.label) }
            p id=(name) class="note" {
                "Shares of the lines of " (row.label) " less those of " (reference.label) ", in percent. The darkest cell is "
                (format!("{most:.1}")) " percent; cells with more have a plus, cells with less a minus. "
                (csv_link(&name, &text_of(&lines)))
            }
            svg viewBox=(view_box(sides.len())) role="img" aria-labelledby=(name) {
                (frame(sides))
                @for (truth, line) in cells.iter().enumerate() {
                    @for (found, change) in line.iter().enumerate() {
                        @if let Some(change) = change.filter(|change| *change != 0.0) {
                            @let (x, y) = (START + SIDE * found as f64, START + SIDE * truth as f64);
                            rect class=(format!("q{} {}", shade(change), if change > 0.0 { "more" } else { "less" }))
                                x=(place(x)) y=(place(y)) width=(SIDE) height=(SIDE) {
                                title { (sides[truth]) " as " (sides[found]) ": " (signed(Some(change), 1)) " percent" }
                            }
                            @if change.abs() >= WRITTEN {
                                text class="points" x=(place(x + SIDE / 2.0)) y=(place(y + SIDE * 0.65)) text-anchor="middle" { (format!("{change:+.0}")) }
                            }
                        }
                    }
                }
            }
            (numbers(&format!("Difference of {} to {}", row.label, reference.label), &lines))
        }
    }
}

/// The differences of the shares of each line in percent; none where a line has no counts in one of both.
fn changes(own: &[Vec<usize>], other: &[Vec<usize>]) -> Vec<Vec<Option<f64>>> {
    let shares = |counts: &[usize]| {
        let sum = counts.iter().sum::<usize>();
        let share = move |count: &usize| (sum > 0).then(|| *count as f64 / sum as f64 * 100.0);
        counts.iter().map(share).collect::<Vec<_>>()
    };
    let line = |(own, other): (&Vec<usize>, &Vec<usize>)| {
        let pairs = shares(own).into_iter().zip(shares(other));
        pairs.map(|(own, other)| Some(own? - other?)).collect()
    };
    own.iter().zip(other).map(line).collect()
}

/// The differences.
fn lines(cells: &[Vec<Option<f64>>], sides: &[String]) -> Vec<Vec<String>> {
    let head = ["object".to_string()]
        .into_iter()
        .chain(sides.iter().cloned());
    let mut lines = vec![head.collect::<Vec<_>>()];
    for (name, line) in sides.iter().zip(cells) {
        let text =
            |change: &Option<f64>| change.map_or(String::new(), |change| format!("{change:.3}"));
        lines.push(
            [name.clone()]
                .into_iter()
                .chain(line.iter().map(text))
                .collect(),
        );
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn shares_and_not_counts_are_compared() {
        let own = vec![vec![6, 2], vec![0, 0], vec![1, 3]];
        let other = vec![vec![1, 3], vec![1, 1], vec![2, 6]];
        let found = changes(&own, &other);
        assert_eq!(found[0], [Some(50.0), Some(-50.0)]);
        assert_eq!(
            found[1],
            [None, None],
            "a line without objects has no share"
        );
        assert_eq!(
            found[2],
            [Some(0.0), Some(0.0)],
            "twice as many of each is no difference"
        );
    }

    proptest! {
        #[test]
        fn each_line_of_differences_adds_up_to_0(
            counts in proptest::collection::vec((0..50usize, 0..50usize), 1..12),
        ) {
            let (own, other): (Vec<usize>, Vec<usize>) = counts.into_iter().unzip();
            let found = changes(&[own], &[other]);
            prop_assert!(found[0].iter().flatten().sum::<f64>().abs() < 1e-9);
        }
    }
}
