//! A results folder as it was left: its planned tables and the records of the trials that ended.

use super::json_lines::JsonLines;
use super::layout::{self, TableLayout};
use super::record::Record;
use super::table::Table;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

/// Name of the file of records in a results folder.
pub const RECORDS: &str = "records.jsonl";

/// A results folder.
#[derive(Clone, Debug, PartialEq)]
pub struct ResultsFolder {
    /// Where it is.
    pub path: PathBuf,
    /// Its planned tables.
    pub tables: Vec<TableLayout>,
    /// What its trials found.
    pub records: JsonLines<Record>,
    /// Lines of the records that were left out, as `file:line: reason`.
    pub damaged: Vec<String>,
}

impl ResultsFolder {
    /// Reads the folder `path`. A damaged line of the records is left out and told: a writer that was killed may have left it.
    ///
    /// # Errors
    /// No results folder; `tables.json` is absent or damaged; no record at all can be read.
    pub fn read(path: &Path) -> Result<Self> {
        let shown = path.display();
        if !path.is_dir() {
            bail!(
                "no folder `{shown}`; `table` and `compare` take a results folder, like `results/ablation`"
            );
        }
        let Some(tables) = layout::read(path)? else {
            bail!(
                "no results in `{shown}`: there is no `{}`, which `harness sweep` writes beside its records",
                layout::path(path).file_name().unwrap_or_default().display()
            );
        };
        let file = path.join(RECORDS);
        let (records, damaged) = JsonLines::read_whole_lines(&file)?;
        if let Some(first) = damaged.first().filter(|_| records == JsonLines::default()) {
            bail!("{first}");
        }
        if !file.exists() {
            bail!("no results in `{shown}`: there is no `{RECORDS}` yet");
        }
        Ok(Self {
            path: path.to_path_buf(),
            tables,
            records,
            damaged,
        })
    }

    /// As [`Self::read`], but a damaged record is an error: what is left out would make a difference.
    ///
    /// # Errors
    /// As [`Self::read`], or the first damaged line.
    pub fn read_undamaged(path: &Path) -> Result<Self> {
        let folder = Self::read(path)?;
        match folder.damaged.first() {
            Some(first) => Err(anyhow::anyhow!("{first}")).context("a damaged record"),
            None => Ok(folder),
        }
    }

    /// One of its tables with the differences and verdicts of `metric`; none: of the first that its records have.
    pub fn table(&self, layout: &TableLayout, metric: Option<&str>) -> Table {
        layout.table(|hash| self.records.get(hash), metric)
    }
}
