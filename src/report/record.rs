//! Records: what a trial found, and apart from it how long it took.
//!
//! `records.jsonl` is the same for every run of the recipe; what differs from run to run is in `timing.jsonl`.

use super::json_lines::Keyed;
use crate::metrics::Metrics;
use serde::{Deserialize, Serialize};

/// How a trial ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Trained and evaluated.
    Ok,
    /// Ended by an error, which the record holds.
    Failed,
}

/// What a trial found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The recipe's name.
    pub recipe: String,
    /// The trial's identity.
    pub hash: String,
    /// Label of the row that uses the trial first.
    pub label: String,
    /// The trial's seed.
    pub seed: u64,
    /// Steps trained.
    pub steps: u64,
    /// How it ended.
    pub status: Status,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
    /// Of the reported model; none if failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub metrics: Option<Metrics>,
    /// Of the student, if it was evaluated.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub student: Option<Metrics>,
    /// Of the student's average, if it was evaluated.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub average: Option<Metrics>,
}

/// How long a trial took. Apart from the record: it differs from run to run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timing {
    /// The trial's identity.
    pub hash: String,
    /// Label of the row that uses the trial first.
    pub label: String,
    /// The trial's seed.
    pub seed: u64,
    /// Wall time of its own work, shared stages not counted.
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
