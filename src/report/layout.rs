//! `tables.json`: the tables of a results folder as they were planned. With `records.jsonl` beside it, every table can be made again
//! without the recipe, which may have changed since.
//!
//! Several recipes may share a folder: a run replaces the tables of the same names and keeps the others.

use super::record::Record;
use super::table::{Header, RowRecords, Table};
use crate::atomic::write_atomically;
use crate::metrics::PaperColumn;
use anyhow::{Context, Result};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Name of the file in a results folder.
const FILE: &str = "tables.json";

/// What the file's keys mean; raised when that changes.
const VERSION: u32 = 1;

/// One planned table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct TableLayout {
    /// The sweep's name, and its files'.
    pub name: String,
    /// Name of the recipe that asked for it last.
    pub recipe: String,
    /// What the table answers.
    pub question: String,
    /// Label of the row that differences are taken to.
    pub reference: Option<String>,
    /// Where the paper's numbers stand.
    pub paper: Option<PaperColumn>,
    /// Lines about the run: commit, seeds, machine.
    pub provenance: Vec<String>,
    /// The seeds, the same for every row.
    pub seeds: Vec<u64>,
    /// In the order of the sweep.
    pub rows: Vec<RowLayout>,
}

/// One planned row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowLayout {
    /// The variant.
    pub label: String,
    /// The paper's number.
    pub paper: Option<f64>,
    /// Hashes of its trials, one per seed. Rows may share trials.
    pub trials: Vec<String>,
}

/// A table as the file has it; [`TableLayout`] holds what its fields promise.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    name: String,
    recipe: String,
    question: String,
    reference: Option<String>,
    paper: Option<PaperColumn>,
    provenance: Vec<String>,
    seeds: Vec<u64>,
    rows: Vec<RowLayout>,
}

impl TryFrom<Unchecked> for TableLayout {
    type Error = String;

    fn try_from(read: Unchecked) -> Result<Self, String> {
        let name = &read.name;
        let mut labels = BTreeSet::new();
        for RowLayout { label, trials, .. } in &read.rows {
            if !labels.insert(label) {
                return Err(format!("table `{name}`: the row `{label}` is there twice"));
            }
            if trials.len() != read.seeds.len() {
                return Err(format!(
                    "table `{name}`, row `{label}`: {} trials for {} seeds",
                    trials.len(),
                    read.seeds.len()
                ));
            }
        }
        if let Some(label) = read.reference.as_ref().filter(|one| !labels.contains(one)) {
            return Err(format!(
                "table `{name}`: no row is labelled as the reference, `{label}`"
            ));
        }
        Ok(Self {
            name: read.name,
            recipe: read.recipe,
            question: read.question,
            reference: read.reference,
            paper: read.paper,
            provenance: read.provenance,
            seeds: read.seeds,
            rows: read.rows,
        })
    }
}

impl TableLayout {
    /// The table as far as its trials have ended; `record` finds a trial's record by its hash.
    pub fn table<'a>(
        &'a self,
        record: impl Fn(&str) -> Option<&'a Record>,
        metric: Option<&str>,
    ) -> Table {
        let header = Header {
            name: self.name.clone(),
            question: self.question.clone(),
            reference: self.reference.clone(),
            paper: self.paper.clone(),
            provenance: self.provenance.clone(),
        };
        let rows: Vec<RowRecords> = self
            .rows
            .iter()
            .map(|row| RowRecords {
                label: &row.label,
                paper: row.paper,
                records: row.trials.iter().map(|hash| record(hash)).collect(),
            })
            .collect();
        Table::new(header, &rows, metric)
    }
}

/// The file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Layout {
    version: u32,
    tables: Vec<TableLayout>,
}

/// Its path in the results folder `folder`.
pub fn path(folder: &Path) -> PathBuf {
    folder.join(FILE)
}

/// The tables of the results folder `folder`; none without the file.
///
/// # Errors
/// A file that cannot be read or is not such JSON: file, line and column.
pub fn read(folder: &Path) -> Result<Option<Vec<TableLayout>>> {
    let path = path(folder);
    let text = match fs::read(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        read => read.with_context(|| format!("cannot read `{}`", path.display()))?,
    };
    let layout: Layout = serde_json::from_slice(&text).map_err(|error| {
        // serde_json ends its message with the position.
        let message = error.to_string();
        let (line, column) = (error.line(), error.column());
        let suffix = format!(" at line {line} column {column}");
        let message = message.strip_suffix(&suffix).unwrap_or(&message);
        anyhow::anyhow!("{}:{line}:{column}: {message}", path.display())
    })?;
    anyhow::ensure!(
        layout.version == VERSION,
        "{}:1: version {} of the file; this program reads version {VERSION}",
        path.display(),
        layout.version
    );
    Ok(Some(layout.tables))
}

/// Takes a file that is no JSON, cut off by a full disk or an editor, out of the way: it stays beside its place as `tables.json.damaged`.
/// Returns what was done; nothing is done to a file that is whole or absent.
///
/// # Errors
/// A file that cannot be renamed, named.
pub fn set_damaged_aside(folder: &Path) -> Result<Option<String>> {
    let path = path(folder);
    let is_json = |bytes: &[u8]| serde_json::from_slice::<IgnoredAny>(bytes).is_ok();
    if !path.exists() || fs::read(&path).is_ok_and(|bytes| is_json(&bytes)) {
        return Ok(None);
    }
    let aside = folder.join(format!("{FILE}.damaged"));
    fs::rename(&path, &aside).with_context(|| format!("cannot rename `{}`", path.display()))?;
    Ok(Some(format!(
        "`{}` is damaged and made again for this recipe's tables; the file as it was is `{}`",
        path.display(),
        aside.display()
    )))
}

/// Puts `tables` into the file of `folder`: in the place of those of the same names, new ones at the end.
///
/// # Errors
/// A file that cannot be read or written, named; it is then as it was.
pub fn merge(folder: &Path, tables: &[TableLayout]) -> Result<()> {
    let earlier = read(folder)?.unwrap_or_default();
    let mut merged = earlier.clone();
    for table in tables {
        match merged.iter_mut().find(|other| other.name == table.name) {
            Some(other) => *other = table.clone(),
            None => merged.push(table.clone()),
        }
    }
    if merged == earlier && path(folder).exists() {
        return Ok(());
    }
    let layout = Layout {
        version: VERSION,
        tables: merged,
    };
    let text = serde_json::to_string_pretty(&layout)? + "\n";
    write_atomically(&path(folder), text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(name: &str, question: &str) -> TableLayout {
        TableLayout {
            name: name.into(),
            recipe: "r".into(),
            question: question.into(),
            reference: Some("a".into()),
            paper: None,
            provenance: vec![],
            seeds: vec![0, 1],
            rows: vec![RowLayout {
                label: "a".into(),
                paper: Some(21.8),
                trials: vec!["x".into(), "y".into()],
            }],
        }
    }

    #[test]
    fn tables_of_other_recipes_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()).unwrap(), None);
        merge(folder.path(), &[layout("one", "?"), layout("two", "?")]).unwrap();
        merge(folder.path(), &[layout("three", "?"), layout("one", "!")]).unwrap();
        let tables = read(folder.path()).unwrap().unwrap();
        let known = [layout("one", "!"), layout("two", "?"), layout("three", "?")];
        assert_eq!(tables, known);
        let bytes = fs::read(path(folder.path())).unwrap();
        merge(folder.path(), &tables).unwrap();
        assert_eq!(fs::read(path(folder.path())).unwrap(), bytes);
    }

    #[test]
    fn what_is_no_json_is_set_aside_and_all_else_stays() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(set_damaged_aside(folder.path()).unwrap(), None);
        merge(folder.path(), &[layout("one", "?")]).unwrap();
        assert_eq!(set_damaged_aside(folder.path()).unwrap(), None);
        let good = fs::read(path(folder.path())).unwrap();
        fs::write(path(folder.path()), &good[..good.len() / 2]).unwrap();
        let told = set_damaged_aside(folder.path()).unwrap().unwrap();
        assert!(told.contains("tables.json.damaged"), "{told}");
        assert_eq!(read(folder.path()).unwrap(), None);
    }

    #[test]
    fn what_is_wrong_is_placed() {
        let folder = tempfile::tempdir().unwrap();
        merge(folder.path(), &[layout("one", "?")]).unwrap();
        let good = fs::read_to_string(path(folder.path())).unwrap();
        for (from, to, parts) in [
            ("\"y\"", "7", &["tables.json:21:", "expected a string"][..]),
            ("\"x\",", "", &["tables.json:", "1 trials for 2 seeds"]),
            ("\"reference\": \"a\"", "\"reference\": \"b\"", &["`b`"]),
            ("\"version\": 1", "\"version\": 9", &[":1: version 9"]),
            ("\"seeds\"", "\"seedz\"", &["tables.json:11:", "`seedz`"]),
            ("\n}", "", &["tables.json:", "EOF"]),
        ] {
            assert!(good.contains(from), "{good}");
            fs::write(path(folder.path()), good.replacen(from, to, 1)).unwrap();
            let message = format!("{:#}", read(folder.path()).unwrap_err());
            for part in parts {
                assert!(message.contains(part), "`{part}` is not in: {message}");
            }
        }
    }
}
