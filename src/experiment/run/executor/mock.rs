//! An executor for tests: a function in place of the stages' work.

use super::Executor;
use crate::experiment::run::outcome::ExecutorOutcome;
use anyhow::Result;

/// Runs a function in place of a stage.
pub struct Mock<F> {
    /// Stages at once.
    pub slots: usize,
    /// Called for every turn.
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
