//! Attempts at a stage: takes the lease, records failures, and decides about further attempts.
//!
//! The work of a stage itself is in `training`, `labelling` and `evaluation`.

use super::attempt::Attempt;
use super::devices::Devices;
use super::interrupt::{Interrupt, Interrupted};
use super::outcome::{ExecutorOutcome, contained};
use super::progress::Progress;
use super::supervise::Link;
use super::workers::Workers;
use crate::experiment::store::environment::EnvironmentFiles;
use crate::experiment::store::folder::Failure;
use crate::experiment::store::root::Store;
use crate::experiment::trial::datasets::Datasets;
use crate::experiment::trial::key::StageKey;
use crate::experiment::trial::stage::{Stage, StageKind};
use anyhow::{Result, anyhow, bail};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Everything that the stages of a run need.
#[derive(Clone, Copy)]
pub struct Resources<'a> {
    /// The store of their results.
    pub store: &'a Store,
    /// The datasets that they train and evaluate on.
    pub datasets: &'a Datasets,
    /// The display of their progress.
    pub progress: &'a Progress,
    /// The environment of this process, which is saved with their results.
    pub environment: &'a EnvironmentFiles,
    /// The devices that they compute on.
    pub devices: &'a Devices,
    /// The number of stages that run at the same time, and the cores that they share.
    pub workers: Workers,
    /// A request to stop.
    pub interrupt: &'a Interrupt,
    /// The supervisor of this process, if it has one.
    pub link: &'a Link,
    /// The number of times that a failed stage is tried again.
    pub retries: u32,
    /// The keys of the stages.
    pub stages: &'a [StageKey],
    /// Called with every line that a training writes to its journal.
    pub log: Option<fn(&str)>,
}

/// Everything that the stages of a run share.
pub struct Workshop<'a> {
    pub(super) store: &'a Store,
    pub(super) datasets: &'a Datasets,
    pub(super) progress: &'a Progress,
    environment: &'a EnvironmentFiles,
    pub(super) devices: &'a Devices,
    pub(super) interrupt: &'a Interrupt,
    link: &'a Link,
    pub(super) log: Option<fn(&str)>,
    /// The number of times that this run tries a failed stage again.
    retries: u32,
    /// The attempts at each stage that are not news to this run: those before it began, and its own.
    past: Mutex<BTreeMap<StageKey, u64>>,
    /// The number of failures in this run's own attempts at each stage.
    failures: Mutex<BTreeMap<StageKey, u32>>,
}

impl<'a> Workshop<'a> {
    /// The shared data of a run with these `resources`.
    pub fn new(resources: &Resources<'a>) -> Self {
        let store = resources.store;
        let attempts = |key: &StageKey| (key.clone(), store.stage(key).attempts());
        Self {
            store,
            datasets: resources.datasets,
            progress: resources.progress,
            environment: resources.environment,
            devices: resources.devices,
            interrupt: resources.interrupt,
            link: resources.link,
            retries: resources.retries,
            log: resources.log,
            past: Mutex::new(resources.stages.iter().map(attempts).collect()),
            failures: Mutex::default(),
        }
    }

    /// Runs `stage`, unless another process is working on it or has finished it, and records the time.
    ///
    /// # Errors
    /// Any error that ends the training or the evaluation, including a panic; checkpoints already written
    /// stay. Also a failure in another process during this run, or in an earlier process under the same
    /// supervisor.
    pub fn perform(&self, stage: &Stage) -> Result<ExecutorOutcome> {
        let folder = self.store.stage(&stage.key);
        if let Some(failure) = self.link.earlier_failure(&stage.key)
            && !self.store.is_whole(&stage.key)
        {
            let retries = self.left(stage);
            // A process that was killed could not record it.
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
            Ok(ExecutorOutcome::Held) => {}
            Ok(ExecutorOutcome::Done | ExecutorOutcome::Stopped) => self.link.ends(&stage.key),
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

    /// Does the same as [`Self::perform`], without regard to the failures of earlier processes.
    fn attempt(&self, stage: &Stage) -> Result<ExecutorOutcome> {
        let start = Instant::now();
        let folder = self.store.stage(&stage.key);
        let Some(lease) = folder.lease()? else {
            return Ok(ExecutorOutcome::Held);
        };
        if self.store.is_whole(&stage.key) {
            self.progress.without(stage.cost);
            return Ok(ExecutorOutcome::Done);
        }
        let number = lease.token();
        let other = folder.failure().filter(|failure| {
            failure.attempt + 1 == number
                && failure.attempt > lock(&self.past).get(&stage.key).copied().unwrap_or(0)
        });
        // Another process failed during this run. If it would try again, this attempt is the repetition.
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
            resumed: folder.checkpoint().is_some(),
            folder,
            lease,
            start,
        };
        let outcome = contained(|| {
            let outcome = self.work(stage, &attempt);
            match outcome {
                Err(error) if error.is::<Interrupted>() => Ok(ExecutorOutcome::Stopped),
                outcome => outcome.map(|()| ExecutorOutcome::Done),
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
        // If the disk is full, the failure cannot be recorded either, and the error itself is returned.
        // Who has lost the stage says nothing of it: another process works on it.
        let noted = attempt.lease.check().is_ok() && attempt.folder.fail(&failure).is_ok();
        if own == 0 && failure.retries > 0 && noted {
            // The other process will continue it.
            self.link.ends(&stage.key);
            return Ok(ExecutorOutcome::Held);
        }
        lock(&self.past).insert(stage.key.clone(), number);
        Err(anyhow!(reason))
    }

    /// The number of times that this run will still try `stage`, which has just failed.
    fn left(&self, stage: &Stage) -> u32 {
        let mut failures = lock(&self.failures);
        let before = failures.entry(stage.key.clone()).or_default();
        *before += 1;
        self.retries.saturating_sub(*before - 1)
    }

    fn work(&self, stage: &Stage, attempt: &Attempt) -> Result<()> {
        match stage.kind {
            StageKind::Vlm | StageKind::Train(_) => self.train(stage, attempt),
            StageKind::Label(phase) => self.label(stage, phase, attempt),
            StageKind::Evaluate => self.evaluate(stage, attempt),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
