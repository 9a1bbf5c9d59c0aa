//! The messages between supervisor and child, each a line of JSON.
//!
//! The supervisor begins with a [`Brief`]. What it sends later asks the child to end ([`asking`]). The
//! child sends [`Event`]s. A brief or an event may announce one more line with the plan. The supervisor keeps
//! the plan and gives it to the next child, so that editing the recipe meanwhile does not change the sweep.

use crate::experiment::store::folder::Failure;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
#[cfg(unix)]
use {
    super::super::interrupt::Request,
    anyhow::{Context, Result},
    serde::de::DeserializeOwned,
    std::io::BufRead,
};

/// The line that asks the child to yield.
#[cfg(unix)]
const YIELD: &[u8] = b"yield\n";
/// The line that asks the child to stop.
#[cfg(unix)]
const STOP: &[u8] = b"stop\n";

/// The line with which a supervisor asks its child for `request`.
#[cfg(unix)]
pub fn asking(request: Request) -> &'static [u8] {
    match request {
        Request::Yield => YIELD,
        Request::Stop => STOP,
    }
}

/// The request that `line` asks for.
#[cfg(unix)]
pub fn asked(line: &[u8]) -> Request {
    match line {
        YIELD => Request::Yield,
        _ => Request::Stop,
    }
}

/// Information for a child about earlier children.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brief {
    /// The keys of the stages that run alone.
    pub alone: BTreeSet<String>,
    /// The failed attempts at each stage, by its key, in order. They count as attempts of this child.
    pub failures: BTreeMap<String, Vec<Failure>>,
    /// True if the next line is the plan. The first child makes the plan itself.
    pub planned: bool,
}

/// A message from a child.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The plan is the next line.
    Plan,
    /// An attempt at a stage begins.
    Begin {
        /// The key of the stage.
        key: String,
        /// The name for people.
        title: String,
        /// The number of the attempt.
        attempt: u64,
    },
    /// The attempt has ended without failure.
    End {
        /// The key of the stage.
        key: String,
    },
    /// The attempt has failed.
    Fail {
        /// The key of the stage.
        key: String,
        /// The failure.
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
/// The other end is gone, or the line is not a valid message.
#[cfg(unix)]
pub fn receive<T: DeserializeOwned>(mut from: impl BufRead) -> Result<T> {
    let mut line = Vec::new();
    from.read_until(b'\n', &mut line)?;
    serde_json::from_slice(&line).context("not the line that was expected")
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_asked_for_what_its_supervisor_was_asked_for() {
        for request in [Request::Yield, Request::Stop] {
            assert_eq!(asked(asking(request)), request);
            assert_eq!(asking(request).last(), Some(&b'\n'));
        }
    }
}
