//! How long a training needs to come to rest: its longest step and its longest checkpoint. A job of a cluster has to be
//! told so early that its time is nearly over.

use super::folder::StageFolder;
use crate::atomic::{Durability, write_durably};
use anyhow::Result;
use serde::{Deserialize, Serialize};
use std::fs;
use std::time::Duration;

/// The longest step and checkpoint of a training so far, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Pace {
    /// The longest step, with an evaluation or a snapshot after it.
    pub step: f64,
    /// The longest time in which a checkpoint was written.
    pub checkpoint: f64,
}

impl Pace {
    /// The pace of the stage in `folder`; zero if it has written no checkpoint.
    pub fn of(folder: &StageFolder) -> Self {
        let text = fs::read(folder.pace()).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Writes it for the stage in `folder`, if it is longer than what is known there.
    ///
    /// # Errors
    /// The folder is not writable.
    pub fn tell(&self, folder: &StageFolder) -> Result<()> {
        let known = Self::of(folder);
        let longest = known.longest(*self);
        if longest == known {
            return Ok(());
        }
        let text = serde_json::to_string(&longest)? + "\n";
        write_durably(&folder.pace(), text.as_bytes(), Durability::Cached)
    }

    /// The longer step and the longer checkpoint of two.
    pub fn longest(self, other: Self) -> Self {
        Self {
            step: self.step.max(other.step),
            checkpoint: self.checkpoint.max(other.checkpoint),
        }
    }

    /// Adds a step that took so long.
    pub fn took_step(&mut self, time: Duration) {
        self.step = self.step.max(time.as_secs_f64());
    }

    /// Adds a checkpoint that took so long.
    pub fn took_checkpoint(&mut self, time: Duration) {
        self.checkpoint = self.checkpoint.max(time.as_secs_f64());
    }

    /// The longest time from a request to the end of the checkpoint, in seconds.
    pub fn seconds_to_rest(self) -> f64 {
        self.step + self.checkpoint
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_of_all_attempts_is_kept() {
        let out = tempfile::tempdir().unwrap();
        let folder = StageFolder::new(out.path().join("distill-1"));
        folder.make().unwrap();
        assert_eq!(Pace::of(&folder), Pace::default());
        let tell = |step: u64, checkpoint: u64| {
            let mut pace = Pace::default();
            pace.took_step(Duration::from_secs(1));
            pace.took_step(Duration::from_secs(step));
            pace.took_checkpoint(Duration::from_secs(checkpoint));
            pace.tell(&folder).unwrap();
        };
        tell(4, 7);
        tell(9, 2);
        let pace = Pace::of(&folder);
        assert_eq!((pace.step, pace.checkpoint), (9.0, 7.0));
        assert_eq!(pace.seconds_to_rest(), 16.0);
    }
}
