//! Attempts at a stage: who has the right to it, what becomes of a failure, how often it is tried again.
//!
//! What a stage does is in `training` and `evaluation`.

use super::attempt::Attempt;
use super::devices::Devices;
use super::interrupt::{Interrupt, Interrupted};
use super::progress::Progress;
use super::scheduler::{self, Task, Turn};
use super::supervise::Link;
use crate::experiment::store::environment::Kept;
use crate::experiment::store::folder::Failure;
use crate::experiment::store::root::Store;
use crate::experiment::trial::parts::Datasets;
use crate::experiment::trial::stage::{Kind, Stage};
use anyhow::{Result, anyhow, bail};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What all stages work with.
pub struct Workshop<'a> {
    pub(super) store: &'a Store,
    pub(super) datasets: &'a Datasets,
    pub(super) progress: &'a Progress,
    environment: &'a Kept,
    pub(super) devices: &'a Devices,
    pub(super) interrupt: &'a Interrupt,
    link: &'a Link,
    /// How often this run tries a stage that failed again.
    retries: u32,
    /// Attempts at each stage that this run does not take for its own time: those before it began, and its own.
    past: Mutex<BTreeMap<String, u64>>,
    /// Failures of this run's own attempts at each stage.
    failures: Mutex<BTreeMap<String, u32>>,
}

impl<'a> Workshop<'a> {
    /// For a run of `tasks`.
    pub fn new(
        store: &'a Store,
        datasets: &'a Datasets,
        progress: &'a Progress,
        environment: &'a Kept,
        devices: &'a Devices,
        interrupt: &'a Interrupt,
        link: &'a Link,
        retries: u32,
        tasks: &[Task<Stage>],
    ) -> Self {
        let attempts = |task: &Task<Stage>| (task.key.clone(), store.stage(&task.key).attempts());
        Self {
            store,
            datasets,
            progress,
            environment,
            devices,
            interrupt,
            link,
            retries,
            past: Mutex::new(tasks.iter().map(attempts).collect()),
            failures: Mutex::default(),
        }
    }

    /// Does `stage`, unless another process has it in hand or has done it, and keeps the time that it took.
    ///
    /// # Errors
    /// Whatever ends the training or the evaluation, a panic included; a checkpoint, once written, stays. What ended it in another
    /// process during this run, or in one before this one under the same supervisor.
    pub fn perform(&self, stage: &Stage) -> Result<Turn> {
        let folder = self.store.stage(&stage.key);
        if let Some(failure) = self.link.earlier_failure(&stage.key)
            && !self.store.is_whole(stage)
        {
            let retries = self.left(stage);
            // Who was killed could not note it.
            if folder.attempts() == failure.attempt {
                folder
                    .fail(&Failure {
                        retries,
                        ..failure.clone()
                    })
                    .ok();
            }
            bail!(failure.reason);
        }
        let outcome = self.attempt(stage);
        match &outcome {
            Ok(Turn::Held) => {}
            Ok(Turn::Done | Turn::Stopped) => self.link.ends(&stage.key),
            Err(error) => {
                let (attempt, reason) = (folder.attempts(), format!("{error:#}"));
                let failure = Failure {
                    attempt,
                    reason,
                    retries: 0,
                };
                self.link.fails(&stage.key, failure);
            }
        }
        outcome
    }

    /// As [`Self::perform`], whatever processes before this one have met with.
    fn attempt(&self, stage: &Stage) -> Result<Turn> {
        let start = Instant::now();
        let folder = self.store.stage(&stage.key);
        let Some(lease) = folder.lease()? else {
            return Ok(Turn::Held);
        };
        if self.store.is_whole(stage) {
            self.progress.without(stage.cost);
            return Ok(Turn::Done);
        }
        let number = lease.token();
        let other = folder.failure().filter(|failure| {
            failure.attempt + 1 == number
                && failure.attempt > lock(&self.past).get(&stage.key).copied().unwrap_or(0)
        });
        // Another process failed during this run. Where it would try again, this attempt is that one.
        let left = match other {
            Some(Failure {
                reason, retries: 0, ..
            }) => bail!(reason),
            Some(failure) => failure.retries - 1,
            None => 0,
        };
        self.link.begins(stage, number);
        self.environment.put(&folder)?;
        let attempt = Attempt {
            resumed: folder.checkpoint().exists(),
            folder,
            lease,
            start,
        };
        let outcome = scheduler::contained(|| {
            let outcome = self.work(stage, &attempt);
            match outcome {
                Err(error) if error.is::<Interrupted>() => Ok(Turn::Stopped),
                outcome => outcome.map(|()| Turn::Done),
            }
        });
        let kept = attempt.folder.add_seconds(start.elapsed().as_secs_f64());
        let reason = match outcome {
            Ok(turn) => return kept.map(|()| turn),
            Err(reason) => reason,
        };
        let own = self.left(stage);
        let failure = Failure {
            attempt: number,
            reason: reason.clone(),
            retries: own.max(left),
        };
        // Where the disk is full, the failure cannot be noted either: the reason itself goes on.
        let noted = attempt.folder.fail(&failure).is_ok();
        if own == 0 && failure.retries > 0 && noted {
            // For the other's sake it is not over.
            self.link.ends(&stage.key);
            return Ok(Turn::Held);
        }
        lock(&self.past).insert(stage.key.clone(), number);
        Err(anyhow!(reason))
    }

    /// How often this run will try `stage` again, which has just failed.
    fn left(&self, stage: &Stage) -> u32 {
        let mut failures = lock(&self.failures);
        let before = failures.entry(stage.key.clone()).or_default();
        *before += 1;
        self.retries.saturating_sub(*before - 1)
    }

    fn work(&self, stage: &Stage, attempt: &Attempt) -> Result<()> {
        match stage.kind {
            Kind::Vlm | Kind::Train(_) => self.train(stage, attempt),
            Kind::Evaluate => self.evaluate(stage, attempt),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
