//! The folder of one stage or trial in the store, with its files by name.

use super::lease::{Lease, is_held, last_token, owner_of, replace};
use super::measured::Evaluation;
use super::owner::Owner;
use super::states::States;
use crate::atomic::{Durability, remove_unfinished, write_durably};
use crate::experiment::trial::key::StageKey;
use crate::train::Checkpoint;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// The name of the file with the progress of a running stage without a journal.
const PROGRESS: &str = "progress.json";

/// The folder of one stage or trial.
#[derive(Clone, Debug)]
pub struct StageFolder(PathBuf);

/// A failed attempt at a stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The number of the attempt.
    pub attempt: u64,
    /// The reason.
    pub reason: String,
    /// The number of times that it is to be tried again, by whichever process finds it first. With 0, the
    /// failure is final.
    #[serde(default)]
    pub retries: u32,
}

/// The unit in which the progress of a stage is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Training steps.
    Steps,
    /// Images, once for each model that is evaluated.
    Images,
}

/// The progress of a stage without a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// The units that are done.
    pub done: usize,
    /// All units.
    pub of: usize,
    /// The unit.
    pub unit: Unit,
}

impl Counted {
    /// The share that is done, 0 to 1.
    pub fn share(&self) -> f64 {
        (self.done as f64 / self.of.max(1) as f64).min(1.0)
    }
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { done, of, unit } = self;
        match unit {
            Unit::Steps => write!(f, "step {done}/{of}"),
            Unit::Images if *of == 1 => write!(f, "{done}/{of} image"),
            Unit::Images => write!(f, "{done}/{of} images"),
        }
    }
}

impl StageFolder {
    /// The folder `path`, which need not exist.
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Creates the folder.
    ///
    /// # Errors
    /// Its parent is not writable.
    pub fn make(&self) -> Result<()> {
        fs::create_dir_all(&self.0).with_context(|| format!("cannot make {}", self.0.display()))
    }

    /// The states of an unfinished training stage.
    pub fn checkpoints(&self) -> States<'_> {
        States::new(&self.0, "checkpoint")
    }

    /// The state from which an unfinished training stage goes on; none if it begins anew.
    pub fn checkpoint(&self) -> Option<PathBuf> {
        self.checkpoints().newest()
    }

    /// The state of a finished training stage.
    pub fn result(&self) -> PathBuf {
        self.0.join("final.safetensors")
    }

    /// The best networks so far of a training that chooses by evaluations.
    pub fn best(&self) -> States<'_> {
        States::new(&self.0, "best")
    }

    /// How long the training needs to come to rest.
    pub fn pace(&self) -> PathBuf {
        self.0.join("pace.json")
    }

    /// The journal.
    pub fn journal(&self) -> PathBuf {
        self.0.join("journal.jsonl")
    }

    /// The metrics of a finished evaluation.
    pub fn metrics(&self) -> PathBuf {
        self.0.join("metrics.json")
    }

    /// The pseudo-labels of all unlabelled images.
    pub fn labels(&self) -> PathBuf {
        self.0.join("labels.json")
    }

    /// What the teacher has found in unlabelled images so far, of a stage that labels all of them.
    pub fn found(&self) -> PathBuf {
        self.0.join("found.jsonl")
    }

    /// The detections of an analysis as COCO results, packed.
    pub fn predictions(&self) -> PathBuf {
        self.0.join("predictions.json.gz")
    }

    /// The analysis of an evaluation.
    pub fn analysis(&self) -> PathBuf {
        self.0.join("analysis.json.gz")
    }

    /// The small copy of the image `id`.
    pub fn picture(&self, id: u64) -> PathBuf {
        self.0.join(format!("image-{id}.json"))
    }

    /// The folder with the snapshots of a training stage.
    pub fn snapshots(&self) -> PathBuf {
        self.0.join("snapshots")
    }

    /// The environment in which the stage was computed.
    pub fn environment(&self) -> PathBuf {
        self.0.join("environment.json")
    }

    /// The differences between the program that computed it and its commit.
    pub fn diff(&self) -> PathBuf {
        self.0.join("diff.patch")
    }

    /// The settings of a trial.
    pub fn settings(&self) -> PathBuf {
        self.0.join("settings.toml")
    }

    /// The outcome of a trial.
    pub fn status(&self) -> PathBuf {
        self.0.join("status.json")
    }

    /// Returns true if the result of the stage `key` exists and is complete. A power failure may truncate a
    /// file that was not synced.
    pub fn is_whole(&self, key: &StageKey) -> bool {
        let path = self.outcome(key);
        match key.evaluates() {
            true => Evaluation::read(&path).is_ok(),
            false if key.labels() => ends_whole(&path),
            false => Checkpoint::is_whole(&path),
        }
    }

    /// The file with the result of the stage `key`.
    pub fn outcome(&self, key: &StageKey) -> PathBuf {
        match key.evaluates() {
            true => self.metrics(),
            false if key.labels() => self.labels(),
            false => self.result(),
        }
    }

    /// Takes the lease of the stage; returns none if another process has it. Unfinished files of earlier
    /// owners are removed.
    ///
    /// # Errors
    /// The folder is not writable.
    pub fn lease(&self) -> Result<Option<Lease>> {
        self.make()?;
        let lease = Lease::try_take(&self.0.join("lease"))?;
        if lease.as_ref().is_some_and(|lease| lease.token() > 1) {
            remove_unfinished(&self.0);
            remove_unfinished(&self.snapshots());
        }
        Ok(lease)
    }

    /// Returns true if a process is working on the stage.
    pub fn is_held(&self) -> bool {
        is_held(&self.0.join("lease"))
    }

    /// The last process that worked on the stage; none if it is unknown.
    pub fn owner(&self) -> Option<Owner> {
        owner_of(&self.0.join("lease"))
    }

    /// Takes the stage from an owner that is known to be gone, although its lock is not.
    ///
    /// # Errors
    /// The folder is not writable.
    pub fn take_from_the_dead(&self) -> Result<()> {
        replace(&self.0.join("lease"), Owner::this())
    }

    /// The number of attempts at the stage so far.
    pub fn attempts(&self) -> u64 {
        last_token(&self.0.join("lease"))
    }

    /// The failure of the last attempt; none if it succeeded or has not ended.
    pub fn failure(&self) -> Option<Failure> {
        let text = fs::read(self.0.join("failure.json")).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// The progress of a running stage without a journal; none if it has one or does not run.
    pub fn progress(&self) -> Option<Counted> {
        let text = fs::read(self.0.join(PROGRESS)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Lets other processes know the progress of the stage.
    ///
    /// # Errors
    /// The folder is not writable.
    pub fn tell(&self, progress: Counted) -> Result<()> {
        let text = serde_json::to_string(&progress)? + "\n";
        write_durably(&self.0.join(PROGRESS), text.as_bytes(), Durability::Cached)
    }

    /// Removes the progress of a stage that no longer runs.
    pub fn forget_progress(&self) {
        fs::remove_file(self.0.join(PROGRESS)).ok();
    }

    /// Records a failure.
    ///
    /// # Errors
    /// The folder is not writable.
    pub fn fail(&self, failure: &Failure) -> Result<()> {
        let text = serde_json::to_string(failure)? + "\n";
        write_durably(
            &self.0.join("failure.json"),
            text.as_bytes(),
            Durability::Cached,
        )
    }

    /// The seconds of work on the stage in all runs that ended; 0 if unknown.
    pub fn seconds(&self) -> f64 {
        let text = fs::read_to_string(self.0.join("seconds")).unwrap_or_default();
        text.trim().parse().unwrap_or(0.0)
    }

    /// Adds to [`Self::seconds`].
    ///
    /// # Errors
    /// The folder is not writable.
    pub fn add_seconds(&self, seconds: f64) -> Result<()> {
        let text = format!("{:.3}\n", self.seconds() + seconds);
        write_durably(&self.0.join("seconds"), text.as_bytes(), Durability::Cached)
    }
}

/// Makes `to` a hard link to the file `from`, or a copy if the file system has no hard links.
///
/// # Errors
/// Neither can be made.
pub fn link(from: &Path, to: &Path) -> Result<()> {
    // A hard link cannot replace a file, and the file of an earlier attempt is not needed.
    fs::remove_file(to).ok();
    if fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    let content = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    write_durably(to, &content, Durability::Cached)
}

/// Returns true if the JSON object in the file `path` ends as it was written: with a brace and a line break. Files of
/// pseudo-labels may be too large to be read whole for that.
fn ends_whole(path: &Path) -> bool {
    const END: &[u8; 2] = b"}\n";
    let read = || -> std::io::Result<bool> {
        let mut file = fs::File::open(path)?;
        file.seek(SeekFrom::End(-(END.len() as i64)))?;
        let mut end = [0; END.len()];
        file.read_exact(&mut end)?;
        Ok(end == *END)
    };
    read().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_add_up_and_a_failure_is_kept() {
        let out = tempfile::tempdir().unwrap();
        let folder = StageFolder::new(out.path().join("burn-in-1"));
        folder.make().unwrap();
        assert_eq!((folder.seconds(), folder.failure()), (0.0, None));
        folder.add_seconds(1.5).unwrap();
        folder.add_seconds(2.0).unwrap();
        assert_eq!(folder.seconds(), 3.5);
        let failure = Failure {
            attempt: 3,
            reason: "no luck".into(),
            retries: 1,
        };
        folder.fail(&failure).unwrap();
        assert_eq!(folder.failure(), Some(failure));
    }

    #[test]
    fn a_link_replaces_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("a"), folder.path().join("b"));
        fs::write(&from, "new").unwrap();
        fs::write(&to, "old").unwrap();
        link(&from, &to).unwrap();
        link(&from, &to).unwrap();
        assert_eq!(fs::read_to_string(&to).unwrap(), "new");
        assert!(link(&folder.path().join("absent"), &to).is_err());
    }
}
