//! The state of a plan's stages, read from the store without changing it. A running sweep saves its plan in
//! the store, so another process knows its stages.

use crate::atomic::write_atomically;
use crate::experiment::store::root::{CODE_VERSION, Store};
use crate::experiment::trial::stage::Stage;
use crate::recipe::Trial;
use crate::train::Checkpoint;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// Number of bytes at the end of a journal that contain its last line. A line has a few hundred bytes, or a
/// few thousand with the thresholds of COCO's 80 classes.
const TAIL: u64 = 1 << 16;

/// A plan as it was when a sweep began. The recipe may have been edited since.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FrozenPlan {
    /// The name of the recipe.
    pub recipe: String,
    /// The number of trials that run at the same time.
    pub workers: usize,
    /// The git commit of the recipe's folder; none outside a repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The trials, in the plan's order.
    pub trials: Vec<TrialEntry>,
    /// The stages, each once, after those that it needs.
    pub stages: Vec<StageEntry>,
    /// The indices of the stages by key.
    #[serde(skip)]
    known: BTreeMap<String, usize>,
}

/// A trial of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TrialEntry {
    /// The identity of the trial.
    pub hash: String,
    /// The label of the row that uses it first.
    pub label: String,
    /// The seed.
    pub seed: u64,
    /// The indices of its stages; the last one evaluates.
    pub stages: Vec<usize>,
}

/// A stage of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StageEntry {
    /// `<kind>-<hash>`.
    pub key: String,
    /// The name for people.
    pub title: String,
    /// The indices of the stages whose results it reads.
    pub needs: Vec<usize>,
    /// The expected work; only comparisons are meaningful.
    pub cost: u64,
    /// The training steps before the stage and at its end; equal numbers for other work.
    pub steps: [usize; 2],
    /// The number of trials that need it.
    pub trials: usize,
}

impl StageEntry {
    /// The part of the key before the hash.
    pub fn kind(&self) -> &str {
        self.key
            .rsplit_once('-')
            .map_or(&self.key, |(kind, _)| kind)
    }

    /// The share of the stage that is done after `step` steps, 0 to 1.
    pub fn share(&self, step: usize) -> f64 {
        let [from, to] = self.steps;
        let all = to.saturating_sub(from);
        if all == 0 {
            return 0.0;
        }
        (step.saturating_sub(from) as f64 / all as f64).min(1.0)
    }
}

impl FrozenPlan {
    /// Saves the plan in `store`, for [`super::Status`].
    ///
    /// # Errors
    /// The store is not writable.
    pub fn write(&self, store: &Store) -> Result<()> {
        let text = serde_json::to_string(self)? + "\n";
        write_atomically(&store.plan(&self.recipe), text.as_bytes())
    }

    /// Reads a plan that a sweep has saved.
    ///
    /// # Errors
    /// The file cannot be read or is damaged. The error names it.
    pub fn read(path: &Path) -> Result<Self> {
        let text =
            std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("{} is damaged", path.display()))
    }

    /// The plan of `recipe`, without trials.
    pub fn new(recipe: &str, workers: usize) -> Self {
        Self {
            recipe: recipe.to_string(),
            workers,
            commit: None,
            trials: Vec::new(),
            stages: Vec::new(),
            known: BTreeMap::new(),
        }
    }

    /// Decides which stages a sweep would run, given their `states`: those that are missing for a missing
    /// evaluation.
    pub fn wanted(&self, states: &[State]) -> Vec<bool> {
        let is_done = |stage: usize| matches!(states[stage], State::Done { .. });
        let mut wanted = vec![false; self.stages.len()];
        for last in self.trials.iter().filter_map(|trial| trial.stages.last()) {
            wanted[*last] = !is_done(*last);
        }
        // A stage comes after those that it needs.
        for stage in (0..self.stages.len())
            .rev()
            .filter(|stage| !is_done(*stage))
        {
            if wanted[stage] {
                self.stages[stage]
                    .needs
                    .iter()
                    .for_each(|need| wanted[*need] = true);
            }
        }
        (0..wanted.len())
            .map(|stage| wanted[stage] && !is_done(stage))
            .collect()
    }

    /// Adds a trial with its stages.
    pub fn add(&mut self, trial: &Trial, stages: &[Stage]) {
        let mut own = Vec::with_capacity(stages.len());
        for stage in stages {
            let next = self.stages.len();
            let index = *self.known.entry(stage.key.clone()).or_insert(next);
            if index == next {
                let needs = stages[..own.len()].iter().zip(&own);
                let needs = needs.filter(|(other, _)| stage.needs.contains(&other.key));
                self.stages.push(StageEntry {
                    key: stage.key.clone(),
                    title: stage.title.clone(),
                    needs: needs.map(|(_, index)| *index).collect(),
                    cost: stage.cost,
                    steps: stage.steps,
                    trials: 0,
                });
            }
            self.stages[index].trials += 1;
            own.push(index);
        }
        self.trials.push(TrialEntry {
            hash: trial.hash.clone(),
            label: trial.label.clone(),
            seed: trial.seed,
            stages: own,
        });
    }
}

/// The state of a stage.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum State {
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
}

impl State {
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
        if folder.is_whole(stage.kind()) {
            return Self::Done {
                seconds: folder.seconds(),
            };
        }
        if folder.is_held() {
            return Self::Running(position(&folder.journal()));
        }
        // The journal may be ahead of the checkpoint from which a run would continue.
        let step = Checkpoint::step_of(&folder.checkpoint()).unwrap_or(0);
        match folder.failure() {
            Some(failure) => Self::Failed {
                attempts: folder.attempts(),
                reason: failure.reason,
                step,
            },
            None if folder.checkpoint().exists() => Self::Interrupted(Position {
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
            Self::Running(position) | Self::Interrupted(position) => stage.share(position.step),
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
        };
        assert_eq!(position(&path), expected);
    }

    #[test]
    fn what_no_missing_evaluation_needs_is_not_wanted() {
        let stage = |key: &str, needs: &[usize]| StageEntry {
            key: key.into(),
            title: key.into(),
            needs: needs.to_vec(),
            cost: 1,
            steps: [0, 1],
            trials: 1,
        };
        let trial = |stages: &[usize]| TrialEntry {
            hash: "h".into(),
            label: "l".into(),
            seed: 0,
            stages: stages.to_vec(),
        };
        let mut plan = FrozenPlan::new("r", 1);
        plan.stages = vec![
            stage("burn-in-0", &[]),
            stage("distill-1", &[0]),
            stage("evaluate-1", &[1]),
            stage("distill-2", &[0]),
            stage("evaluate-2", &[3]),
        ];
        plan.trials = vec![trial(&[0, 1, 2]), trial(&[0, 3, 4])];
        let done = State::Done { seconds: 1.0 };
        let missing = State::Missing;
        // The first trial's training was deleted after its evaluation. The second one's was not, but its
        // burn-in was.
        let states = [
            missing.clone(),
            missing.clone(),
            done.clone(),
            done.clone(),
            missing.clone(),
        ];
        assert_eq!(plan.wanted(&states), [false, false, false, false, true]);
        let states = [
            missing.clone(),
            missing.clone(),
            done,
            missing.clone(),
            missing,
        ];
        assert_eq!(plan.wanted(&states), [true, false, false, true, true]);
    }

    #[test]
    fn the_share_counts_from_the_stage_s_own_beginning() {
        let stage = StageEntry {
            key: "burn-in-0a".into(),
            title: "burn-in".into(),
            needs: Vec::new(),
            cost: 1,
            steps: [100, 300],
            trials: 1,
        };
        assert_eq!(stage.kind(), "burn-in");
        assert_eq!(
            [50, 100, 200, 300, 400].map(|step| stage.share(step)),
            [0.0, 0.0, 0.5, 1.0, 1.0]
        );
        let failed = |step| State::Failed {
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
    }
}
