//! What supervisor and child tell each other, a line of JSON each.
//!
//! The supervisor begins with a [`Brief`]; whatever it says later means that the child shall stop. The child tells [`Event`]s. After a
//! brief or an event that says so comes one more line, the plan: the supervisor keeps it as it is and gives it to the next child, so that a
//! recipe that was edited meanwhile does not change the sweep.

use crate::experiment::store::folder::Failure;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
#[cfg(unix)]
use {
    anyhow::{Context, Result},
    serde::de::DeserializeOwned,
    std::io::BufRead,
};

/// The line that asks the child to stop.
#[cfg(unix)]
pub const STOP: &[u8] = b"stop\n";

/// What a child has to know of those before it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brief {
    /// Keys of the stages that run alone.
    pub alone: BTreeSet<String>,
    /// The failed attempts at each stage, by its key, in their order: they count as those of this child.
    pub failures: BTreeMap<String, Vec<Failure>>,
    /// Whether the plan is the next line; the first child makes it.
    pub planned: bool,
}

/// What a child tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The plan is the next line.
    Plan,
    /// An attempt at a stage begins.
    Begin {
        /// The stage's key.
        key: String,
        /// What a human calls it.
        title: String,
        /// The number of the attempt.
        attempt: u64,
    },
    /// The attempt has ended, and did not fail.
    End {
        /// The stage's key.
        key: String,
    },
    /// It has failed.
    Fail {
        /// The stage's key.
        key: String,
        /// How.
        failure: Failure,
    },
}

/// `message` as a line.
pub fn line(message: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(message).expect("its keys are text");
    line.push(b'\n');
    line
}

/// Reads a line as a message.
///
/// # Errors
/// The other end is gone, or says something else.
#[cfg(unix)]
pub fn hear<T: DeserializeOwned>(mut from: impl BufRead) -> Result<T> {
    let mut line = Vec::new();
    from.read_until(b'\n', &mut line)?;
    serde_json::from_slice(&line).context("not the line that was expected")
}
