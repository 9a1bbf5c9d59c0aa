//! A table as CSV, for programs: a header line, one line per row, nothing else.

use super::table::{COLUMNS, Table};
use anyhow::{Context, Result};

/// The file's content; lines end with `\n`, fields are quoted where needed.
pub fn render(table: &Table) -> Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS)?;
    for row in &table.rows {
        writer.write_record(row.cells())?;
    }
    let bytes = writer.into_inner().context("CSV in memory")?;
    Ok(String::from_utf8(bytes)?)
}
