//! From records to tables: one record per finished trial, one table per sweep, in every format of [`FORMATS`].
//!
//! Nothing here depends on the clock: two runs of a recipe write the same bytes. What does depend on it stands in
//! `timing.jsonl`, and whatever else does is the caller's to keep apart.

mod csv;
mod delta;
mod json_lines;
mod markdown;
mod record;
mod table;

pub use delta::{Difference, paired_difference};
pub use json_lines::{JsonLines, Keyed, set_damaged_lines_aside};
pub use record::{Metrics, Record, Status, Timing};
pub use table::{Cells, Header, Row, RowRecords, Table};

use crate::atomic::write_atomically;
use anyhow::Result;
use std::path::Path;

/// One way to write a table.
pub struct Format {
    /// Extension of the file.
    pub extension: &'static str,
    /// The content of the file.
    pub render: fn(&Table) -> Result<String>,
}

/// All ways to write a table; each is written for every sweep.
pub const FORMATS: &[Format] = &[
    Format {
        extension: "csv",
        render: csv::render,
    },
    Format {
        extension: "md",
        render: markdown::render,
    },
];

/// Writes `table` to `folder/name.<extension>` in every format.
///
/// # Errors
/// A folder or file that cannot be written, named.
pub fn write_table(folder: &Path, name: &str, table: &Table) -> Result<()> {
    for format in FORMATS {
        let path = folder.join(format!("{name}.{}", format.extension));
        write_atomically(&path, (format.render)(table)?.as_bytes())?;
    }
    Ok(())
}
