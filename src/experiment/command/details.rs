//! The numbers that the store keeps beside the records: the recalls and the precision of each class, of every model.

use crate::eval::Scores;
use crate::experiment::settings::stored::stored;
use crate::experiment::store::measured::Evaluation;
use crate::experiment::store::root::{Store, digests_of, settings_of};
use crate::experiment::trial::datasets::Datasets;
use crate::report::{REPORTED, Record, ResultsFolder, TableLayout, Value};
use std::collections::BTreeMap;

/// The numbers beside the records of a results folder.
pub struct Details<'a> {
    folder: &'a ResultsFolder,
    /// None where the working data is gone, as in published results.
    store: Option<Store>,
    datasets: Datasets,
}

impl<'a> Details<'a> {
    /// Those of `folder`.
    pub fn new(folder: &'a ResultsFolder) -> Self {
        Self {
            folder,
            store: Store::look(&folder.path),
            datasets: Datasets::with_digests(digests_of(&folder.path)),
        }
    }

    /// The numbers of the trials of `table`, by hash. A trial whose working data is gone has none.
    pub fn of(&self, table: &TableLayout) -> BTreeMap<String, Vec<Value>> {
        let trials = table.rows.iter().flat_map(|row| &row.trials);
        let found = trials.filter_map(|hash| {
            let record = self.folder.records.get(hash)?;
            Some((hash.clone(), self.values(record)?))
        });
        found.collect()
    }

    /// The numbers of one trial: those of the reported model, then those of each model under its name.
    fn values(&self, record: &Record) -> Option<Vec<Value>> {
        let path = self.store.as_ref()?.trial(&record.hash).metrics();
        let evaluation = Evaluation::read(&path).ok()?;
        let classes = self.classes(&record.hash, &evaluation);
        let reported = |scores: &&Scores| Some(&scores.metrics) == record.metrics.as_ref();
        let mut values = Vec::new();
        if let Some(scores) = evaluation.models.values().find(reported) {
            values.extend(beside(REPORTED, scores, &classes));
        }
        for (name, scores) in &evaluation.models {
            // The record has the metrics of the others.
            if name == "teacher" {
                values.extend(Value::all(name, &scores.metrics));
            }
            values.extend(beside(name, scores, &classes));
        }
        Some(values)
    }

    /// The names of the classes: those of the evaluation, or else, for one of an earlier program, those of its
    /// dataset.
    fn classes(&self, hash: &str, evaluation: &Evaluation) -> Vec<String> {
        if !evaluation.classes.is_empty() {
            return evaluation.classes.clone();
        }
        let dataset = || {
            let text = std::fs::read_to_string(settings_of(&self.folder.path, hash)).ok()?;
            let settings = stored(&text)?;
            let data = settings.get("data")?.as_table()?;
            Some(self.datasets.get(data).ok()?.classes)
        };
        dataset().unwrap_or_default()
    }
}

/// The numbers of `scores` that no record has. A class without a name has its number.
fn beside(model: &str, scores: &Scores, classes: &[String]) -> Vec<Value> {
    let mut values: Vec<Value> = Value::all(model, &scores.more).collect();
    for (metric, numbers) in &scores.per_class {
        for (index, value) in numbers.iter().enumerate() {
            let class = classes.get(index).cloned();
            values.push(Value {
                model: model.to_string(),
                metric: metric.clone(),
                class: Some(class.unwrap_or_else(|| index.to_string())),
                value: *value,
            });
        }
    }
    values
}
