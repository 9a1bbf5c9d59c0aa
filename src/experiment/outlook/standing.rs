//! Where the stages of a plan stand, read from the store without changing it. A running sweep leaves its plan in the store, so
//! that another process can tell what its stages are.

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

/// Bytes at the end of a journal that hold its last line: one is a few hundred bytes, with the thresholds of COCO's 80 classes a few
/// thousand.
const TAIL: u64 = 1 << 16;

/// A plan as a sweep began it: what an edited recipe no longer tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FrozenPlan {
    /// The recipe's name.
    pub recipe: String,
    /// Trials at once.
    pub workers: usize,
    /// Git commit of the recipe's folder; none outside a repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// In the plan's order.
    pub trials: Vec<TrialEntry>,
    /// Each once, after those that it needs.
    pub stages: Vec<StageEntry>,
    /// Their places by key.
    #[serde(skip)]
    known: BTreeMap<String, usize>,
}

/// A trial of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TrialEntry {
    /// Its identity.
    pub hash: String,
    /// Label of the row that uses it first.
    pub label: String,
    /// Its seed.
    pub seed: u64,
    /// Indices of its stages; the last one evaluates.
    pub stages: Vec<usize>,
}

/// A stage of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StageEntry {
    /// `<kind>-<hash>`.
    pub key: String,
    /// What a human calls it.
    pub title: String,
    /// Indices of the stages whose results it reads.
    pub needs: Vec<usize>,
    /// Expected work; only comparisons matter.
    pub cost: u64,
    /// Steps of training before it and at its end; the same number twice for other work.
    pub steps: [usize; 2],
    /// Trials that need it.
    pub trials: usize,
}

impl StageEntry {
    /// The part of the key before the hash.
    pub fn kind(&self) -> &str {
        self.key
            .rsplit_once('-')
            .map_or(&self.key, |(kind, _)| kind)
    }

    /// Share of the stage that is done after `step` steps, 0 to 1.
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
    /// Leaves the plan in `store`, for [`super::Status`].
    ///
    /// # Errors
    /// The store is not writable.
    pub fn write(&self, store: &Store) -> Result<()> {
        let text = serde_json::to_string(self)? + "\n";
        write_atomically(&store.plan(&self.recipe), text.as_bytes())
    }

    /// Reads a plan that a sweep has left.
    ///
    /// # Errors
    /// A file that cannot be read or is damaged, named.
    pub fn read(path: &Path) -> Result<Self> {
        let text =
            std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("{} is damaged", path.display()))
    }

    /// The plan of `recipe` without trials yet.
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

    /// Which stages a sweep would do, where they stand in `states`: those that are missing for an evaluation that is.
    pub fn wanted(&self, states: &[State]) -> Vec<bool> {
        let is_done = |stage: usize| matches!(states[stage], State::Done { .. });
        let mut wanted = vec![false; self.stages.len()];
        for last in self.trials.iter().filter_map(|trial| trial.stages.last()) {
            wanted[*last] = !is_done(*last);
        }
        // A stage stands after those that it needs.
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

/// Where a stage stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum State {
    /// Its result is there.
    Done {
        /// Seconds of work that it took.
        seconds: f64,
    },
    /// A process works on it.
    Running(Position),
    /// It failed, and nobody works on it.
    Failed {
        /// Attempts so far.
        attempts: u64,
        /// Why the last one failed.
        reason: String,
        /// That of its checkpoint, from which it would go on; 0: it has none.
        step: usize,
    },
    /// It was begun, and nobody works on it.
    Interrupted(Position),
    /// Another version of the program's computations has begun or done it: it would run again.
    Outdated {
        /// That version.
        old: u32,
        /// This program's.
        new: u32,
    },
    /// Nothing of it is there.
    Missing,
}

/// How far a training has come: the last line of its journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Position {
    /// Steps taken.
    pub step: usize,
    /// Mean loss of the last steps.
    pub loss: Option<f64>,
    /// Pseudo-labels per unlabelled image in the last steps.
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
        // The journal may be ahead of what a run would go on from.
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

    /// Share of the stage's work that is done, 0 to 1.
    pub fn share(&self, stage: &StageEntry) -> f64 {
        match self {
            Self::Done { .. } => 1.0,
            Self::Running(position) | Self::Interrupted(position) => stage.share(position.step),
            Self::Failed { step, .. } => stage.share(*step),
            Self::Outdated { .. } | Self::Missing => 0.0,
        }
    }
}

/// The last whole line of the journal at `path`; nothing of one that is not there.
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
        // The first trial's training was deleted after its evaluation; the second one's was not, its burn-in was.
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
