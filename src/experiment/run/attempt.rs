//! An attempt at a stage: how its files are put in place.

use crate::atomic::Durability;
use crate::experiment::store::folder::Folder;
use crate::experiment::store::lease::Lease;
use crate::train::{Checkpoint, Journal};
use anyhow::{Context, Result};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, Instant};

/// Work that is worth waiting for the disk: what took less is quickly done again after a power failure.
const WORTH_A_SYNC: Duration = Duration::from_secs(1);

/// An attempt at a stage, while this process has the right to it.
pub struct Attempt {
    /// The stage's folder.
    pub folder: Folder,
    /// The right to it.
    pub lease: Lease,
    /// When it began.
    pub start: Instant,
    /// Whether an earlier attempt's work is in it.
    pub resumed: bool,
}

impl Attempt {
    /// What its next file must survive.
    pub fn durability(&self) -> Durability {
        match self.resumed || self.start.elapsed() >= WORTH_A_SYNC {
            true => Durability::Synced,
            false => Durability::Cached,
        }
    }

    /// Puts a state in place, unless the stage has become another process's.
    ///
    /// # Errors
    /// The stage is another process's, or the file cannot be written.
    pub fn save(&self, checkpoint: &Checkpoint, path: &Path) -> Result<()> {
        self.lease.check()?;
        checkpoint.save(path, self.durability())
    }

    /// Has the journal survive what the checkpoint after it survives.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn sync(&self, journal: &Journal) -> Result<()> {
        match self.durability() {
            Durability::Synced => journal.sync(),
            Durability::Cached => Ok(()),
        }
    }

    /// Puts the result of a training in place, which needs no checkpoint any more.
    ///
    /// # Errors
    /// The stage is another process's, or the file cannot be written.
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
