//! A results folder: its planned tables and the records of the finished trials.

use super::json_lines::JsonLines;
use super::layout::{self, TableLayout};
use super::record::Record;
use super::table::Table;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

/// The name of the file of records in a results folder.
pub const RECORDS: &str = "records.jsonl";

/// A results folder.
#[derive(Clone, Debug, PartialEq)]
pub struct ResultsFolder {
    /// The path of the folder.
    pub path: PathBuf,
    /// The planned tables.
    pub tables: Vec<TableLayout>,
    /// The results of the trials.
    pub records: JsonLines<Record>,
    /// The lines of the records that were left out, as `file:line: reason`.
    pub damaged: Vec<String>,
}

impl ResultsFolder {
    /// Checks that the folder `path` exists.
    ///
    /// # Errors
    /// It does not.
    pub fn require(path: &Path) -> Result<()> {
        if !path.is_dir() {
            bail!(
                "no folder `{}`; this command needs a results folder, like `results/ablation`",
                path.display()
            );
        }
        Ok(())
    }

    /// Reads the folder `path`. A damaged line of the records, which a killed writer may leave, is left out
    /// and listed in `damaged`.
    ///
    /// # Errors
    /// The folder does not exist; `tables.json` is missing or damaged; no record can be read.
    pub fn read(path: &Path) -> Result<Self> {
        Self::require(path)?;
        let shown = path.display();
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

    /// Does the same as [`Self::read`], but a damaged record is an error: leaving it out would change the
    /// result.
    ///
    /// # Errors
    /// Those of [`Self::read`], or the first damaged line.
    pub fn read_undamaged(path: &Path) -> Result<Self> {
        let folder = Self::read(path)?;
        match folder.damaged.first() {
            Some(first) => Err(anyhow::anyhow!("{first}")).context("a damaged record"),
            None => Ok(folder),
        }
    }

    /// One of the tables, with the differences and verdicts of `metric`, or of the first metric of its
    /// records.
    pub fn table(&self, layout: &TableLayout, metric: Option<&str>) -> Table {
        layout.table(|hash| self.records.get(hash), metric)
    }
}
