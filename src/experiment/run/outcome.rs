//! One turn at a stage: its result, and panics turned into failures.

use anyhow::Result;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The result of a turn at a stage that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExecutorOutcome {
    /// The stage is done.
    Done,
    /// Another process is working on it, so it must be checked again.
    Held,
    /// A stop was requested, and the stage is not done.
    Stopped,
}

/// The outcome of `work`, with a panic turned into its message.
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
