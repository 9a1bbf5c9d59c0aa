//! The state of a plan's stages, read from the store without changing it.

use crate::experiment::store::folder::Counted;
use crate::experiment::store::frozen::StageEntry;
use crate::experiment::store::root::{CODE_VERSION, Store};
use crate::train::Checkpoint;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// Number of bytes at the end of a journal that contain its last line. A line has a few hundred bytes, or a
/// few thousand with the thresholds of COCO's 80 classes.
const TAIL: u64 = 1 << 16;

/// The state of a stage.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum StageState {
    /// Its result exists.
    Done {
        /// The seconds of work that it took.
        seconds: f64,
    },
    /// A process is working on it.
    Running(Position),
    /// It failed, and no process is working on it.
    Failed {
        /// The number of attempts so far.
        attempts: u64,
        /// The reason of the last failure.
        reason: String,
        /// The step of its checkpoint, from which it would continue; 0 without one.
        step: usize,
    },
    /// It was begun, and no process is working on it.
    Interrupted(Position),
    /// Another version of the program's computations has begun or finished it, so it would run again.
    Outdated {
        /// The version that has.
        old: u32,
        /// The version of this program.
        new: u32,
    },
    /// It has not been begun.
    Missing,
}

/// The progress of a training: the last line of its journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Position {
    /// The number of steps.
    pub step: usize,
    /// The mean loss of the last steps.
    pub loss: Option<f64>,
    /// The pseudo-labels per unlabelled image in the last steps.
    pub kept_per_image: Option<f64>,
    /// The progress of a stage without a journal, such as the images of an evaluation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counted: Option<Counted>,
}

impl Position {
    /// The share of `stage` that is done, 0 to 1.
    fn share(&self, stage: &StageEntry) -> f64 {
        match &self.counted {
            Some(counted) => counted.share(),
            None => stage.share(self.step),
        }
    }
}

impl StageState {
    /// Returns true if the stage is done.
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Done { .. })
    }

    /// The state of `stage` in `store`.
    pub fn of(store: &Store, stage: &StageEntry) -> Self {
        let folder = store.stage(&stage.key);
        if let Some(old) = store.other_version() {
            return match folder.attempts() {
                0 => Self::Missing,
                _ => Self::Outdated {
                    old,
                    new: CODE_VERSION,
                },
            };
        }
        if folder.is_whole(&stage.key) {
            return Self::Done {
                seconds: folder.seconds(),
            };
        }
        if folder.is_held() {
            return Self::Running(Position {
                counted: folder.progress(),
                ..position(&folder.journal())
            });
        }
        // The journal may be ahead of the checkpoint from which a run would continue.
        let checkpoint = folder.checkpoint();
        let step = checkpoint.as_deref().and_then(Checkpoint::step_of);
        let step = step.unwrap_or(0);
        match folder.failure() {
            Some(failure) => Self::Failed {
                attempts: folder.attempts(),
                reason: failure.reason,
                step,
            },
            None if checkpoint.is_some() => Self::Interrupted(Position {
                step,
                ..position(&folder.journal())
            }),
            None => Self::Missing,
        }
    }

    /// The share of the stage's work that is done, 0 to 1.
    pub fn share(&self, stage: &StageEntry) -> f64 {
        match self {
            Self::Done { .. } => 1.0,
            Self::Running(position) | Self::Interrupted(position) => position.share(stage),
            Self::Failed { step, .. } => stage.share(*step),
            Self::Outdated { .. } | Self::Missing => 0.0,
        }
    }
}

/// The last complete line of the journal at `path`; an empty position if the file does not exist.
fn position(path: &Path) -> Position {
    let tail = || -> std::io::Result<String> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = tail().unwrap_or_default();
    let last = text
        .lines()
        .rev()
        .find_map(|line| serde_json::from_str(line).ok());
    last.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::store::folder::Unit;
    use crate::experiment::trial::key::StageKey;

    #[test]
    fn the_last_whole_line_of_a_journal_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        assert_eq!(position(&path), Position::default());
        let long = "x".repeat(TAIL as usize);
        let text = format!(
            "{{\"step\":20,\"note\":\"{long}\"}}\n{{\"step\":40,\"loss\":2.5,\"kept-per-image\":0.5,\"rate\":1}}\n{{\"step\":60,\"lo"
        );
        std::fs::write(&path, text).unwrap();
        let expected = Position {
            step: 40,
            loss: Some(2.5),
            kept_per_image: Some(0.5),
            counted: None,
        };
        assert_eq!(position(&path), expected);
    }

    #[test]
    fn the_share_counts_from_the_stage_s_own_beginning() {
        let stage = StageEntry {
            key: StageKey::new("burn-in", "0a"),
            title: "burn-in".into(),
            needs: Vec::new(),
            cost: 1,
            steps: [100, 300],
            trials: 1,
        };
        assert_eq!(
            [50, 100, 200, 300, 400].map(|step| stage.share(step)),
            [0.0, 0.0, 0.5, 1.0, 1.0]
        );
        let failed = |step| StageState::Failed {
            attempts: 1,
            reason: "no luck".into(),
            step,
        };
        assert_eq!([0, 250].map(|step| failed(step).share(&stage)), [0.0, 0.75]);
        let evaluation = StageEntry {
            steps: [300, 300],
            ..stage
        };
        assert_eq!(evaluation.share(300), 0.0);
        let counted = Counted {
            done: 10,
            of: 40,
            unit: Unit::Images,
        };
        let running = StageState::Running(Position {
            counted: Some(counted),
            ..Position::default()
        });
        assert_eq!(running.share(&evaluation), 0.25);
    }
}
