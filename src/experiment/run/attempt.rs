//! An attempt at a stage: puts its files in place.

use crate::atomic::Durability;
use crate::experiment::store::folder::StageFolder;
use crate::experiment::store::lease::Lease;
use crate::train::{Checkpoint, Journal};
use anyhow::{Context, Result};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, Instant};

/// Work that takes at least this long is synced to disk. Shorter work is quickly done again after a power
/// failure.
const WORTH_A_SYNC: Duration = Duration::from_secs(1);

/// An attempt at a stage, while this process holds the lease.
pub struct Attempt {
    /// The stage's folder.
    pub folder: StageFolder,
    /// The right to it.
    pub lease: Lease,
    /// The time when it began.
    pub start: Instant,
    /// True if it continues the work of an earlier attempt.
    pub resumed: bool,
}

impl Attempt {
    /// The durability of its next file.
    pub fn durability(&self) -> Durability {
        match self.resumed || self.start.elapsed() >= WORTH_A_SYNC {
            true => Durability::Synced,
            false => Durability::Cached,
        }
    }

    /// Writes a state, unless another process has taken over the stage.
    ///
    /// # Errors
    /// Another process has the stage, or the file cannot be written.
    pub fn save(&self, checkpoint: &Checkpoint, path: &Path) -> Result<()> {
        self.lease.check()?;
        checkpoint.save(path, self.durability())
    }

    /// Syncs the journal, so that it is at least as durable as the checkpoint after it.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn sync(&self, journal: &Journal) -> Result<()> {
        match self.durability() {
            Durability::Synced => journal.sync(),
            Durability::Cached => Ok(()),
        }
    }

    /// Writes the result of a training, and removes the checkpoint, which is no longer needed.
    ///
    /// # Errors
    /// Another process has the stage, or the file cannot be written.
    pub fn end(&self, trained: &Checkpoint) -> Result<()> {
        self.save(trained, &self.folder.result())?;
        match fs::remove_file(self.folder.checkpoint()) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).context("cannot remove the last checkpoint")
            }
            _ => Ok(()),
        }
    }
}
