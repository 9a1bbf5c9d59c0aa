//! Runs stages in this process, each on its share of the cores.

use super::Executor;
use crate::experiment::run::outcome::ExecutorOutcome;
use crate::experiment::run::perform::{Resources, Workshop};
use crate::experiment::run::workers::Workers;
use crate::experiment::trial::stage::Stage;
use anyhow::Result;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::sync::{Mutex, PoisonError};

/// The executor of this process.
pub struct Local<'a> {
    workshop: Workshop<'a>,
    workers: Workers,
    /// Pools of threads between two stages: most stages have as many threads as the one before.
    idle: Mutex<Vec<ThreadPool>>,
}

impl<'a> Local<'a> {
    /// For a run with these `resources`.
    pub fn new(resources: Resources<'a>) -> Self {
        Self {
            workshop: Workshop::new(&resources),
            workers: resources.workers,
            idle: Mutex::default(),
        }
    }

    /// An idle pool of so many `threads`; a new one takes the place of an idle one of another size.
    fn pool(&self, threads: usize) -> Result<ThreadPool> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let fitting = idle
            .iter()
            .position(|pool| pool.current_num_threads() == threads);
        let other = match fitting {
            Some(pool) => return Ok(idle.swap_remove(pool)),
            None => idle.pop(),
        };
        drop(idle);
        drop(other);
        Ok(ThreadPoolBuilder::new().num_threads(threads).build()?)
    }
}

impl Executor for Local<'_> {
    fn slots(&self) -> usize {
        self.workers.count
    }

    /// The stage runs in a pool of threads of its own, so that stages do not wait for each other's work.
    fn run(&self, stage: &Stage, beside: usize) -> Result<ExecutorOutcome> {
        let pool = self.pool(self.workers.threads(beside))?;
        let turn = pool.install(|| self.workshop.perform(stage));
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(pool);
        turn
    }
}
