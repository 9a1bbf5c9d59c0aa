//! An attempt at a stage: puts its files in place.

use crate::atomic::Durability;
use crate::experiment::store::folder::StageFolder;
use crate::experiment::store::lease::Lease;
use crate::experiment::store::states::States;
use crate::experiment::trial::key::StageKey;
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

    /// Writes a state in the place of the earlier `states`, unless another process has taken over the stage.
    ///
    /// # Errors
    /// Another process has the stage, or the file cannot be written.
    pub fn save(&self, checkpoint: &Checkpoint, states: States) -> Result<()> {
        self.lease.check()?;
        let token = self.lease.token();
        checkpoint.save(&states.of(token), self.durability())?;
        states.remove_before(token);
        Ok(())
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

    /// Puts the result of the stage `key` in place, which `write` writes to the path that it is given. If there is a
    /// whole result, of an owner who was taken for dead, that one stands: others may have read it already.
    ///
    /// # Errors
    /// Another process has the stage, or the file cannot be written.
    pub fn put(&self, key: &StageKey, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        self.lease.check()?;
        let place = self.folder.outcome(key);
        let name = place.file_name().unwrap_or_default().to_string_lossy();
        // A clean-up knows an unfinished file by such a name.
        let own = place.with_file_name(format!(".{name}.{}.tmp", self.lease.token()));
        write(&own)?;
        self.lease.check()?;
        let failed = || format!("cannot write `{}`", place.display());
        // A link, unlike a renamed file, never takes the place of another one.
        match fs::hard_link(&own, &place) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists && self.folder.is_whole(key) => {
            }
            Err(_) => return fs::rename(&own, &place).with_context(failed),
        }
        // It only costs disk space if it stays.
        fs::remove_file(&own).ok();
        Ok(())
    }

    /// Writes the result of the training `key`, and removes the checkpoint, which is no longer needed.
    ///
    /// # Errors
    /// Another process has the stage, or the file cannot be written.
    pub fn end(&self, key: &StageKey, trained: &Checkpoint) -> Result<()> {
        self.put(key, |path| trained.save(path, self.durability()))?;
        let removed = self.folder.checkpoints().remove();
        removed.context("cannot remove the last checkpoint")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::atomic::write_durably;

    #[test]
    fn the_first_whole_result_stands_and_a_damaged_one_does_not() {
        let out = tempfile::tempdir().unwrap();
        let key: StageKey = "label-1".parse().unwrap();
        let attempt = || {
            let folder = StageFolder::new(out.path().join("label-1"));
            Attempt {
                lease: folder.lease().unwrap().unwrap(),
                folder,
                start: Instant::now(),
                resumed: false,
            }
        };
        let put = |attempt: &Attempt, text: &str| {
            let write = |path: &Path| write_durably(path, text.as_bytes(), Durability::Cached);
            attempt.put(&key, write)
        };
        let (first, path) = (attempt(), out.path().join("label-1/labels.json"));
        fs::write(&path, "{ cut").unwrap();
        put(&first, "{ first }\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "{ first }\n");
        put(&first, "{ second }\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "{ first }\n");
        let left: Vec<_> = fs::read_dir(out.path().join("label-1"))
            .unwrap()
            .flatten()
            .collect();
        assert_eq!(left.len(), 2, "the result and the lease: {left:?}");
        // An owner who has lost the lease puts nothing in place.
        fs::remove_file(&path).unwrap();
        fs::write(out.path().join("label-1/lease"), format!("{:020}\n", 2)).unwrap();
        assert!(put(&first, "{ late }\n").is_err() && !path.exists());
    }
}
