//! What is known about the trainings of a row: the numbers that a portrait shows and a reason is taken from.

use super::choice::{Results, Row};
use super::classes;
use super::journal::{Line, lines};
use super::labels::LabelTotals;
use super::trial::KeptTrial;
use crate::report::Record;
use anyhow::Result;

/// The trials of a row, or one of them, with what they left.
pub struct Evidence<'a> {
    /// The label of the row.
    pub label: &'a str,
    /// The trials.
    pub trials: Vec<KeptTrial<'a>>,
    /// The lines of their journals, trial by trial.
    pub lines: Vec<Vec<Line>>,
    /// Their pseudo-labels; none without a teacher.
    pub labels: Option<LabelTotals>,
    /// The values of the metric by class, means over the trials; empty if unknown.
    pub per_class: Vec<Option<f64>>,
}

impl<'a> Evidence<'a> {
    /// Reads the trials of `row` with the given seeds. `metric` has the values by class.
    ///
    /// # Errors
    /// The results folder has no store.
    pub fn read(results: &'a Results, row: Row<'a>, seeds: &[u64], metric: &str) -> Result<Self> {
        let trials = row.trials(None)?.into_iter();
        let trials = trials.filter(|(seed, _)| seeds.contains(seed));
        let trials = trials.map(|(seed, hash)| KeptTrial::read(results, hash, seed));
        let trials = trials.collect::<Result<Vec<_>>>()?;
        let lines: Vec<Vec<Line>> = trials.iter().map(lines).collect();
        Ok(Self {
            label: &row.row.label,
            labels: LabelTotals::of(lines.iter().flatten()),
            per_class: classes::means(&trials, metric),
            lines,
            trials,
        })
    }

    /// The means over the trials of a metric of the model that the tables show.
    pub fn metric(&self, name: &str) -> Option<f64> {
        self.mean(|record| record.metrics.as_ref()?.get(name))
    }

    /// The same of the student.
    pub fn student(&self, name: &str) -> Option<f64> {
        self.mean(|record| record.student.as_ref()?.get(name))
    }

    /// The same of the student's average.
    pub fn average(&self, name: &str) -> Option<f64> {
        self.mean(|record| record.average.as_ref()?.get(name))
    }

    fn mean(&self, value: impl Fn(&Record) -> Option<f64>) -> Option<f64> {
        let records = self.trials.iter().filter_map(|trial| trial.record);
        let done = records.filter(|record| record.failure().is_none());
        let values: Vec<f64> = done.filter_map(value).collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    }

    /// The mean loss of the last line of every journal.
    pub fn last_loss(&self) -> Option<f64> {
        let last = self
            .lines
            .iter()
            .filter_map(|lines| lines.last()?.number("loss"));
        let last: Vec<f64> = last.collect();
        (!last.is_empty()).then(|| last.iter().sum::<f64>() / last.len() as f64)
    }

    /// The largest number of training steps of a trial that is done.
    pub fn steps(&self) -> Option<u64> {
        let records = self.trials.iter().filter_map(|trial| trial.record);
        records.map(|record| record.steps).max()
    }
}
