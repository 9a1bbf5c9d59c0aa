//! Where stages run. The scheduler decides which stage comes next; an executor runs it.
//!
//! A new executor is one file here and one line in [`EXECUTORS`].

mod local;
#[cfg(test)]
pub mod mock;

use super::outcome::ExecutorOutcome;
use super::perform::Resources;
use crate::experiment::trial::stage::Stage;
use anyhow::Result;

/// Runs stages, several at once.
pub trait Executor<W = Stage>: Sync {
    /// Stages at once, at most.
    fn slots(&self) -> usize;

    /// Runs one stage and returns at its end. The scheduler calls this from as many threads as there are slots.
    ///
    /// `beside`: other stages that run or could start now, which share a machine with this one. After a request to stop
    /// ([`Resources::interrupt`]) it returns soon: a training first writes a checkpoint.
    ///
    /// # Errors
    /// The reason why the stage failed.
    fn run(&self, work: &W, beside: usize) -> Result<ExecutorOutcome>;
}

/// An executor by its name.
#[derive(Debug)]
pub struct ExecutorEntry {
    /// The name on the command line.
    pub name: &'static str,
    /// One line for humans.
    pub about: &'static str,
    /// Makes the executor of a run.
    pub build: for<'a> fn(Resources<'a>) -> Result<Box<dyn Executor + 'a>>,
}

/// All executors, the default first.
pub const EXECUTORS: &[ExecutorEntry] = &[ExecutorEntry {
    name: "local",
    about: "in this process, on its cores and GPUs",
    build: |resources| Ok(Box::new(local::Local::new(resources))),
}];
