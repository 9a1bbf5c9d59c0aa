//! The working data of a results folder: checkpoints, journals and metrics under `<out>/.store/`.
//!
//! ```text
//! .store/lock                          held while a process works here
//! .store/program                       hash of the program that worked here last
//! .store/stages/<kind>-<hash>/         what a stage leaves, named by the hash of all that it reads
//!     checkpoint.safetensors           an unfinished training stage
//!     final.safetensors                a finished one
//!     journal.jsonl  metrics.json  seconds
//! .store/trials/<hash>/                settings.toml, journal.jsonl and metrics.json of a finished trial
//! ```
//!
//! Every file is replaced by renaming a finished one over it, and a stage is finished when its result stands: a process may
//! be killed anywhere. Deleting the folder costs time, nothing else.

use crate::atomic::write_atomically;
use anyhow::{Context, Result, anyhow};
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

/// Name of the working data in a results folder.
pub const STORE: &str = ".store";

/// The settings of the trial `hash` in the results folder `out`, for a reader who needs no store.
pub fn settings_of(out: &Path, hash: &str) -> PathBuf {
    out.join(STORE)
        .join("trials")
        .join(hash)
        .join("settings.toml")
}

/// The working data of one results folder. While it lives, no other process can open it.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    _lock: File,
}

impl Store {
    /// Opens (or makes) the store of the results folder `out`.
    ///
    /// # Errors
    /// The folder cannot be written to, or another process works in it.
    pub fn open(out: &Path) -> Result<Self> {
        let root = out.join(STORE);
        let refused = || format!("cannot write to the results folder {}", out.display());
        fs::create_dir_all(&root).with_context(refused)?;
        let lock = File::create(root.join("lock")).with_context(refused)?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => anyhow!("another process writes to {}", out.display()),
            TryLockError::Error(error) => anyhow!(error).context(refused()),
        })?;
        // An existing folder may hold a writable lock and yet take no new file.
        write_atomically(&out.join(".writable"), b"").with_context(refused)?;
        fs::remove_file(out.join(".writable")).with_context(refused)?;
        Ok(Self { root, _lock: lock })
    }

    /// Whether an earlier build of this program has worked here: what it left may differ from what this one would make, and no
    /// hash of settings can tell. From now on the store is this build's.
    ///
    /// # Errors
    /// The program or the store cannot be read or written.
    pub fn belongs_to_other_program(&self) -> Result<bool> {
        let program = std::env::current_exe()
            .and_then(fs::read)
            .context("cannot read this program")?;
        let own = blake3::hash(&program).to_hex().to_string();
        let path = self.root.join("program");
        let other = fs::read_to_string(&path).is_ok_and(|earlier| earlier != own);
        write_atomically(&path, own.as_bytes())?;
        Ok(other)
    }

    /// The folder of the stage `key`; made when first written to.
    pub fn stage(&self, key: &str) -> Folder {
        Folder(self.root.join("stages").join(key))
    }

    /// The folder of the trial with settings hash `hash`.
    pub fn trial(&self, hash: &str) -> Folder {
        Folder(self.root.join("trials").join(hash))
    }
}

/// The folder of one stage or trial.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Makes the folder.
    ///
    /// # Errors
    /// Its parent is not writable.
    pub fn make(&self) -> Result<()> {
        fs::create_dir_all(&self.0).with_context(|| format!("cannot make {}", self.0.display()))
    }

    /// State of an unfinished training stage.
    pub fn checkpoint(&self) -> PathBuf {
        self.0.join("checkpoint.safetensors")
    }

    /// State of a finished training stage.
    pub fn result(&self) -> PathBuf {
        self.0.join("final.safetensors")
    }

    /// The journal.
    pub fn journal(&self) -> PathBuf {
        self.0.join("journal.jsonl")
    }

    /// The metrics of a finished evaluation.
    pub fn metrics(&self) -> PathBuf {
        self.0.join("metrics.json")
    }

    /// The settings of a trial.
    pub fn settings(&self) -> PathBuf {
        self.0.join("settings.toml")
    }

    /// Seconds of work that the stage has taken in all runs that came to an end; 0 if unknown.
    pub fn seconds(&self) -> f64 {
        let text = fs::read_to_string(self.0.join("seconds")).unwrap_or_default();
        text.trim().parse().unwrap_or(0.0)
    }

    /// Counts the attempts at the stage, this one included.
    ///
    /// # Errors
    /// The folder is not writable.
    pub fn attempt(&self) -> Result<u64> {
        let path = self.0.join("attempts");
        let text = fs::read_to_string(&path).unwrap_or_default();
        let attempt = text.trim().parse().unwrap_or(0) + 1;
        write_atomically(&path, format!("{attempt}\n").as_bytes())?;
        Ok(attempt)
    }

    /// Adds to [`Self::seconds`].
    ///
    /// # Errors
    /// The folder is not writable.
    pub fn add_seconds(&self, seconds: f64) -> Result<()> {
        let text = format!("{:.1}\n", self.seconds() + seconds);
        write_atomically(&self.0.join("seconds"), text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_results_folder_has_one_writer() {
        let out = tempfile::tempdir().unwrap();
        let first = Store::open(out.path()).unwrap();
        let error = Store::open(out.path()).unwrap_err().to_string();
        assert!(error.starts_with("another process writes to"), "{error}");
        drop(first);
        Store::open(out.path()).unwrap();
        let left = fs::read_dir(out.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name());
        assert_eq!(left.collect::<Vec<_>>(), [".store"]);
    }

    #[test]
    fn work_of_another_build_is_noticed_once() {
        let out = tempfile::tempdir().unwrap();
        let store = Store::open(out.path()).unwrap();
        assert!(
            !store.belongs_to_other_program().unwrap(),
            "nobody has worked here"
        );
        assert!(!store.belongs_to_other_program().unwrap(), "this build has");
        fs::write(out.path().join(".store/program"), "another").unwrap();
        assert!(store.belongs_to_other_program().unwrap());
        assert!(!store.belongs_to_other_program().unwrap());
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let out = tempfile::tempdir().unwrap();
        let path = out.path().join("results");
        fs::write(&path, "").unwrap();
        let error = format!("{:#}", Store::open(&path).unwrap_err());
        assert!(
            error.contains("cannot write to the results folder"),
            "{error}"
        );
        assert!(error.contains("results"), "{error}");
    }

    #[test]
    fn seconds_add_up() {
        let out = tempfile::tempdir().unwrap();
        let folder = Store::open(out.path()).unwrap().stage("burn-in-1");
        folder.make().unwrap();
        assert_eq!(folder.seconds(), 0.0);
        folder.add_seconds(1.5).unwrap();
        folder.add_seconds(2.0).unwrap();
        assert_eq!(folder.seconds(), 3.5);
    }
}
