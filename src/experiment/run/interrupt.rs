//! A request to stop: Ctrl-C, or the signal with which a cluster ends a job.
//!
//! Trainings end after the current step with a complete checkpoint. A second request ends the process at
//! once, which costs only the steps since the last checkpoint.

use anyhow::{Context, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The exit code of a process that was asked to stop, the same as that of shells for Ctrl-C.
pub const EXIT_CODE: u8 = 130;

/// True once a stop was requested, by a signal or by the supervisor of this process.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

/// The error of a stage that ended because a stop was requested.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

impl Interrupt {
    /// Listens to SIGINT, SIGTERM and SIGHUP. To be called once in a process.
    ///
    /// # Errors
    /// The system refuses, or there is a listener already.
    pub fn from_signals() -> Result<Self> {
        let interrupt = Self::default();
        let requested = Arc::clone(&interrupt.0);
        ctrlc::set_handler(move || {
            if requested.swap(true, Ordering::SeqCst) {
                std::process::exit(EXIT_CODE.into());
            }
            eprintln!(
                "stopping: each training ends after its current step with a checkpoint; send the signal again to stop at once"
            );
        })
        .context("cannot listen to Ctrl-C")?;
        Ok(interrupt)
    }

    /// Requests a stop.
    pub fn request(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Returns true if a stop was requested.
    pub fn requested(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// Ends the work here if a stop was requested.
    ///
    /// # Errors
    /// [`Interrupted`].
    pub fn check(&self) -> Result<(), Interrupted> {
        match self.requested() {
            true => Err(Interrupted),
            false => Ok(()),
        }
    }
}
