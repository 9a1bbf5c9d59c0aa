//! An executor that gives up stages which another process works on.

use super::LOOK;
use crate::experiment::run::executor::Executor;
use crate::experiment::run::outcome::ExecutorOutcome;
use crate::experiment::trial::key::StageKey;
use crate::experiment::trial::stage::Stage;
use anyhow::Result;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// An executor that does not wait for ever for stages that another process works on.
pub struct Patient<'a> {
    inner: Box<dyn Executor + 'a>,
    patience: Duration,
    /// The stages that another process works on, with the time at which that was seen first.
    held: Mutex<BTreeMap<StageKey, (Instant, String)>>,
    given_up: AtomicBool,
}

impl<'a> Patient<'a> {
    /// An executor that waits for `patience` for every stage.
    pub fn new(inner: Box<dyn Executor + 'a>, patience: Duration) -> Self {
        Self {
            inner,
            patience,
            held: Mutex::default(),
            given_up: AtomicBool::new(false),
        }
    }

    /// Returns true if a stage was held for longer than this executor waits.
    pub fn has_given_up(&self) -> bool {
        self.given_up.load(Ordering::SeqCst)
    }

    /// The name of a stage that another process works on.
    pub fn waits_for(&self) -> Option<String> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.values().next().map(|(_, title)| title.clone())
    }
}

impl Executor for Patient<'_> {
    fn slots(&self) -> usize {
        self.inner.slots()
    }

    fn run(&self, stage: &Stage, beside: usize) -> Result<ExecutorOutcome> {
        let outcome = self.inner.run(stage, beside)?;
        let is_held = outcome == ExecutorOutcome::Held;
        {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            if !is_held {
                held.remove(&stage.key);
                return Ok(outcome);
            }
            let first = held.entry(stage.key.clone());
            let (since, _) = first.or_insert_with(|| (Instant::now(), stage.title.clone()));
            if since.elapsed() >= self.patience {
                self.given_up.store(true, Ordering::SeqCst);
            }
        }
        std::thread::sleep(LOOK.min(self.patience));
        Ok(outcome)
    }
}
