//! The results folder: records and tables, rewritten after every trial so that a later failure costs no earlier result.

use super::perform::Evaluation;
use super::settings::EvalModel;
use crate::eval;
use crate::recipe::{Plan, Trial};
use crate::report::{
    Header, JsonLines, Metrics, Record, RowRecords, Status, Table, Timing, write_table,
};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

const RECORDS: &str = "records.jsonl";
const TIMING: &str = "timing.jsonl";

/// The records and tables of a plan in their folder.
pub struct Results<'a> {
    folder: PathBuf,
    plan: &'a Plan,
    /// Lines of every table's header.
    provenance: Vec<String>,
    records: JsonLines<Record>,
    timing: JsonLines<Timing>,
    /// Whether each trial of the plan has ended in this run or stands finished in the store.
    ended: Vec<bool>,
}

impl<'a> Results<'a> {
    /// Opens the folder. Records of other plans in it are kept.
    ///
    /// # Errors
    /// Records that are there but cannot be read.
    pub fn open(folder: &Path, plan: &'a Plan, provenance: Vec<String>) -> Result<Self> {
        Ok(Self {
            folder: folder.to_path_buf(),
            plan,
            provenance,
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

    /// Writes the records and every table.
    ///
    /// # Errors
    /// A file that cannot be written, named.
    pub fn write(&self) -> Result<()> {
        let order = || self.plan.trials.iter().map(|trial| trial.hash.as_str());
        self.records.write(&self.folder.join(RECORDS), order())?;
        self.timing.write(&self.folder.join(TIMING), order())?;
        for sweep in &self.plan.sweeps {
            let paper = sweep.paper.as_ref();
            let header = Header {
                question: sweep.question.clone(),
                reference: sweep.reference.clone(),
                paper: paper.map(|paper| format!("Table {}, {}", paper.table, paper.column)),
                provenance: self.provenance.clone(),
            };
            let rows: Vec<RowRecords> = sweep
                .rows
                .iter()
                .map(|row| RowRecords {
                    label: &row.label,
                    paper: row.paper,
                    records: row
                        .trials
                        .iter()
                        .map(|trial| self.ended_record(*trial))
                        .collect(),
                })
                .collect();
            write_table(&self.folder, &sweep.name, &Table::new(header, &rows))?;
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
