//! `tables.json`: the planned tables of a results folder. Together with `records.jsonl`, it is enough to make
//! every table again without the recipe, which may have changed since.
//!
//! Several recipes may share a folder: a run replaces the tables with the same names and keeps the others.

use super::cautions;
use super::given::{Header, RowRecords};
use super::metric::names;
use super::record::Record;
use super::rounds::Rounds;
use super::statistics::Paired;
use super::table::{Table, differences};
use crate::atomic::write_atomically;
use crate::metrics::{MatrixPlace, PaperColumn, RowDecision, RowGroup, UntilDecided};
use crate::screen::counted;
use anyhow::{Context, Result};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The name of the file in a results folder.
const FILE: &str = "tables.json";

/// The version of the file's format; raised when the meaning of its keys changes.
const VERSION: u32 = 1;

/// One planned table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct TableLayout {
    /// The name of the sweep and of its files.
    pub name: String,
    /// The name of the recipe that planned the table last.
    pub recipe: String,
    /// The question that the table answers.
    pub question: String,
    /// The label of the row that the differences are computed against.
    pub reference: Option<String>,
    /// The place of the published numbers in the paper.
    pub paper: Option<PaperColumn>,
    /// The titles of the columns of the matrix of its rows, in order; empty if they stand in the order of the rows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// Lines about the run: commit, seeds, machine.
    pub provenance: Vec<String>,
    /// The seeds, the same for every row. With `until`, those that a row may get; it has the first of them.
    pub seeds: Vec<u64>,
    /// The rule of seeds until decided; none if their number is fixed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<UntilDecided>,
    /// The decisions of that rule that have fallen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<RowDecision>,
    /// The rows, in the order of the sweep.
    pub rows: Vec<RowLayout>,
}

/// One planned row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowLayout {
    /// The variant.
    pub label: String,
    /// The number in the paper.
    pub paper: Option<f64>,
    /// The hashes of its trials, one per seed; with a rule of seeds until decided, of the seeds that it needs so far.
    /// Rows may share trials.
    pub trials: Vec<String>,
    /// The group that the row is compared in; none if the table has one reference or none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<RowGroup>,
    /// The place in the matrix of the rows; none if the table has no such matrix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<MatrixPlace>,
}

/// A table as read from the file; [`TableLayout`] guarantees that it is consistent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    name: String,
    recipe: String,
    question: String,
    reference: Option<String>,
    paper: Option<PaperColumn>,
    #[serde(default)]
    columns: Vec<String>,
    provenance: Vec<String>,
    seeds: Vec<u64>,
    #[serde(default)]
    until: Option<UntilDecided>,
    #[serde(default)]
    decisions: Vec<RowDecision>,
    rows: Vec<RowLayout>,
}

impl TryFrom<Unchecked> for TableLayout {
    type Error = String;

    fn try_from(read: Unchecked) -> Result<Self, String> {
        let name = &read.name;
        let mut labels = BTreeSet::new();
        for RowLayout {
            label,
            trials,
            group,
            ..
        } in &read.rows
        {
            if !labels.insert(label) {
                return Err(format!("table `{name}`: the row `{label}` appears twice"));
            }
            let fits = match read.until {
                Some(_) => trials.len() <= read.seeds.len(),
                None => trials.len() == read.seeds.len(),
            };
            if !fits {
                return Err(format!(
                    "table `{name}`, row `{label}`: {} for {}",
                    counted(trials.len(), "trial"),
                    counted(read.seeds.len(), "seed")
                ));
            }
            if let Some(RowGroup { title, reference }) = group
                && !read.rows.iter().any(|row| {
                    row.label == *reference
                        && row
                            .group
                            .as_ref()
                            .is_some_and(|other| other.title == *title)
                })
            {
                return Err(format!(
                    "table `{name}`: no row of the group `{title}` is labelled as its reference, `{reference}`"
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
            columns: read.columns,
            provenance: read.provenance,
            seeds: read.seeds,
            until: read.until,
            decisions: read.decisions,
            rows: read.rows,
        })
    }
}

impl TableLayout {
    /// The label of the row that `row` is compared with; none if the table compares nothing.
    pub fn reference_of<'a>(&'a self, row: &'a RowLayout) -> Option<&'a str> {
        let own = row.group.as_ref().map(|group| &group.reference);
        own.or(self.reference.as_ref()).map(String::as_str)
    }

    /// For each row, the place of the row that it is compared with.
    pub fn references(&self) -> Vec<Option<usize>> {
        let place = |row| {
            let label = self.reference_of(row)?;
            self.rows.iter().position(|other| other.label == label)
        };
        self.rows.iter().map(place).collect()
    }

    /// The table of the trials that have finished so far; `record` finds a trial's record by its hash.
    pub fn table<'a>(
        &'a self,
        record: impl Fn(&str) -> Option<&'a Record>,
        metric: Option<&str>,
    ) -> Table {
        let rows = self.row_records(record);
        let mut table = Table::new(self.header(), &rows, metric);
        let references = self.references().into_iter();
        let references: Vec<Option<&RowRecords>> =
            references.map(|place| Some(&rows[place?])).collect();
        table.cautions = cautions::of(&table, &rows, &references);
        table
    }

    /// How the rows stand by the rule of seeds until decided; none if the number of seeds is fixed. `record` finds a
    /// trial's record by its hash.
    pub fn rounds<'a>(&'a self, record: impl Fn(&str) -> Option<&'a Record>) -> Option<Rounds> {
        let rows = self.row_records(record);
        let rule = self.until.as_ref()?;
        Some(Rounds::new(rule, &self.header(), &rows, &self.references()))
    }

    /// The metric of the differences, and the differences of each row to its reference over the seeds that both have
    /// finished; none of a row without any. `record` finds a trial's record by its hash.
    pub fn paired<'a>(
        &'a self,
        record: impl Fn(&str) -> Option<&'a Record>,
    ) -> (String, Vec<Option<Paired>>) {
        let rows = self.row_records(record);
        let records = rows.iter().flat_map(|row| row.records.iter().flatten());
        let metric = names(records.copied()).swap_remove(0);
        let references = self.references().into_iter();
        let paired = rows.iter().zip(references).map(|(row, other)| {
            let other = other.map(|other| &rows[other]);
            Paired::of(&differences(row, other, &metric))
        });
        let paired = paired.collect();
        (metric, paired)
    }

    fn header(&self) -> Header {
        Header {
            name: self.name.clone(),
            question: self.question.clone(),
            reference: self.reference.clone(),
            paper: self.paper.clone(),
            columns: self.columns.clone(),
            provenance: self.provenance.clone(),
            until: self.until,
            decisions: self.decisions.clone(),
        }
    }

    /// The records of every row.
    fn row_records<'a>(
        &'a self,
        record: impl Fn(&str) -> Option<&'a Record>,
    ) -> Vec<RowRecords<'a>> {
        let row = |row: &'a RowLayout| RowRecords {
            label: &row.label,
            paper: row.paper,
            group: row.group.as_ref(),
            place: row.place.as_ref(),
            records: row.trials.iter().map(|hash| record(hash)).collect(),
        };
        self.rows.iter().map(row).collect()
    }
}

/// The content of the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LayoutFile {
    version: u32,
    tables: Vec<TableLayout>,
}

/// The path of the file in the results folder `folder`.
pub fn path(folder: &Path) -> PathBuf {
    folder.join(FILE)
}

/// Reads the tables of the results folder `folder`. Returns none if the file does not exist.
///
/// # Errors
/// The file cannot be read or is not valid. The error names file, line and column.
pub fn read(folder: &Path) -> Result<Option<Vec<TableLayout>>> {
    let path = path(folder);
    let text = match fs::read(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        read => read.with_context(|| format!("cannot read `{}`", path.display()))?,
    };
    let layout: LayoutFile = serde_json::from_slice(&text).map_err(|error| {
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

/// Renames a file that is not JSON (cut off by a full disk or an editor) to `tables.json.damaged`. Returns a
/// message if the file was renamed; an intact or missing file is left alone.
///
/// # Errors
/// The file cannot be renamed. The error names it.
pub fn set_damaged_aside(folder: &Path) -> Result<Option<String>> {
    let path = path(folder);
    let is_json = |bytes: &[u8]| serde_json::from_slice::<IgnoredAny>(bytes).is_ok();
    if !path.exists() || fs::read(&path).is_ok_and(|bytes| is_json(&bytes)) {
        return Ok(None);
    }
    let aside = folder.join(format!("{FILE}.damaged"));
    fs::rename(&path, &aside).with_context(|| format!("cannot rename `{}`", path.display()))?;
    Ok(Some(format!(
        "`{}` is damaged and is written again with this recipe's tables; the original file is kept as `{}`",
        path.display(),
        aside.display()
    )))
}

/// Writes `tables` into the file of `folder`: they replace the tables with the same names, and new ones are
/// added at the end.
///
/// # Errors
/// The file cannot be read or written. The error names it, and the file keeps its old content.
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
    let layout = LayoutFile {
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
            columns: vec![],
            provenance: vec![],
            seeds: vec![0, 1],
            until: None,
            decisions: vec![],
            rows: vec![RowLayout {
                label: "a".into(),
                paper: Some(21.8),
                trials: vec!["x".into(), "y".into()],
                group: None,
                place: None,
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
            ("\"x\",", "", &["tables.json:", "1 trial for 2 seeds"]),
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
