//! The numbers of single trials by name: those of the records, and those that the evaluations keep beside them, such
//! as the precision of each class.

use super::layout::TableLayout;
use super::metric::finished;
use super::record::Record;
use super::statistics::mean;
use super::table::Table;
use crate::metrics::Metrics;
use std::collections::BTreeMap;

/// The name of the model whose metrics a record and the tables show: the teacher, unless the recipe says otherwise.
pub const REPORTED: &str = "reported";

/// One number of a trial.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// The model: [`REPORTED`], or `teacher`, `student` or `average`.
    pub model: String,
    /// The metric.
    pub metric: String,
    /// The class; none for a metric over all classes.
    pub class: Option<String>,
    /// The number in percent; none if it is undefined.
    pub value: Option<f64>,
}

impl Value {
    /// The numbers `metrics` of `model`, over all classes.
    pub fn all<'a>(model: &'a str, metrics: &'a Metrics) -> impl Iterator<Item = Self> + use<'a> {
        metrics.iter().map(|(metric, value)| Self {
            model: model.to_string(),
            metric: metric.to_string(),
            class: None,
            value,
        })
    }

    /// The name of its column: `mAP`, `AP:person`, `student.mAP`. The precision of one class is no mean over
    /// classes, so it is called AP.
    pub fn column(&self) -> String {
        let model = match self.model.as_str() {
            REPORTED => String::new(),
            other => format!("{other}."),
        };
        match &self.class {
            Some(class) => {
                let metric = if self.metric == "mAP" {
                    "AP"
                } else {
                    &self.metric
                };
                format!("{model}{metric}:{class}")
            }
            None => format!("{model}{}", self.metric),
        }
    }
}

/// A trial of a table with all its numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct TrialValues {
    /// The label of the row.
    pub label: String,
    /// The seed.
    pub seed: u64,
    /// The identity of the trial.
    pub hash: String,
    /// `ok`, `failed` or `pending`.
    pub status: &'static str,
    /// Its numbers; none unless it is finished.
    pub values: Vec<Value>,
}

/// All numbers of a finished trial: those of its record, then `more`.
fn values(record: &Record, more: &[Value]) -> Vec<Value> {
    let models = [
        (REPORTED, &record.metrics),
        ("student", &record.student),
        ("average", &record.average),
    ];
    let named = models
        .into_iter()
        .filter_map(|(name, metrics)| Some((name, metrics.as_ref()?)));
    let own = named.flat_map(|(name, metrics)| Value::all(name, metrics));
    own.chain(more.iter().cloned()).collect()
}

impl Table {
    /// Adds the numbers of the trials of `layout`, from which the table is made: `record` finds a trial's record by
    /// its hash, and `more` holds what the evaluations keep beside the records.
    pub fn add_values<'a>(
        &mut self,
        layout: &TableLayout,
        record: impl Fn(&str) -> Option<&'a Record>,
        more: &BTreeMap<String, Vec<Value>>,
    ) {
        for row in &layout.rows {
            let mut means: Vec<(String, Vec<f64>)> = Vec::new();
            for (hash, seed) in row.trials.iter().zip(&layout.seeds) {
                let found = record(hash);
                let done = found.filter(|record| finished(record).is_some());
                let more = more.get(hash).map_or(&[][..], Vec::as_slice);
                let values = done.map_or_else(Vec::new, |record| values(record, more));
                for value in &values {
                    let name = value.column();
                    let place = means.iter().position(|(known, _)| *known == name);
                    let place = place.unwrap_or_else(|| {
                        means.push((name, Vec::new()));
                        means.len() - 1
                    });
                    means[place].1.extend(value.value);
                }
                self.trials.push(TrialValues {
                    label: row.label.clone(),
                    seed: *seed,
                    hash: hash.clone(),
                    status: match (done, found) {
                        (Some(_), _) => "ok",
                        (None, Some(_)) => "failed",
                        (None, None) => "pending",
                    },
                    values,
                });
            }
            if let Some(own) = self.rows.iter_mut().find(|own| own.label == row.label) {
                let others = means
                    .into_iter()
                    .filter(|(name, _)| own.mean.get(name).is_none());
                own.more = others.map(|(name, values)| (name, mean(&values))).collect();
            }
        }
    }
}
