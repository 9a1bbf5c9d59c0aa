//! One turn at a stage: how it ends, panics included.

use anyhow::Result;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// How a turn at a stage ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The stage is done.
    Done,
    /// Another process works on it: to be asked for again.
    Held,
    /// It was asked to stop, and is not done.
    Stopped,
}

/// The outcome of `work` with a panic turned into its message.
pub fn contained<T>(work: impl FnOnce() -> Result<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(outcome) => outcome.map_err(|error| format!("{error:#}")),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Err(format!("panic: {}", text.unwrap_or("without a message")))
        }
    }
}
