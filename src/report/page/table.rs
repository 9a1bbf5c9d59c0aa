//! The table of a sweep: the same columns, texts and legend as `harness table`, and the texts to copy.

use super::coded::coded;
use super::content::View;
use super::download::copied;
use crate::report::columns::{Content, Kind, Shown, shown};
use crate::report::look::Look;
use crate::report::matrix::Matrix;
use crate::report::table::Table;
use crate::report::terminal::text;
use crate::report::{FORMATS, legend};
use anyhow::Result;
use maud::{Markup, html};

/// The most rows of a table on the page.
const ROWS: usize = 200;
/// The formats that can be copied, each with its title.
const COPIED: [(&str, &str); 3] = [("md", "Markdown"), ("csv", "CSV"), ("latex", "LaTeX")];

/// The rows that are shown, in the order of the table: all, or those with the largest differences.
pub fn visible(table: &Table) -> Vec<usize> {
    let mut rows: Vec<usize> = (0..table.rows.len()).collect();
    if rows.len() > ROWS {
        let size = |row: &usize| {
            let row = &table.rows[*row];
            match table.is_reference(row) {
                true => f64::INFINITY,
                false => row.difference.map_or(-1.0, |found| found.mean.abs()),
            }
        };
        rows.sort_by(|one, other| size(other).total_cmp(&size(one)));
        rows.truncate(ROWS);
        rows.sort_unstable();
    }
    rows
}

/// The table of `view` with its legend. `id` begins all ids in it, and `rows_of` those of the rows in the list of
/// trials.
///
/// # Errors
/// A format cannot write the table.
pub fn table(id: &str, view: &View, rows_of: &str) -> Result<Markup> {
    let table = &view.table;
    let look = Look::default();
    let columns = shown(table, &look);
    let rows = visible(table);
    let mut texts = Vec::new();
    for (name, title) in COPIED {
        let format = FORMATS.iter().find(|format| format.name == name);
        if let Some(format) = format {
            let text = (format.render)(std::slice::from_ref(table), &look)?;
            texts.push(copied(&format!("{id}-{name}"), title, title, &text));
        }
    }
    Ok(html! {
        @if let Some(matrix) = Matrix::of(table) { (of_matrix(&matrix, table, &look)) }
        div class="wide" tabindex="0" role="region" aria-label=(format!("Table {}", table.header.name)) {
            table class="results" id=(id) data-metric=(table.metric) {
                caption { (table.header.question) }
                thead {
                    tr {
                        @for column in &columns {
                            th scope="col" data-sorts=(sorts(&column.kind)) class=[number(&column.kind)] {
                                (column.kind.title())
                            }
                        }
                    }
                }
                @for (group, range) in table.blocks() {
                    tbody {
                        @if let Some(group) = group {
                            tr class="group" {
                                th scope="rowgroup" colspan=(columns.len()) {
                                    (group.title) " (reference " (group.reference) ")"
                                }
                            }
                        }
                        @for row in rows.iter().copied().filter(|row| range.contains(row)) {
                            (line(table, &columns, row, &look, &format!("#{rows_of}-{row}")))
                        }
                    }
                }
            }
        }
        @if rows.len() < table.rows.len() {
            p class="note" {
                "These are the " (rows.len()) " rows with the largest differences of " (table.rows.len())
                "; the texts to copy have all."
            }
        }
        div class="texts" {
            @for one in &texts { (one) }
        }
        details {
            summary { "Meaning of the columns" }
            ul class="legend" {
                @for line in legend::of(table, &look) {
                    li { (coded(&line)) }
                }
            }
        }
    })
}

/// The matrix of the rows, above them.
fn of_matrix(matrix: &Matrix, table: &Table, look: &Look) -> Markup {
    html! {
        div class="wide" tabindex="0" role="region" aria-label=(format!("Matrix {}", table.header.name)) {
            table class="results" {
                caption { (table.header.question) }
                thead {
                    tr {
                        th scope="col" { "system" }
                        @for title in &matrix.columns { th scope="col" class="number" { (title) } }
                    }
                }
                tbody {
                    @for (title, rows) in &matrix.lines {
                        tr {
                            th scope="row" { (title) }
                            @for row in rows { td class="number" { (Matrix::cell(table, *row, look)) } }
                        }
                    }
                }
            }
        }
        p class="note" { (Matrix::legend(table)) }
    }
}

/// A row of the table. Its label leads to its trials, at the place `trials` of the page.
fn line(table: &Table, columns: &[Shown], row: usize, look: &Look, trials: &str) -> Markup {
    let own = &table.rows[row];
    let is_reference = table.is_reference(own);
    html! {
        tr data-row=(row) class=[is_reference.then_some("reference")] {
            @for column in columns {
                @let cell = &column.cells[row];
                @let words = text(cell, look, false);
                @if column.kind == Kind::Label {
                    th scope="row" { a href=(trials) { (words) } }
                } @else {
                    td class=(class(column, cell)) data-value=[value(cell)] { (words) }
                }
            }
        }
    }
}

/// The class of a cell. Shapes and weights show what the words say too.
fn class(column: &Shown, cell: &Content) -> String {
    let special = match cell {
        Content::Verdict(Some(verdict)) => format!("verdict-cell {verdict}"),
        Content::Mean(Some(_), _, true) => "best".to_string(),
        _ => String::new(),
    };
    let number = number(&column.kind).unwrap_or("words");
    format!("{number} {special}").trim_end().to_string()
}

fn number(kind: &Kind) -> Option<&'static str> {
    let intervals = matches!(kind, Kind::Difference | Kind::Bootstrap | Kind::Sequence);
    let numbers = kind.is_number() || intervals;
    numbers.then_some("number")
}

/// The way in which a column is sorted.
fn sorts(kind: &Kind) -> &'static str {
    match number(kind) {
        Some(_) => "number",
        None => "text",
    }
}

/// The number by which a cell is sorted.
fn value(cell: &Content) -> Option<f64> {
    match cell {
        Content::Count(count) => Some(*count as f64),
        Content::Mean(value, ..)
        | Content::Number(value)
        | Content::Signed(value)
        | Content::P(value) => *value,
        Content::Difference(found, _) => found.map(|found| found.mean),
        Content::Interval(bounds) => bounds.map(|(low, _)| low),
        Content::Text(_) | Content::Verdict(_) => None,
    }
}
