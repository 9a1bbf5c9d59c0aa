//! Training: the optimizer, the learning-rate schedule, checkpoints, the journal, and the loop that joins them.

mod checkpoint;
mod clip;
mod journal;
mod number;
mod optimizer;
mod schedule;
mod trainer;

pub use checkpoint::{Checkpoint, LoadError};
pub use clip::{ClipTraining, restore_clip_tiny, zero_shot_accuracy};
pub use journal::{Journal, Reading, Window, last_lines, warnings};
pub use number::NumberTrainer;
pub use optimizer::{AdamW, AdamWConfig, GradientNorm, Moments, OptimizerState, is_trained};
pub use schedule::Schedule;
pub use trainer::{AVERAGE, STUDENT, TEACHER, Trainer};

use crate::registry::ComponentError;
use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

/// A training run between two steps: of networks ([`Trainer`]), of a vision-language model ([`ClipTraining`]) or of a number ([`NumberTrainer`]).
pub trait Training {
    /// Starts the average as a copy of the student, where the recipe wants one.
    fn start_average(&mut self) {}

    /// Begins where another run has ended: its student, its optimizer and its step. The learner's own state starts anew.
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

    /// The state now. `key` names the settings that led here; `continued`: whether other steps will follow, which need the
    /// optimizer too.
    fn checkpoint(&mut self, key: &str, continued: bool) -> Checkpoint;

    /// Steps taken.
    fn step(&self) -> usize;

    /// Takes the next step.
    ///
    /// # Errors
    /// An image that cannot be read, or a loss or gradient that is not finite, with the step's number. Only the run's checkpoints are of use
    /// then.
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
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TrainConfig {
    /// Steps in all, the burn-in included.
    pub steps: usize,
    /// Learning rate before warm-up and drop.
    pub rate: f64,
    /// Factor on the rate of parameters under `backbone.`.
    pub backbone_rate: f64,
    /// AdamW's two rates.
    pub betas: [f64; 2],
    /// Decoupled weight decay; never on normalisations.
    pub weight_decay: f64,
    /// Whether learned embeddings are decayed.
    pub decay_embeddings: bool,
    /// Whether biases are decayed.
    pub decay_biases: bool,
    /// Bound of the global gradient norm.
    pub clip: f64,
    /// Steps of the linear warm-up.
    pub warm_up: usize,
    /// Fraction of the steps after which the rate is a tenth.
    pub drop: f64,
    /// Rate of the average of the student that is kept for evaluation from the end of the burn-in on; 0: none.
    pub average: f64,
    /// Steps between checkpoints; more are made where these steps take long.
    pub checkpoint: usize,
}

impl TrainConfig {
    /// The optimizer's part.
    pub fn optimizer(&self) -> AdamWConfig {
        AdamWConfig {
            betas: self.betas,
            weight_decay: self.weight_decay,
            decay_embeddings: self.decay_embeddings,
            decay_biases: self.decay_biases,
            backbone_rate: self.backbone_rate,
            clip: self.clip,
        }
    }

    /// Every value out of its range; keys are those of `[train]`.
    pub fn check(&self) -> Vec<ComponentError> {
        let mut errors = Vec::new();
        let mut need = |holds: bool, key: &str, found: String, allowed: &str| {
            if !holds {
                errors.push(ComponentError::new(
                    key,
                    format!("{found} is not {allowed}"),
                ));
            }
        };
        let positive = |value: f64| value > 0.0 && value.is_finite();
        let fraction = |value: f64| (0.0..1.0).contains(&value);
        need(
            self.steps > 0,
            "steps",
            self.steps.to_string(),
            "at least 1",
        );
        need(
            positive(self.rate),
            "rate",
            self.rate.to_string(),
            "above 0",
        );
        let backbone = self.backbone_rate;
        need(
            backbone >= 0.0 && backbone.is_finite(),
            "backbone-rate",
            backbone.to_string(),
            "at least 0",
        );
        for beta in self.betas {
            need(fraction(beta), "betas", beta.to_string(), "in [0, 1)");
        }
        need(
            fraction(self.weight_decay),
            "weight-decay",
            self.weight_decay.to_string(),
            "in [0, 1)",
        );
        need(
            positive(self.clip),
            "clip",
            self.clip.to_string(),
            "above 0",
        );
        need(
            (0.0..=1.0).contains(&self.drop),
            "drop",
            self.drop.to_string(),
            "in [0, 1]",
        );
        need(
            fraction(self.average),
            "average",
            self.average.to_string(),
            "in [0, 1)",
        );
        need(
            self.checkpoint > 0,
            "checkpoint",
            self.checkpoint.to_string(),
            "at least 1",
        );
        errors
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
        assert_eq!(TrainConfig::for_tests().check(), []);
    }

    #[test]
    fn a_value_out_of_range_is_named_with_what_is_allowed() {
        let config = TrainConfig {
            drop: 1.5,
            checkpoint: 0,
            ..TrainConfig::for_tests()
        };
        let texts: Vec<_> = config
            .check()
            .iter()
            .map(|e| format!("{}: {e}", e.key))
            .collect();
        assert_eq!(
            texts,
            [
                "drop: 1.5 is not in [0, 1]",
                "checkpoint: 0 is not at least 1"
            ]
        );
    }
}
