//! The values of the metric by class.

use super::content::{ClassTable, ClassValues};
use super::download::{csv_link, text_of};
use crate::report::cell::{DIGITS, number, signed};
use maud::{Markup, html};
use std::collections::BTreeSet;

/// The most rows in the table.
const ROWS: usize = 24;

/// The table: classes by rows of the sweep, each with its paired difference to the reference.
pub fn body(id: &str, table: &ClassTable) -> Markup {
    let shown = table.labels.len().min(ROWS);
    let title = format!("{} by class in percent", table.metric);
    let compared: BTreeSet<usize> = table.references.iter().copied().flatten().collect();
    let small = match compared.len() {
        0 => "",
        1 => {
            "; small: the mean of the paired differences to the reference, over the seeds that both have finished"
        }
        _ => {
            "; small: the mean of the paired differences to the row's own reference, over the seeds that both have finished"
        }
    };
    let ordered = table.classes.iter().any(|class| class.labelled.is_some());
    let order = match ordered {
        true => "those with the most labelled objects first, parted at the median",
        false => "in the order of the dataset, as no record tells the labelled objects",
    };
    let parts = parts(&table.classes, ordered);
    html! {
        p class="note" {
            (title) ": means over the finished seeds, " (order) (small) ". "
            (csv_link(&format!("{id}-classes"), &text(table)))
        }
        div class="wide" tabindex="0" role="region" aria-label=(title) {
            table class="results" {
                thead {
                    tr {
                        th scope="col" data-sorts="text" { "class" }
                        @if ordered {
                            th scope="col" data-sorts="number" class="number" { "labelled" }
                        }
                        @for label in &table.labels[..shown] {
                            th scope="col" data-sorts="number" class="number" { (label) }
                        }
                    }
                }
                @for (heading, classes) in parts {
                    tbody {
                        @if let Some(heading) = heading {
                            tr class="group" {
                                th scope="rowgroup" { (heading) }
                                td class="number" {}
                                @for row in 0..shown {
                                    @let mean = |values: &dyn Fn(&ClassValues) -> Option<f64>| mean(classes, values);
                                    (cell(mean(&|class| class.values[row]), mean(&|class| class.differences[row])))
                                }
                            }
                        }
                        @for class in classes {
                            tr {
                                th scope="row" { (class.name) }
                                @if let Some(count) = class.labelled {
                                    td class="number" data-value=(count) { (counted(count)) }
                                }
                                @for row in 0..shown {
                                    (cell(class.values[row], class.differences[row]))
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

/// A part of the classes with its heading, if it has one.
type Part<'a> = (Option<String>, &'a [ClassValues]);

/// The classes in one part, or, `ordered` by their labelled objects, in the head and the tail.
fn parts(classes: &[ClassValues], ordered: bool) -> Vec<Part<'_>> {
    if !ordered || classes.len() < 2 {
        return vec![(None, classes)];
    }
    let (head, tail) = classes.split_at(classes.len().div_ceil(2));
    let heading =
        |name: &str, part: &[ClassValues]| Some(format!("{name}: mean of {}", part.len()));
    vec![(heading("Head", head), head), (heading("Tail", tail), tail)]
}

/// The mean over the classes that have the value.
fn mean(classes: &[ClassValues], value: &dyn Fn(&ClassValues) -> Option<f64>) -> Option<f64> {
    let values: Vec<f64> = classes.iter().filter_map(value).collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

fn cell(value: Option<f64>, difference: Option<f64>) -> Markup {
    html! {
        td class="number" data-value=[value] {
            (number(value))
            @if difference.is_some() {
                " " small { (signed(difference, DIGITS)) }
            }
        }
    }
}

/// A number of objects, which may be a mean over splits.
fn counted(count: f64) -> String {
    match count.fract() == 0.0 {
        true => format!("{count}"),
        false => format!("{count:.1}"),
    }
}

/// The table as CSV: the values of all rows, then the differences of those that are compared.
fn text(table: &ClassTable) -> String {
    let compared: Vec<usize> = (0..table.labels.len())
        .filter(|row| table.references[*row].is_some_and(|other| other != *row))
        .collect();
    let ordered = table.classes.iter().any(|class| class.labelled.is_some());
    let mut head = vec!["class".to_string()];
    head.extend(ordered.then(|| "labelled".to_string()));
    head.extend(table.labels.iter().cloned());
    head.extend(
        compared
            .iter()
            .map(|row| format!("{}: difference", table.labels[*row])),
    );
    let mut rows = vec![head];
    for class in &table.classes {
        let mut cells = vec![class.name.clone()];
        cells.extend(class.labelled.map(counted));
        cells.extend(class.values.iter().map(|value| number(*value)));
        cells.extend(
            compared
                .iter()
                .map(|row| signed(class.differences[*row], DIGITS)),
        );
        rows.push(cells);
    }
    text_of(&rows)
}
