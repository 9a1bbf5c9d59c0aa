//! The numbers of single trials by name.

use crate::metrics::Metrics;

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
