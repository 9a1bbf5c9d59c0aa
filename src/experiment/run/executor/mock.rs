//! An executor for tests: a function in place of the stages' work.

use super::Executor;
use crate::experiment::run::turn::Turn;
use anyhow::Result;

/// Runs a function in place of a stage.
pub struct Mock<F> {
    /// Stages at once.
    pub slots: usize,
    /// Called for every turn.
    pub work: F,
}

impl<W, F: Fn(&W) -> Result<Turn> + Sync> Executor<W> for Mock<F> {
    fn slots(&self) -> usize {
        self.slots
    }

    fn run(&self, work: &W, _beside: usize) -> Result<Turn> {
        (self.work)(work)
    }
}
