//! From records to tables: one record per finished trial, one table per sweep, in every format of [`FORMATS`].
//!
//! Nothing here depends on the clock: two runs of a recipe write the same bytes. What does depend on it stands in
//! `timing.jsonl`, and whatever else does is the caller's to keep apart.

mod cell;
mod comparison;
mod comparison_text;
mod csv;
mod folder;
mod json_lines;
mod latex;
pub mod layout;
mod legend;
mod markdown;
mod metric;
mod record;
pub mod statistics;
mod table;
#[cfg(test)]
mod tests;

pub use comparison::{ComparedRow, Comparison, compare};
pub use comparison_text::{COMPARISON_FORMATS, ComparisonFormat};
pub use folder::{RECORDS, ResultsFolder};
pub use json_lines::{JsonLines, Keyed, set_damaged_lines_aside};
pub use layout::{RowLayout, TableLayout};
pub use record::{Record, Status, Timing};
pub use table::{Header, Order, Row, RowRecords, Table};

use crate::atomic::write_atomically;
use anyhow::Result;
use std::path::Path;

/// One way to write tables.
pub struct Format {
    /// Its name on the command line, and the extension of its files.
    pub name: &'static str,
    /// Whether a sweep writes each of its tables so, beside its records.
    pub written: bool,
    /// The text of tables of one metric.
    pub render: fn(&[Table]) -> Result<String>,
}

/// All ways to write tables.
pub const FORMATS: &[Format] = &[
    Format {
        name: "csv",
        written: true,
        render: csv::render,
    },
    Format {
        name: "md",
        written: true,
        render: markdown::render,
    },
    Format {
        name: "latex",
        written: false,
        render: latex::render,
    },
];

/// Writes `table` into `folder` in every format that is written, as `<its name>.<format>`.
///
/// # Errors
/// A folder or file that cannot be written, named.
pub fn write_table(folder: &Path, table: &Table) -> Result<()> {
    for format in FORMATS.iter().filter(|format| format.written) {
        let path = folder.join(format!("{}.{}", table.header.name, format.name));
        let text = (format.render)(std::slice::from_ref(table))?;
        write_atomically(&path, text.as_bytes())?;
    }
    Ok(())
}
