//! The values of the metric by class.

use super::content::ClassTable;
use super::download::{csv, csv_link};
use crate::report::cell::{DIGITS, number, signed};
use maud::{Markup, html};
use std::collections::BTreeSet;

/// The most rows in the table.
const ROWS: usize = 24;

/// The table: classes by rows of the sweep, each with its difference to the reference.
pub fn body(id: &str, table: &ClassTable) -> Markup {
    let shown = table.labels.len().min(ROWS);
    let difference = |values: &[Option<f64>], row: usize| {
        let reference = table.references[row].filter(|reference| *reference != row)?;
        Some(values[row]? - values[reference]?)
    };
    let title = format!("{} by class in percent", table.metric);
    let compared: BTreeSet<usize> = table.references.iter().copied().flatten().collect();
    let small = match compared.len() {
        0 => "",
        1 => "; small: the difference to the reference",
        _ => "; small: the difference to the row's own reference",
    };
    html! {
        p class="note" {
            (title) ": means over the finished seeds, in the order of the dataset" (small) ". "
            (csv_link(&format!("{id}-classes"), &text(table)))
        }
        div class="wide" tabindex="0" role="region" aria-label=(title) {
            table class="results" {
                thead {
                    tr {
                        th scope="col" data-sorts="text" { "class" }
                        @for label in &table.labels[..shown] {
                            th scope="col" data-sorts="number" class="number" { (label) }
                        }
                    }
                }
                tbody {
                    @for (name, values) in &table.classes {
                        tr {
                            th scope="row" { (name) }
                            @for row in 0..shown {
                                td class="number" data-value=[values[row]] {
                                    (number(values[row]))
                                    @if let Some(found) = difference(values, row) {
                                        " " small { (signed(Some(found), DIGITS)) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
        @if shown < table.labels.len() {
            p class="note" { "The file has the other " (table.labels.len() - shown) " rows." }
        }
    }
}

/// The table as CSV.
fn text(table: &ClassTable) -> String {
    let head = ["class".to_string()]
        .into_iter()
        .chain(table.labels.iter().cloned());
    let mut rows = vec![head.collect::<Vec<_>>()];
    for (name, values) in &table.classes {
        let values = values.iter().map(|value| number(*value));
        rows.push([name.clone()].into_iter().chain(values).collect());
    }
    csv(&rows)
}
