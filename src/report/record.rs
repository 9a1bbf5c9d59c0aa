//! Records: the result of a trial and, apart from it, its duration.
//!
//! `records.jsonl` is the same for every run of the recipe. The values that differ between runs are in
//! `timing.jsonl`.

use super::json_lines::Keyed;
use super::split::SplitRecord;
use crate::metrics::Metrics;
use serde::{Deserialize, Serialize};

/// The outcome of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrialStatus {
    /// The trial was trained and evaluated.
    Ok,
    /// The trial ended with an error, which the record holds.
    Failed,
}

/// The result of a trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The name of the recipe.
    pub recipe: String,
    /// The identity of the trial.
    pub hash: String,
    /// The label of the row that uses the trial first.
    pub label: String,
    /// The seed of the trial.
    pub seed: u64,
    /// The number of training steps.
    pub steps: u64,
    /// The outcome.
    pub status: TrialStatus,
    /// The error of a failed trial.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
    /// The metrics of the reported model; none if failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub metrics: Option<Metrics>,
    /// The metrics of the student, if it was evaluated.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub student: Option<Metrics>,
    /// The metrics of the student's average, if it was evaluated.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub average: Option<Metrics>,
    /// The version of the computations that made it. A record without the key is of version 1, the first.
    #[serde(skip_serializing_if = "is_first", default = "first")]
    pub code_version: u32,
    /// The oddities of its dataset, such as annotations that were left out, one line each.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub findings: Vec<String>,
    /// Its split; none if the program drew it by its own rule, as all did in records of earlier programs.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub split: Option<SplitRecord>,
    /// The source code that computed it; none in records of earlier programs.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub commits: Option<Commits>,
    /// The devices that computed it, as `cpu` or the model of a GPU; none in records of earlier programs.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub device: Option<String>,
}

/// The commits of the source code that computed a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commits {
    /// The commit that the program was built from, with its local changes in words.
    pub program: String,
    /// The commit of the recipe's folder; none outside a repository.
    pub recipe: Option<String>,
}

/// The version of the computations of a record that names none.
fn first() -> u32 {
    1
}

/// Returns true for the version that a record does not name.
fn is_first(version: &u32) -> bool {
    *version == first()
}

impl Record {
    /// The reason why the trial failed; none if it succeeded. A record of an earlier program may have the
    /// status of a success and an undefined metric.
    pub fn failure(&self) -> Option<String> {
        match self.status {
            TrialStatus::Failed => Some(self.error.clone().unwrap_or("no reason given".into())),
            TrialStatus::Ok => self.metrics.as_ref().and_then(Metrics::undefined),
        }
    }
}

/// The duration of a trial. It is not part of the record, because it differs between runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timing {
    /// The identity of the trial.
    pub hash: String,
    /// The label of the row that uses the trial first.
    pub label: String,
    /// The seed of the trial.
    pub seed: u64,
    /// Wall time of the trial's own work in seconds, without shared stages.
    pub seconds: f64,
}

impl Keyed for Record {
    fn hash(&self) -> &str {
        &self.hash
    }
}

impl Keyed for Timing {
    fn hash(&self) -> &str {
        &self.hash
    }
}
