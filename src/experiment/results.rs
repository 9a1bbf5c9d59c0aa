//! The results folder: records and tables, rewritten after every trial so that a later failure costs no earlier result.

use super::perform::Evaluation;
use super::settings::EvalModel;
use super::tables::frozen;
use crate::eval;
use crate::recipe::{Plan, Trial};
use crate::report::{
    JsonLines, Metric, Metrics, RECORDS, Record, Status, TableLayout, Timing, layout, write_table,
};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const TIMING: &str = "timing.jsonl";

/// The records and tables of a plan in their folder.
pub struct Results<'a> {
    folder: PathBuf,
    plan: &'a Plan,
    /// One for each sweep.
    tables: Vec<TableLayout>,
    records: JsonLines<Record>,
    timing: JsonLines<Timing>,
    /// Whether each trial of the plan has ended in this run or stands finished in the store.
    ended: Vec<bool>,
}

impl<'a> Results<'a> {
    /// Opens the folder. Records and tables of other plans in it are kept. `provenance`: lines of every table's header.
    ///
    /// # Errors
    /// Records or `tables.json` that are there but cannot be read.
    pub fn open(folder: &Path, plan: &'a Plan, provenance: &[String]) -> Result<Self> {
        layout::read(folder)?;
        Ok(Self {
            folder: folder.to_path_buf(),
            plan,
            tables: frozen(plan, provenance),
            records: JsonLines::read(&folder.join(RECORDS))?,
            timing: JsonLines::read(&folder.join(TIMING))?,
            ended: vec![false; plan.trials.len()],
        })
    }

    /// Takes the outcome of the trial `index`: `seconds` of its own work and what it found, or why it failed.
    ///
    /// # Errors
    /// The evaluation lacks the model that the tables show.
    pub fn take(
        &mut self,
        index: usize,
        steps: usize,
        seconds: f64,
        reported: EvalModel,
        outcome: Result<&Evaluation, &str>,
    ) -> Result<()> {
        let trial = &self.plan.trials[index];
        let mut record = self.record(trial, steps);
        match outcome {
            Ok(evaluation) => {
                let model = |name: EvalModel| evaluation.models.get(name.name()).map(summary);
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
                record.status = Status::Failed;
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
            seconds,
        });
        self.ended[index] = true;
        Ok(())
    }

    fn record(&self, trial: &Trial, steps: usize) -> Record {
        Record {
            recipe: self.plan.recipe.clone(),
            hash: trial.hash.clone(),
            label: trial.label.clone(),
            seed: trial.seed,
            steps: steps as u64,
            status: Status::Ok,
            error: None,
            metrics: None,
            student: None,
            average: None,
        }
    }

    /// Writes `tables.json`, which says which trials make which row: the records can then be read without the recipe.
    ///
    /// # Errors
    /// A file that cannot be written, named.
    pub fn freeze(&self) -> Result<()> {
        layout::merge(&self.folder, &self.tables)
    }

    /// Writes the records and every table.
    ///
    /// # Errors
    /// A file that cannot be written, named.
    pub fn write(&self) -> Result<()> {
        let order = || self.plan.trials.iter().map(|trial| trial.hash.as_str());
        self.records.write(&self.folder.join(RECORDS), order())?;
        self.timing.write(&self.folder.join(TIMING), order())?;
        let ended: BTreeMap<&str, &Record> = (0..self.plan.trials.len())
            .filter_map(|trial| self.ended_record(trial))
            .map(|record| (record.hash.as_str(), record))
            .collect();
        for table in &self.tables {
            let table = table.table(|hash| ended.get(hash).copied(), Metric::MeanAp);
            write_table(&self.folder, &table)?;
        }
        Ok(())
    }

    /// The record of a trial of this plan: one that an earlier program left without its working data does not count.
    fn ended_record(&self, trial: usize) -> Option<&Record> {
        self.records
            .get(&self.plan.trials[trial].hash)
            .filter(|_| self.ended[trial])
    }

    /// The mAP in percent of the trial `index`, if it ended well.
    pub fn mean_ap(&self, index: usize) -> Option<f64> {
        self.ended_record(index)?.metrics?.mean_ap
    }

    /// Trials that failed: label, seed and reason.
    pub fn failed(&self) -> Vec<String> {
        let ended = (0..self.plan.trials.len()).filter_map(|trial| self.ended_record(trial));
        let failed = ended.filter(|record| record.status == Status::Failed);
        let reason = |record: &Record| record.error.clone().unwrap_or_default();
        failed
            .map(|r| format!("{}, seed {}: {}", r.label, r.seed, reason(r)))
            .collect()
    }
}

fn summary(metrics: &eval::Metrics) -> Metrics {
    Metrics {
        mean_ap: metrics.mean_ap,
        ap50: metrics.ap50,
        ap75: metrics.ap75,
        ap_small: metrics.ap_small,
        ap_medium: metrics.ap_medium,
        ap_large: metrics.ap_large,
    }
}
