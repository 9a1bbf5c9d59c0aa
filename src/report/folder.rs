//! A results folder: its planned tables and the records of the finished trials.

use super::json_lines::JsonLines;
use super::layout::{self, TableLayout};
use super::record::Record;
use super::table::Table;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};

/// The number of letters by which the name of a folder may differ from the one that is meant.
const SLIPS: usize = 2;
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
    /// It does not. The error names a folder that may be meant.
    pub fn require(path: &Path) -> Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        let shown = path.display();
        let found = match path.exists() {
            true => format!("`{shown}` is a file"),
            false => format!("no folder `{shown}`"),
        };
        match similar_folder(path) {
            Some(near) => bail!("{found}; did you mean `{}`?", near.display()),
            None => bail!("{found}; this command needs a results folder, like `results/ablation`"),
        }
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

/// A folder that `path` may mean: that of the same name in `results/`, or one beside it with nearly the same name.
fn similar_folder(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let usual = Path::new("results").join(name);
    if usual.is_dir() {
        return Some(usual);
    }
    let beside = path.parent()?;
    let here = match beside.as_os_str().is_empty() {
        true => Path::new("."),
        false => beside,
    };
    // A folder above may be mistyped, too.
    let Ok(entries) = fs::read_dir(here) else {
        return similar_folder(beside).map(|beside| beside.join(name));
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let near = |other: &String| strsim::damerau_levenshtein(name, other) <= SLIPS;
    let mut near: Vec<String> = names.filter(near).collect();
    near.sort();
    let mut folders = near.iter().map(|name| beside.join(name));
    folders.find(|folder| folder.is_dir())
}
