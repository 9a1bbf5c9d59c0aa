//! Turns records into tables: one record per finished trial, one table per sweep, in every format of
//! [`FORMATS`].
//!
//! Nothing here depends on the clock: two runs of a recipe write the same bytes. Times are in `timing.jsonl`,
//! and the caller keeps everything else that depends on the run apart.

mod cautions;
pub mod cell;
mod columns;
mod comparison;
mod comparison_text;
mod csv;
mod fill;
mod folder;
mod given;
mod identical;
mod json_lines;
mod latex;
pub mod layout;
mod legend;
mod look;
mod markdown;
mod matrix;
mod metric;
pub mod page;
mod record;
mod rounds;
mod split;
pub mod statistics;
mod table;
pub mod tensorboard;
mod terminal;
#[cfg(test)]
mod tests;
mod tidy;
mod values;

pub use crate::screen::counted;
pub use columns::{column_names, known_column};
pub use comparison::{ComparedRow, Comparison, RowPair, compare, compare_rows};
pub use comparison_text::{COMPARISON_FORMATS, ComparisonFormat};
pub use folder::{RECORDS, ResultsFolder};
pub use given::{Header, RowRecords};
pub use identical::IDENTICAL;
pub use json_lines::{JsonLines, Keyed, set_damaged_lines_aside};
pub use layout::{RowLayout, TableLayout};
pub use look::Look;
pub use record::{Commits, Record, Timing, TrialStatus};
pub use rounds::Rounds;
pub use split::{SplitRecord, labelled_words};
pub use table::{Order, Table, TableRow};
pub use values::{REPORTED, Value};

use crate::atomic::write_atomically;
use anyhow::Result;
use matrix::Matrix;
use std::path::Path;

/// One format for tables.
pub struct Format {
    /// The name on the command line, and the extension of its files.
    pub name: &'static str,
    /// True if a sweep writes each of its tables in this format, beside its records.
    pub written: bool,
    /// True if its text says what may mislead the reader. Those for programs have no room for it.
    pub cautions: bool,
    /// Writes tables of one metric with this look.
    pub render: fn(&[Table], &Look) -> Result<String>,
}

/// All formats for tables.
pub const FORMATS: &[Format] = &[
    Format {
        name: "csv",
        written: true,
        cautions: false,
        render: csv::render,
    },
    Format {
        name: "md",
        written: true,
        cautions: true,
        render: markdown::render,
    },
    Format {
        name: "latex",
        written: false,
        cautions: true,
        render: latex::render,
    },
    Format {
        name: "tidy",
        written: false,
        cautions: false,
        render: tidy::render,
    },
    Format {
        name: "text",
        written: false,
        cautions: true,
        render: terminal::render,
    },
];

/// The tables of a sweep for the one who waits for them: aligned, with one legend.
///
/// # Errors
/// A table cannot be written as text.
pub fn closing(tables: &[Table], look: &Look) -> Result<String> {
    terminal::render(tables, look)
}

/// The files of `table`, each with its name: `<name of the table>.<format>` for every format with `written`, and
/// `<name of the table>.matrix.csv` with the matrix of its rows, if its sweep has `columns`.
///
/// # Errors
/// A table cannot be written as text.
pub fn table_files(table: &Table) -> Result<Vec<(String, String)>> {
    let (name, look) = (&table.header.name, Look::default());
    let mut files = Vec::new();
    for format in FORMATS.iter().filter(|format| format.written) {
        let text = (format.render)(std::slice::from_ref(table), &look)?;
        files.push((format!("{name}.{}", format.name), text));
    }
    if let Some(matrix) = Matrix::of(table) {
        files.push((format!("{name}.matrix.csv"), matrix.csv(table, &look)?));
    }
    Ok(files)
}

/// Writes the files of `table` into `folder`.
///
/// # Errors
/// A folder or file cannot be written. The error names it.
pub fn write_table(folder: &Path, table: &Table) -> Result<()> {
    for (name, text) in table_files(table)? {
        write_atomically(&folder.join(name), text.as_bytes())?;
    }
    Ok(())
}
