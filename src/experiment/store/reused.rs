//! Results that were computed in another results folder or on another machine. A sweep takes them from files of
//! records and keeps them in `.store/reused.jsonl`, so that later sweeps of the folder count them too.
//!
//! A record counts if its trial has the same hash and the same version of the computations computed it
//! ([`CODE_VERSION`]). The trial's own evaluation in the store, if there is one, goes first.

use super::frozen::FrozenPlan;
use super::provenance::Provenance;
use super::root::{CODE_VERSION, Store};
use crate::report::{JsonLines, Keyed, RECORDS, Record, counted};
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Number of digits of a commit that are shown.
const SHOWN_DIGITS: usize = 10;

/// A result that was computed elsewhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reused {
    /// Its file and, where they are known, the commit and the machine that computed it.
    pub from: String,
    /// The result.
    pub record: Record,
}

impl Keyed for Reused {
    fn hash(&self) -> &str {
        &self.record.hash
    }
}

/// The results that a results folder has from elsewhere, by trial.
#[derive(Debug, Default)]
pub struct ReusedResults {
    results: JsonLines<Reused>,
    /// Notes about records that do not count.
    pub notes: Vec<String>,
}

impl ReusedResults {
    /// Reads the results that `store` keeps and those in `files`, each a file of records or a results folder with
    /// one. A result in a later file goes before one in an earlier file, and all go before the store's.
    ///
    /// # Errors
    /// A file does not exist or is no file of records. The error names it.
    pub fn read(store: Option<&Store>, files: &[PathBuf]) -> Result<Self> {
        let kept = store.map(|store| JsonLines::read(&store.reused()));
        let mut found = Self {
            results: kept.transpose()?.unwrap_or_default(),
            notes: Vec::new(),
        };
        for file in files {
            found.add(file)?;
        }
        Ok(found)
    }

    fn add(&mut self, path: &Path) -> Result<()> {
        let file = records_of(path);
        let absolute = || std::path::absolute(&file).unwrap_or_else(|_| file.clone());
        ensure!(
            file.is_file(),
            "--reuse-records {}: there is no file {}; allowed: a file of records ({RECORDS}) or a results folder with one",
            path.display(),
            absolute().display()
        );
        let records = JsonLines::<Record>::read(&file).context("--reuse-records")?;
        let mut origins = BTreeMap::new();
        let (mut outdated, mut failed) = (0, 0);
        for record in records.iter() {
            if record.code_version != CODE_VERSION {
                outdated += 1;
            } else if record.failure().is_some() {
                failed += 1;
            } else {
                let from = origins
                    .entry(record.recipe.clone())
                    .or_insert_with(|| origin(&file, &record.recipe));
                self.results.insert(Reused {
                    from: from.clone(),
                    record: record.clone(),
                });
            }
        }
        let shown = file.display();
        if outdated > 0 {
            self.notes.push(format!(
                "{shown}: {} of another version of the computations than this program's {CODE_VERSION} not used",
                are(outdated)
            ));
        }
        if failed > 0 {
            self.notes.push(format!(
                "{shown}: {} of failed trials not used",
                are(failed)
            ));
        }
        Ok(())
    }

    /// The result of the trial `hash`.
    pub fn get(&self, hash: &str) -> Option<&Reused> {
        self.results.get(hash)
    }

    /// A note for each of `files` of which no result counts in `plan`, because no trial has its hash.
    pub fn unused(&self, files: &[PathBuf], plan: &FrozenPlan) -> Vec<String> {
        let hashes: BTreeSet<&str> = plan.trials.iter().map(|trial| &*trial.hash).collect();
        let unused = files.iter().filter_map(|path| {
            let records = JsonLines::<Record>::read(&records_of(path)).ok()?;
            let counts = records.iter().any(|record| hashes.contains(&*record.hash));
            (!counts).then(|| {
                format!(
                    "{}: none of its {} is of a trial of this plan. A trial counts as the same if all its settings are",
                    path.display(),
                    counted(records.iter().count(), "record")
                )
            })
        });
        unused.collect()
    }

    /// The origin of the result of the trial `hash`.
    pub fn origin(&self, hash: &str) -> Option<String> {
        Some(self.get(hash)?.from.clone())
    }

    /// Keeps the results in `store`; those of the trials in `order` come first.
    ///
    /// # Errors
    /// The store is not writable.
    pub fn keep<'a>(&self, store: &Store, order: impl IntoIterator<Item = &'a str>) -> Result<()> {
        match self.results.iter().next() {
            Some(_) => self.results.write(&store.reused(), order),
            None => Ok(()),
        }
    }
}

/// The file of records that `path` names: itself, or that in the folder.
fn records_of(path: &Path) -> PathBuf {
    match path.is_dir() {
        true => path.join(RECORDS),
        false => path.to_path_buf(),
    }
}

/// "2 records are", "1 record is".
fn are(count: usize) -> String {
    let verb = if count == 1 { "is" } else { "are" };
    format!("{} {verb}", counted(count, "record"))
}

/// The file, and the commit and machine that the run of `recipe` beside it names.
fn origin(file: &Path, recipe: &str) -> String {
    #[derive(Deserialize)]
    struct Run {
        commit: Option<String>,
        cpu: Option<String>,
    }
    let folder = file.parent().unwrap_or(Path::new(""));
    let text = std::fs::read(Provenance::path(folder, recipe)).ok();
    let run: Option<Run> = text.and_then(|text| serde_json::from_slice(&text).ok());
    let mut parts = vec![file.display().to_string()];
    if let Some(Run { commit, cpu }) = run {
        let digits = |commit: String| commit.chars().take(SHOWN_DIGITS).collect::<String>();
        parts.extend(commit.map(|commit| format!("commit {}", digits(commit))));
        parts.extend(cpu);
    }
    parts.join(", ")
}

/// A line for each origin with the number of its results in `plan`, for the header of a table; none if all were
/// computed here.
pub fn origin_lines(plan: &FrozenPlan) -> Vec<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for origin in plan
        .trials
        .iter()
        .filter_map(|trial| trial.reused.as_deref())
    {
        *counts.entry(origin).or_default() += 1;
    }
    let all = counted(plan.trials.len(), "trial");
    let line = |(from, count)| format!("Reused: the results of {count} of {all} are from {from}");
    counts.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::store::frozen::TrialEntry;

    fn line(hash: &str, rest: &str) -> String {
        format!(
            "{{\"recipe\":\"r\",\"hash\":\"{hash}\",\"label\":\"l\",\"seed\":0,\"steps\":1,{rest}}}\n"
        )
    }

    #[test]
    fn finished_records_of_this_version_count_with_their_origin() {
        let folder = tempfile::tempdir().unwrap();
        let ok = "\"status\":\"ok\",\"metrics\":{\"mAP\":1.5}";
        let text = [
            line("a", ok),
            line("b", &format!("{ok},\"code_version\":{CODE_VERSION}")),
            line("c", &format!("{ok},\"code_version\":77")),
            line("d", "\"status\":\"failed\",\"error\":\"no luck\""),
            line("e", "\"status\":\"ok\",\"metrics\":{\"mAP\":null}"),
        ];
        let file = folder.path().join(RECORDS);
        std::fs::write(&file, text.concat()).unwrap();
        let run = "{\"commit\":\"0123456789abcdef\",\"cpu\":\"Brand X\"}";
        std::fs::write(Provenance::path(folder.path(), "r"), run).unwrap();
        for path in [folder.path().to_path_buf(), file.clone()] {
            let found = ReusedResults::read(None, &[path]).unwrap();
            let from = format!("{}, commit 0123456789, Brand X", file.display());
            assert_eq!(found.get("a").unwrap().from, from);
            assert!(found.get("b").is_some());
            for left_out in ["c", "d", "e"] {
                assert!(found.get(left_out).is_none(), "{left_out}");
            }
            let notes = found.notes.join("\n");
            assert!(notes.contains("1 record is of another version"), "{notes}");
            assert!(notes.contains("2 records are of failed"), "{notes}");
        }
    }

    #[test]
    fn a_store_keeps_them_and_a_later_file_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let file = |name: &str, value: f64| {
            let path = folder.path().join(name);
            let rest = format!("\"status\":\"ok\",\"metrics\":{{\"mAP\":{value}}}");
            std::fs::write(&path, line("a", &rest)).unwrap();
            path
        };
        let (one, two) = (file("one.jsonl", 1.0), file("two.jsonl", 2.0));
        let value = |found: &ReusedResults| {
            let record = &found.get("a").unwrap().record;
            record.metrics.as_ref().unwrap().get("mAP").unwrap()
        };
        let found = ReusedResults::read(Some(&store), &[two, one.clone()]).unwrap();
        assert_eq!(value(&found), 1.0);
        found.keep(&store, ["a"]).unwrap();
        std::fs::remove_file(one).unwrap();
        let again = ReusedResults::read(Some(&store), &[]).unwrap();
        assert_eq!(value(&again), 1.0);
    }

    #[test]
    fn a_file_that_is_missing_or_no_file_of_records_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let other = folder.path().join("other.txt");
        std::fs::write(&other, "no record\n").unwrap();
        for (path, part) in [
            (folder.path().join("none"), "there is no file"),
            (folder.path().to_path_buf(), "records.jsonl"),
            (other, "other.txt:1"),
        ] {
            let error = ReusedResults::read(None, std::slice::from_ref(&path)).unwrap_err();
            let error = format!("{error:#}");
            assert!(error.contains("--reuse-records"), "{error}");
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn a_line_for_each_origin_tells_the_number() {
        let plan = |origins: &[Option<&str>]| {
            let mut plan = FrozenPlan::new("r", 1);
            let trial = |origin: &Option<&str>| TrialEntry {
                hash: "h".into(),
                label: "l".into(),
                seed: 0,
                places: Default::default(),
                reused: origin.map(str::to_string),
                stages: Vec::new(),
            };
            plan.trials = origins.iter().map(trial).collect();
            plan
        };
        let lines = origin_lines(&plan(&[Some("x"), None, Some("x"), Some("y")]));
        assert_eq!(
            lines,
            [
                "Reused: the results of 2 of 4 trials are from x",
                "Reused: the results of 1 of 4 trials are from y"
            ]
        );
        assert!(origin_lines(&plan(&[None, None])).is_empty());
    }
}
