//! Training: the optimizer, the learning-rate schedule, checkpoints, the journal, and the loop that joins
//! them.

mod checkpoint;
mod clip;
mod drops;
mod journal;
mod journal_keys;
mod number;
mod optimizer;
mod schedule;
mod trainer;
mod warm_up;

pub use checkpoint::{Checkpoint, LoadError};
pub use clip::{ClipTraining, restore_clip_tiny, zero_shot_accuracy};
pub use drops::Drops;
pub use journal::{BARREN_STEPS, Journal, Reading, Window, last_lines, warnings};
pub use journal_keys::{Folded, JOURNAL_KEYS, JournalKey};
pub use number::NumberTrainer;
pub use optimizer::{
    GradientNorm, Moments, Optimizer, OptimizerConfig, OptimizerState, UpdateRule, is_trained,
};
pub use schedule::Schedule;
pub use trainer::{AVERAGE, STUDENT, TEACHER, Trainer, pool_readings, restore};
pub use warm_up::WarmUpFrom;

use crate::detector::Detector;
use crate::method::ImageSnapshot;
use crate::registry::{Check, Checked, MOST_STEPS, MOST_WEIGHT, above};
use crate::structures::Picture;
use anyhow::{Result, bail};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::ops::Bound;

/// A training run between two steps: of networks ([`Trainer`]), of a vision-language model ([`ClipTraining`])
/// or of a number ([`NumberTrainer`]).
pub trait Training {
    /// Starts the average as a copy of the student, where the recipe wants one.
    fn start_average(&mut self) {}

    /// Begins where another run has ended: its student, its optimizer and its step. The learner's own state
    /// starts anew.
    ///
    /// # Errors
    /// The checkpoint is of another model, or this training goes on from no other.
    fn go_on(&mut self, _checkpoint: &Checkpoint) -> Result<()> {
        bail!("this training goes on from no other")
    }

    /// Takes the student of another run as its teacher.
    ///
    /// # Errors
    /// The checkpoint is of another model, or this training has no teacher.
    fn take_teacher(&mut self, _checkpoint: &Checkpoint) -> Result<()> {
        bail!("this training has no teacher")
    }

    /// Continues this run from its own checkpoint.
    ///
    /// # Errors
    /// The checkpoint is of another model or method.
    fn resume(&mut self, checkpoint: &Checkpoint) -> Result<()>;

    /// The state now. `key` names the settings that led here; `continued`: whether other steps will follow,
    /// which need the optimizer too.
    fn checkpoint(&mut self, key: &str, continued: bool) -> Checkpoint;

    /// Steps taken.
    fn step(&self) -> usize;

    /// What the teacher would label in `picture` after the steps taken, for people; none without a teacher. Nothing
    /// changes.
    fn snapshot(&self, _picture: &Picture) -> Option<ImageSnapshot> {
        None
    }

    /// The network of this owner in a checkpoint, for evaluations between two steps; none if there is no such network
    /// now.
    fn network(&mut self, _owner: &str) -> Option<&mut dyn Detector> {
        None
    }

    /// Takes the next step.
    ///
    /// # Errors
    /// An image that cannot be read, or a loss or gradient that is not finite, with the step's number. Only
    /// the run's checkpoints are of use then.
    fn advance(&mut self) -> Result<Advance>;
}

/// The result of a training step.
#[derive(Clone, Debug, PartialEq)]
pub struct Advance {
    /// Its loss.
    pub loss: f32,
    /// Pseudo-labels per unlabelled image; none without a teacher.
    pub kept: Option<f64>,
    /// Its line of the journal, by column.
    pub readings: Vec<(String, Reading)>,
}

/// The table `[train]`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TrainConfig {
    /// Steps in all, the burn-in included.
    pub steps: usize,
    /// Passes over the labelled images, in place of `steps`: ceil(`epochs` * labelled images / `loader.labelled`)
    /// steps. 0: `steps` counts.
    pub epochs: usize,
    /// Learning rate before warm-up and schedule.
    pub rate: f64,
    /// Factor on the rate of parameters under `backbone.`.
    pub backbone_rate: f64,
    /// The optimizer.
    pub optimizer: OptimizerName,
    /// The part of the velocity that stays, for `optimizer = "sgd"`.
    pub momentum: f64,
    /// The two rates of `optimizer = "adamw"`.
    pub betas: [f64; 2],
    /// Weight decay, decoupled for AdamW; never on normalisations.
    pub weight_decay: f64,
    /// True if learned embeddings are decayed.
    pub decay_embeddings: bool,
    /// True if biases are decayed.
    pub decay_biases: bool,
    /// Bound of the global gradient norm.
    pub clip: f64,
    /// Steps of the linear warm-up.
    pub warm_up: usize,
    /// Factor on the rate of the first step of the warm-up, from which it rises to 1 in `warm-up` steps; `even`: step t
    /// of W, counted from 1, has t / W of the rate.
    pub warm_up_from: WarmUpFrom,
    /// The decay of the rate.
    pub schedule: Decay,
    /// For `schedule = "step"`: fraction of the steps after which the rate is a tenth, or a list of them, each of which
    /// divides the rate by ten.
    pub drop: Drops,
    /// Rate of the average of the student that is kept for evaluation from the end of the burn-in on; 0:
    /// none.
    pub average: f64,
    /// Steps between checkpoints; more are made where these steps take long.
    pub checkpoint: usize,
}

/// The optimizers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OptimizerName {
    /// AdamW.
    Adamw,
    /// Stochastic gradient descent with momentum.
    Sgd,
}

/// The ways in which the learning rate falls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Decay {
    /// To a tenth at every `drop`.
    Step,
    /// With the power 0.9 of the part of the steps that is left, to 0.
    Poly,
}

impl Checked for TrainConfig {
    fn check(&self, check: &mut Check) {
        check.range("steps", self.steps, 1..=MOST_STEPS);
        check.range("epochs", self.epochs, 0..=MOST_STEPS);
        check.range("rate", self.rate, above(0.0, MOST_WEIGHT));
        check.range("backbone-rate", self.backbone_rate, 0.0..=MOST_WEIGHT);
        check.range("momentum", self.momentum, 0.0..1.0);
        for beta in self.betas {
            check.range("betas", beta, 0.0..1.0);
        }
        check.range("weight-decay", self.weight_decay, 0.0..1.0);
        // A bound that no gradient reaches switches the clipping off.
        check.range("clip", self.clip, (Bound::Excluded(0.0), Bound::Unbounded));
        check.range("warm-up", self.warm_up, 0..=MOST_STEPS);
        if let WarmUpFrom::Factor(factor) = self.warm_up_from {
            check.range("warm-up-from", factor, above(0.0, 1.0));
        }
        for drop in &self.drop.0 {
            check.range("drop", *drop, 0.0..=1.0);
        }
        check.range("average", self.average, 0.0..1.0);
        check.range("checkpoint", self.checkpoint, 1..=MOST_STEPS);
    }
}

impl TrainConfig {
    /// The optimizer's part.
    pub fn optimizer(&self) -> OptimizerConfig {
        OptimizerConfig {
            rule: match self.optimizer {
                OptimizerName::Adamw => UpdateRule::AdamW(self.betas),
                OptimizerName::Sgd => UpdateRule::Sgd(self.momentum),
            },
            weight_decay: self.weight_decay,
            decay_embeddings: self.decay_embeddings,
            decay_biases: self.decay_biases,
            backbone_rate: self.backbone_rate,
            clip: self.clip,
        }
    }

    /// The defaults of `recipes/pl-dc.toml`.
    #[cfg(test)]
    pub fn for_tests() -> Self {
        let recipe: toml::Table = include_str!("../../recipes/pl-dc.toml")
            .parse()
            .expect("a recipe");
        recipe["train"].clone().try_into().expect("a [train] table")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_in_range() {
        assert_eq!(TrainConfig::for_tests().checked(), Ok(()));
    }

    #[test]
    fn a_value_out_of_range_is_named_with_what_is_allowed() {
        let config = TrainConfig {
            drop: 1.5.into(),
            checkpoint: 0,
            ..TrainConfig::for_tests()
        };
        assert_eq!(
            config.checked().unwrap_err().to_string(),
            "drop: 1.5 is out of range; allowed: 0 to 1; \
             checkpoint: 0 is out of range; allowed: 1 to 1000000000"
        );
    }
}
