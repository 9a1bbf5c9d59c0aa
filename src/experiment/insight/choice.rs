//! Finds the row of a results folder that a label means, and its trials. Every command that takes `--row` and
//! `--seed` finds them here.

use crate::experiment::store::frozen::FrozenPlan;
use crate::experiment::store::root::Store;
use crate::recipe::hint;
use crate::report::{JsonLines, RECORDS, Record, ResultsFolder, RowLayout, TableLayout, layout};
use anyhow::{Result, anyhow, bail};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A row as the command line names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowRequest {
    /// The results folder.
    pub results: PathBuf,
    /// The sweep of the row; needed where rows of several sweeps have its label.
    pub sweep: Option<String>,
    /// The label; none for the only row.
    pub row: Option<String>,
    /// The seed; none for the first, or for all seeds where a command takes several.
    pub seed: Option<u64>,
}

/// An opened results folder: its tables and records, and its store and plans as far as they exist.
pub struct Results {
    /// The path of the folder, as the user named it.
    pub path: PathBuf,
    /// The planned tables. Those of a folder without `tables.json` are made of its plans.
    pub tables: Vec<TableLayout>,
    /// The records.
    pub records: JsonLines<Record>,
    /// The working data; none in a folder that was copied or committed without it.
    pub store: Option<Store>,
    /// The plans of the last sweep of every recipe.
    pub plans: Vec<FrozenPlan>,
    /// The files and lines that cannot be read.
    pub damaged: Vec<String>,
}

/// A row that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row<'a> {
    /// Its table.
    pub table: &'a TableLayout,
    /// Its label and its trials, one for each seed of the table.
    pub row: &'a RowLayout,
}

impl RowRequest {
    /// Returns true if it names a part of the folder, and not the folder alone.
    pub fn names_a_part(&self) -> bool {
        self.row.is_some() || self.seed.is_some() || self.sweep.is_some()
    }
}

impl Results {
    /// Returns true if `path` looks like a results folder.
    pub fn are_in(path: &Path) -> bool {
        Store::look(path).is_some() || layout::path(path).exists()
    }

    /// Opens the results folder `path`.
    ///
    /// # Errors
    /// It is no folder, it holds neither tables nor plans, or a file in it is damaged as a whole.
    pub fn open(path: &Path) -> Result<Self> {
        let shown = path.display();
        ResultsFolder::require(path)?;
        let store = Store::look(path);
        let mut damaged = Vec::new();
        let mut plans = Vec::new();
        for file in store.iter().flat_map(Store::plans) {
            match FrozenPlan::read(&file) {
                Ok(plan) => plans.push(plan),
                Err(error) => damaged.push(format!("{error:#}")),
            }
        }
        let tables = match layout::read(path)? {
            Some(tables) => tables,
            None => plans.iter().map(table_of).collect(),
        };
        if tables.iter().all(|table| table.rows.is_empty()) {
            bail!(
                "no results in `{shown}`: there is neither a table in `tables.json` nor a plan in `.store`, which \
                 `harness sweep` writes when it begins"
            );
        }
        let (records, lines) = JsonLines::read_whole_lines(&path.join(RECORDS))?;
        damaged.extend(lines.into_iter().map(|line| format!("left out {line}")));
        Ok(Self {
            path: path.to_path_buf(),
            tables,
            records,
            store,
            plans,
            damaged,
        })
    }

    /// The store.
    ///
    /// # Errors
    /// The folder has none: it was committed or copied without it.
    pub fn store(&self) -> Result<&Store> {
        let shown = self.path.display();
        self.store.as_ref().ok_or_else(|| {
            anyhow!(
                "`{shown}` has no `.store`: journals, settings and weights stay in the folder in which the sweep ran and \
                 are not committed. Run the sweep again to have them; `harness table` and `harness compare` need only the \
                 records"
            )
        })
    }

    /// The tables that a request is about: all, or the one called `sweep`.
    ///
    /// # Errors
    /// There is no such sweep.
    pub fn tables(&self, sweep: Option<&str>) -> Result<Vec<&TableLayout>> {
        let Some(sweep) = sweep else {
            return Ok(self.tables.iter().collect());
        };
        let found = self.tables.iter().find(|table| table.name == sweep);
        let names = self.tables.iter().map(|table| table.name.as_str());
        let unknown = || {
            let (shown, hint) = (self.path.display(), hint(sweep, names));
            anyhow!("no sweep `{sweep}` in `{shown}`{hint}")
        };
        Ok(vec![found.ok_or_else(unknown)?])
    }

    /// The row with the label `label`, or the only row. A label that stands in several sweeps is found if it has
    /// the same trials in all of them; the other sweeps are returned too.
    ///
    /// # Errors
    /// No row or several different rows fit. The message lists the choices.
    pub fn row(&self, sweep: Option<&str>, label: Option<&str>) -> Result<(Row<'_>, Vec<&str>)> {
        let tables = self.tables(sweep)?;
        let rows = tables.iter().flat_map(|table| {
            let rows = table.rows.iter();
            rows.map(|row| Row { table, row })
        });
        let rows: Vec<Row> = rows.collect();
        let fits = |row: &&Row| label.is_none_or(|label| row.row.label == label);
        let found: Vec<Row> = rows.iter().filter(fits).copied().collect();
        let shown = self.path.display();
        let Some(&first) = found.first() else {
            let label = label.unwrap_or_default();
            let labels = distinct(rows.iter().map(|row| row.row.label.as_str()));
            bail!("no row `{label}` in `{shown}`{}", hint(label, labels));
        };
        let same = |row: &Row| {
            let trials = |row: &Row| (row.table.seeds.clone(), row.row.trials.clone());
            trials(row) == trials(&first)
        };
        if found.iter().all(same) {
            let others = found[1..].iter().map(|row| row.table.name.as_str());
            return Ok((first, others.collect()));
        }
        match label {
            Some(label) => {
                let sweeps = found.iter().map(|row| row.table.name.as_str());
                bail!(
                    "the row `{label}` stands in several sweeps of `{shown}`, with different trials: choose one with --sweep; \
                     known: {}",
                    quoted(distinct(sweeps))
                )
            }
            None => {
                let labels = found.iter().map(|row| row.row.label.as_str());
                bail!(
                    "`{shown}` has several rows: choose one with --row; known: {}",
                    quoted(distinct(labels))
                )
            }
        }
    }
}

impl<'a> Row<'a> {
    /// The trials of the row as seed and hash: all, or the one with the seed `seed`.
    ///
    /// # Errors
    /// The row has no such seed.
    pub fn trials(&self, seed: Option<u64>) -> Result<Vec<(u64, &'a str)>> {
        let seeds = self.table.seeds.iter().copied();
        let trials = seeds.zip(self.row.trials.iter().map(String::as_str));
        let all: Vec<(u64, &str)> = trials.collect();
        let trials = all.iter().copied();
        let trials: Vec<(u64, &str)> = trials
            .filter(|(own, _)| seed.is_none_or(|one| one == *own))
            .collect();
        match seed {
            Some(seed) if trials.is_empty() => {
                let known: Vec<String> = all.iter().map(|(own, _)| own.to_string()).collect();
                let label = &self.row.label;
                bail!(
                    "the row `{label}` has no seed {seed}; its seeds: {}",
                    known.join(", ")
                )
            }
            _ => Ok(trials),
        }
    }

    /// The row that the table compares this one with; none for that row itself, or if the table has none.
    pub fn reference(&self) -> Option<Row<'a>> {
        let label = self.table.reference_of(self.row)?;
        let mut others = self.table.rows.iter();
        let row = others.find(|row| row.label == label && row.label != self.row.label)?;
        Some(Row {
            table: self.table,
            row,
        })
    }
}

/// The rows of a plan, for a folder without `tables.json`: its labels, with the trials of the plan's seeds.
fn table_of(plan: &FrozenPlan) -> TableLayout {
    let mut seeds: Vec<u64> = plan.trials.iter().map(|trial| trial.seed).collect();
    seeds.sort_unstable();
    seeds.dedup();
    let mut labels: Vec<&str> = Vec::new();
    let mut trials: BTreeMap<&str, BTreeMap<u64, &str>> = BTreeMap::new();
    for trial in &plan.trials {
        if !trials.contains_key(trial.label.as_str()) {
            labels.push(&trial.label);
        }
        let row = trials.entry(&trial.label).or_default();
        row.insert(trial.seed, &trial.hash);
    }
    let row = |label: &str| {
        let own = &trials[label];
        let hash = |seed: &u64| own.get(seed).copied().unwrap_or_default().to_string();
        RowLayout {
            label: label.to_string(),
            paper: None,
            trials: seeds.iter().map(hash).collect(),
            group: None,
            place: None,
        }
    };
    TableLayout {
        name: plan.recipe.clone(),
        recipe: plan.recipe.clone(),
        question: format!("The trials of the recipe {}", plan.recipe),
        reference: None,
        paper: None,
        columns: Vec::new(),
        provenance: Vec::new(),
        until: None,
        decisions: Vec::new(),
        rows: labels.into_iter().map(row).collect(),
        seeds,
    }
}

/// Every word once, in the order in which it comes first.
fn distinct<'a>(words: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut once: Vec<&str> = Vec::new();
    for word in words {
        if !once.contains(&word) {
            once.push(word);
        }
    }
    once
}

/// The words in code quotes, with commas between them.
fn quoted(words: Vec<&str>) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str, rows: &[(&str, [&str; 2])]) -> TableLayout {
        let row = |(label, trials): &(&str, [&str; 2])| RowLayout {
            label: label.to_string(),
            paper: None,
            trials: trials.map(String::from).to_vec(),
            group: None,
            place: None,
        };
        TableLayout {
            name: name.into(),
            recipe: "r".into(),
            question: "?".into(),
            reference: Some("all".into()),
            paper: None,
            columns: vec![],
            provenance: vec![],
            until: None,
            decisions: Vec::new(),
            seeds: vec![0, 1],
            rows: rows.iter().map(row).collect(),
        }
    }

    /// Two sweeps; `all` is the same row in both, `- a` is not.
    fn results() -> Results {
        Results {
            path: "results/x".into(),
            tables: vec![
                table("one", &[("all", ["a0", "a1"]), ("- a", ["b0", "b1"])]),
                table("two", &[("all", ["a0", "a1"]), ("- a", ["c0", "c1"])]),
            ],
            records: JsonLines::default(),
            store: None,
            plans: Vec::new(),
            damaged: Vec::new(),
        }
    }

    fn refused(sweep: Option<&str>, label: Option<&str>) -> String {
        format!("{:#}", results().row(sweep, label).unwrap_err())
    }

    #[test]
    fn a_label_with_the_same_trials_in_two_sweeps_is_one_row() {
        let results = results();
        let (row, others) = results.row(None, Some("all")).unwrap();
        assert_eq!((row.table.name.as_str(), others), ("one", vec!["two"]));
        assert_eq!(row.reference(), None);
        assert_eq!(row.trials(Some(1)).unwrap(), [(1, "a1")]);
        let (row, others) = results.row(Some("two"), Some("- a")).unwrap();
        assert!(others.is_empty());
        assert_eq!(row.trials(None).unwrap(), [(0, "c0"), (1, "c1")]);
        assert_eq!(row.reference().unwrap().row.label, "all");
    }

    #[test]
    fn what_is_not_clear_is_refused_with_the_choices() {
        let cases: [(_, _, &[&str]); 4] = [
            (
                None,
                Some("- a"),
                &["several sweeps", "--sweep", "`one`, `two`"],
            ),
            (None, Some("al"), &["no row `al`", "did you mean `all`?"]),
            (
                Some("tow"),
                Some("all"),
                &["no sweep `tow`", "did you mean `two`?"],
            ),
            (
                Some("two"),
                None,
                &["several rows", "--row", "`all`, `- a`"],
            ),
        ];
        for (sweep, label, parts) in cases {
            let message = refused(sweep, label);
            for part in parts {
                assert!(message.contains(part), "`{part}` is not in: {message}");
            }
        }
        let results = results();
        let (row, _) = results.row(None, Some("all")).unwrap();
        let message = format!("{:#}", row.trials(Some(7)).unwrap_err());
        assert!(message.contains("no seed 7; its seeds: 0, 1"), "{message}");
        let message = format!("{:#}", results.store().unwrap_err());
        assert!(message.contains("`results/x` has no `.store`"), "{message}");
    }

    /// A row that stopped, with seeds until decided, has fewer seeds than the table.
    #[test]
    fn a_row_that_stopped_names_its_own_seeds() {
        let mut table = table("one", &[("all", ["a0", "a1"]), ("- a", ["b0", "b1"])]);
        table.seeds = vec![0, 1, 2, 3];
        let row = Row {
            table: &table,
            row: &table.rows[1],
        };
        assert_eq!(row.trials(None).unwrap(), [(0, "b0"), (1, "b1")]);
        let message = format!("{:#}", row.trials(Some(3)).unwrap_err());
        assert!(message.ends_with("no seed 3; its seeds: 0, 1"), "{message}");
    }

    #[test]
    fn a_folder_that_is_none_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let message = |path: &Path| format!("{:#}", Results::open(path).err().unwrap());
        let text = message(folder.path());
        assert!(text.contains("no results in"), "{text}");
        let text = message(&folder.path().join("nowhere"));
        assert!(
            text.contains("no folder") && text.contains("nowhere"),
            "{text}"
        );
        let file = folder.path().join("recipe.toml");
        std::fs::write(&file, "").unwrap();
        let text = message(&file);
        assert!(text.contains("is a file"), "{text}");
    }
}
