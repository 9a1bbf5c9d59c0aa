//! A request to stop: Ctrl-C, or the signal by which a cluster ends a job.
//!
//! Trainings end after the step at hand, with a checkpoint that holds all of it. A second request ends the process at once, which costs the
//! steps since the last checkpoint and nothing else.

use anyhow::{Context, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The exit code of a process that was asked to stop: the shells' own for Ctrl-C.
pub const EXIT_CODE: u8 = 130;

/// Whether a stop was asked for: by a signal, or by who supervises this process.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

/// Why a stage ended before its end: it was asked to.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

impl Interrupt {
    /// Listens to SIGINT, SIGTERM and SIGHUP. To be called once in a process.
    ///
    /// # Errors
    /// The system refuses, or somebody listens already.
    pub fn from_signals() -> Result<Self> {
        let interrupt = Self::default();
        let requested = Arc::clone(&interrupt.0);
        ctrlc::set_handler(move || {
            if requested.swap(true, Ordering::SeqCst) {
                std::process::exit(EXIT_CODE.into());
            }
            eprintln!(
                "stopping: trainings end after the step at hand, with a checkpoint; once more to stop at once"
            );
        })
        .context("cannot listen to Ctrl-C")?;
        Ok(interrupt)
    }

    /// Asks for a stop.
    pub fn request(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether a stop was asked for.
    pub fn requested(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// Ends the work here if a stop was asked for.
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
