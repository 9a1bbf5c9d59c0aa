//! The results folder: writes records and tables from the content of the store, and keeps those of other
//! plans.

use crate::atomic::remove_unfinished;
use crate::experiment::settings::evaluation::EvalModel;
use crate::experiment::store::environment::MadeBy;
use crate::experiment::store::measured::Evaluation;
use crate::experiment::store::root::{CODE_VERSION, Store};
use crate::recipe::{Plan, SweepPlan, Trial};
use crate::report::{
    Commits, JsonLines, RECORDS, Record, RowLayout, SplitRecord, Table, TableLayout, Timing,
    TrialStatus, layout, set_damaged_lines_aside, write_table,
};
use anyhow::{Context, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Name of the file of seconds in a results folder.
pub const TIMING: &str = "timing.jsonl";

/// What the record of a trial holds of its dataset.
#[derive(Clone, Debug, Default)]
pub struct TrialData {
    /// The oddities of the dataset, one line each.
    pub findings: Vec<String>,
    /// The split, if the program did not draw it by its own rule.
    pub split: Option<SplitRecord>,
}

/// How a trial was computed.
#[derive(Clone, Debug, Default)]
pub struct Computed {
    /// The seconds of its own work.
    pub seconds: f64,
    /// The devices of its stages; none if an earlier program computed them.
    pub device: Option<String>,
}

/// The records and tables of a plan in their folder.
pub struct Results<'a> {
    store: &'a Store,
    folder: PathBuf,
    plan: &'a Plan,
    /// One table for each sweep.
    tables: Vec<TableLayout>,
    records: JsonLines<Record>,
    timing: JsonLines<Timing>,
    /// For each trial of the plan, true if it has ended in this run or is finished in the store.
    ended: Vec<bool>,
    /// The trials of the plan that have ended, by their identity.
    own: BTreeSet<String>,
    /// The problems of the existing files.
    notes: Vec<String>,
}

impl<'a> Results<'a> {
    /// Opens the folder. Records and tables of other plans in it are kept. `provenance` are the lines of
    /// every table's header.
    ///
    /// # Errors
    /// Existing records or an existing `tables.json` cannot be read.
    pub fn open(
        store: &'a Store,
        folder: &Path,
        plan: &'a Plan,
        provenance: &[String],
    ) -> Result<Self> {
        let _alone = store.lock_tables()?;
        let mut notes = Vec::from_iter(layout::set_damaged_aside(folder)?);
        layout::read(folder)?;
        remove_unfinished(folder);
        let (records, timing) = (folder.join(RECORDS), folder.join(TIMING));
        for path in [&records, &timing] {
            notes.extend(set_damaged_lines_aside(path)?);
        }
        Ok(Self {
            store,
            folder: folder.to_path_buf(),
            plan,
            tables: frozen(plan, provenance),
            records: JsonLines::read(&records)?,
            timing: JsonLines::read(&timing)?,
            ended: vec![false; plan.trials.len()],
            own: BTreeSet::new(),
            notes,
        })
    }

    /// The problems of the existing files that were repaired.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Returns true if the records contain a result of the trial `index` from an earlier run, which a failure
    /// now does not remove.
    pub fn has_earlier(&self, index: usize) -> bool {
        let earlier = self.records.get(&self.plan.trials[index].hash);
        earlier.is_some_and(|record| record.failure().is_none())
    }

    /// The rows that use each trial of the plan, as `sweep: label`.
    pub fn rows(&self) -> Vec<Vec<String>> {
        self.plan.uses()
    }

    /// Records the outcome of the trial `index`: how it was `computed`, and its result or the reason of its failure. A
    /// failure does not replace an earlier result of the same settings. `data` tells what the record holds of its
    /// dataset.
    ///
    /// # Errors
    /// The evaluation lacks the model that the tables show.
    pub fn take(
        &mut self,
        index: usize,
        steps: usize,
        computed: Computed,
        reported: EvalModel,
        outcome: Result<&Evaluation, &str>,
        data: TrialData,
    ) -> Result<()> {
        let trial = &self.plan.trials[index];
        self.ended[index] = true;
        if outcome.is_err() && self.has_earlier(index) {
            return Ok(());
        }
        let mut record = self.record(trial, steps);
        (record.findings, record.split) = (data.findings, data.split);
        record.device = computed.device;
        match outcome {
            Ok(evaluation) => {
                let model = |name: EvalModel| {
                    let scores = evaluation.models.get(name.name())?;
                    Some(scores.metrics.clone())
                };
                let shown = model(reported);
                record.metrics = Some(shown.with_context(|| {
                    format!(
                        "trial {} has no metrics of the {}",
                        trial.label,
                        reported.name()
                    )
                })?);
                record.student = model(EvalModel::Student);
                record.average = model(EvalModel::Average);
            }
            Err(reason) => {
                record.status = TrialStatus::Failed;
                record.error = Some(reason.to_string());
            }
        }
        self.records.insert(record);
        let Trial {
            hash, label, seed, ..
        } = trial.clone();
        self.timing.insert(Timing {
            hash,
            label,
            seed,
            seconds: computed.seconds,
        });
        self.own.insert(trial.hash.clone());
        Ok(())
    }

    /// Records the result of the trial `index` that was computed elsewhere.
    pub fn take_reused(&mut self, index: usize, record: &Record) {
        let trial = &self.plan.trials[index];
        self.ended[index] = true;
        self.records.insert(Record {
            recipe: self.plan.recipe.clone(),
            label: trial.label.clone(),
            ..record.clone()
        });
        self.own.insert(trial.hash.clone());
    }

    fn record(&self, trial: &Trial, steps: usize) -> Record {
        Record {
            recipe: self.plan.recipe.clone(),
            hash: trial.hash.clone(),
            label: trial.label.clone(),
            seed: trial.seed,
            steps: steps as u64,
            status: TrialStatus::Ok,
            error: None,
            metrics: None,
            student: None,
            average: None,
            code_version: CODE_VERSION,
            findings: Vec::new(),
            split: None,
            commits: self.commits(&trial.hash),
            device: None,
        }
    }

    /// The commits in the environment of the trial `hash`; none if an earlier program computed it.
    fn commits(&self, hash: &str) -> Option<Commits> {
        let environment = self.store.trial(hash).environment();
        let made = MadeBy::of(&std::fs::read(environment).ok()?)?;
        Some(Commits {
            program: made.program?.text(),
            recipe: made.commit,
        })
    }

    /// Writes `tables.json`, which lists the trials of each row. The records can then be read without the
    /// recipe.
    ///
    /// # Errors
    /// The file cannot be written. The error names it.
    pub fn freeze(&self) -> Result<()> {
        let _alone = self.store.lock_tables()?;
        layout::merge(&self.folder, &self.tables)
    }

    /// Writes the records and every table. Lines that another process has written meanwhile are kept.
    ///
    /// # Errors
    /// A file cannot be read or written. The error names it.
    pub fn write(&mut self) -> Result<()> {
        let _alone = self.store.lock_tables()?;
        let own = |hash: &str| self.own.contains(hash);
        self.records
            .adopt(JsonLines::read(&self.folder.join(RECORDS))?, own);
        self.timing
            .adopt(JsonLines::read(&self.folder.join(TIMING))?, own);
        let order = || self.plan.trials.iter().map(|trial| trial.hash.as_str());
        self.records.write(&self.folder.join(RECORDS), order())?;
        self.timing.write(&self.folder.join(TIMING), order())?;
        for table in self.tables() {
            write_table(&self.folder, &table)?;
        }
        // A killed process may have been alive still when this one opened the folder.
        remove_unfinished(&self.folder);
        Ok(())
    }

    /// The tables of the trials that have ended, one for each sweep.
    pub fn tables(&self) -> Vec<Table> {
        let ended: BTreeMap<&str, &Record> = (0..self.plan.trials.len())
            .filter_map(|trial| self.ended_record(trial))
            .map(|record| (record.hash.as_str(), record))
            .collect();
        let tables = self.tables.iter();
        let tables = tables.map(|table| table.table(|hash| ended.get(hash).copied(), None));
        tables.collect()
    }

    /// The record of a trial of this plan. A record that an earlier program left without its working data
    /// does not count.
    fn ended_record(&self, trial: usize) -> Option<&Record> {
        self.records
            .get(&self.plan.trials[trial].hash)
            .filter(|_| self.ended[trial])
    }

    /// The number of trials that have ended.
    pub fn ended(&self) -> usize {
        self.ended.iter().filter(|ended| **ended).count()
    }

    /// Returns true if the trial `index` has ended.
    pub fn has_ended(&self, index: usize) -> bool {
        self.ended[index]
    }

    /// Returns true if the trial `index` has ended with a failure.
    pub fn has_failed(&self, index: usize) -> bool {
        self.ended_record(index)
            .is_some_and(|record| record.failure().is_some())
    }

    /// The first metric of the trial `index`, by its name and in percent, if the trial succeeded.
    pub fn reached(&self, index: usize) -> Option<(&str, f64)> {
        let metrics = self.ended_record(index)?.metrics.as_ref()?;
        let (name, value) = metrics.first()?;
        Some((name, value?))
    }
}

/// The tables of a plan, to be stored beside its records. `provenance` are lines about the run.
pub fn frozen(plan: &Plan, provenance: &[String]) -> Vec<TableLayout> {
    let table = |sweep: &SweepPlan| TableLayout {
        name: sweep.name.clone(),
        recipe: plan.recipe.clone(),
        question: sweep.question.clone(),
        reference: sweep.reference.clone(),
        paper: sweep.paper.clone(),
        columns: sweep.columns.clone(),
        provenance: provenance.to_vec(),
        seeds: plan.seeds.clone(),
        until: sweep.until,
        decisions: sweep.decisions.clone(),
        rows: sweep
            .rows
            .iter()
            .map(|row| RowLayout {
                label: row.label.clone(),
                paper: row.paper,
                trials: row
                    .trials
                    .iter()
                    .map(|&trial| plan.trials[trial].hash.clone())
                    .collect(),
                group: row.group.clone(),
                place: row.place.clone(),
            })
            .collect(),
    };
    plan.sweeps.iter().map(table).collect()
}
