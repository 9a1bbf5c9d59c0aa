//! An executor for tests: it calls a function instead of running stages.

use super::Executor;
use crate::experiment::run::outcome::ExecutorOutcome;
use anyhow::Result;

/// Calls a function instead of running a stage.
pub struct Mock<F> {
    /// The number of stages at the same time.
    pub slots: usize,
    /// The function, called for every stage.
    pub work: F,
}

impl<W, F: Fn(&W) -> Result<ExecutorOutcome> + Sync> Executor<W> for Mock<F> {
    fn slots(&self) -> usize {
        self.slots
    }

    fn run(&self, work: &W, _beside: usize) -> Result<ExecutorOutcome> {
        (self.work)(work)
    }
}
