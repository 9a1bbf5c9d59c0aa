//! The training of `clip-tiny`: class-balanced drawn pictures, AdamW, a cosine schedule.
//!
//! `$$ \eta_t = \eta \cdot \min\!\left(1, \tfrac{t + 1}{50}\right) \cdot \tfrac{1}{2}\left(1 + \cos
//!    \tfrac{\pi t}{T}\right) $$`
//!
//! Everything is a function of the model's own settings and the pictures' size, never of a trial's seed: one
//! training serves all trials of a recipe. A step draws from a stream that it names: a training that is
//! interrupted goes on to the same bits.

mod regions;
mod zero_shot;

pub use zero_shot::zero_shot_accuracy;

use super::{Advance, Checkpoint, Optimizer, OptimizerConfig, Training, UpdateRule};
use crate::data::Sample;
use crate::data::scenes::{DESCRIPTIONS, draw_many};
use crate::graph::clip::{ClipTiny, ClipTinyConfig};
use crate::rng::Stream;
use crate::structures::Picture;
use crate::tensor::Tape;
use anyhow::{Result, ensure};
use regions::draw_batch;
use std::f64::consts::PI;

/// PyTorch's defaults for AdamW, no bound on the gradient; norms and biases are not decayed.
const OPTIMIZER: OptimizerConfig = OptimizerConfig {
    rule: UpdateRule::AdamW([0.9, 0.999]),
    weight_decay: 1e-2,
    decay_embeddings: true,
    decay_biases: false,
    backbone_rate: 1.0,
    clip: f64::INFINITY,
};

/// Steps of the linear warm-up.
const WARM_UP: usize = 50;
/// The model's name in its checkpoint.
const OWNER: &str = "clip";

/// A training of `clip-tiny` between two steps.
pub struct ClipTraining<'a> {
    config: &'a ClipTinyConfig,
    samples: Vec<Sample>,
    model: ClipTiny,
    optimizer: Optimizer,
    step: usize,
}

impl<'a> ClipTraining<'a> {
    /// Draws `config.images` class-balanced pictures of `size` pixels a side to train a new model on.
    pub fn new(config: &'a ClipTinyConfig, size: usize) -> Self {
        let mut model = ClipTiny::new(config, &DESCRIPTIONS);
        Self {
            config,
            samples: draw_many(size, config.seed, config.images, true),
            optimizer: Optimizer::new(OPTIMIZER, &mut model),
            model,
            step: 0,
        }
    }
}

impl Training for ClipTraining<'_> {
    fn step(&self) -> usize {
        self.step
    }

    fn advance(&mut self) -> Result<Advance> {
        let Self { config, step, .. } = *self;
        let rng = &mut Stream::at(config.seed, "clip-tiny step", step as u64);
        let (pictures, regions) = draw_batch(&self.samples, config.batch, rng);
        let pictures: Vec<&Picture> = pictures.iter().collect();
        let mut tape = Tape::recording();
        let loss = self
            .model
            .training_loss(&mut tape, &pictures, &regions, rng);
        let value = loss.scalar();
        ensure!(
            value.is_finite(),
            "clip-tiny: the loss of step {step} is {value}"
        );
        let mut grads = tape.backward(&loss);
        let rate = rate(config, step);
        self.optimizer.step(&mut self.model, &mut grads, rate);
        self.step += 1;
        Ok(Advance {
            loss: value,
            kept: None,
            readings: Vec::new(),
        })
    }

    fn checkpoint(&mut self, key: &str, continued: bool) -> Checkpoint {
        let mut checkpoint = Checkpoint::new(key, self.step, serde_json::Value::Null);
        checkpoint.put_model(OWNER, &mut self.model);
        if continued {
            checkpoint.put_optimizer(&self.optimizer.state(), &mut self.model);
        }
        checkpoint
    }

    fn resume(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        checkpoint.take_model(OWNER, &mut self.model)?;
        self.optimizer
            .restore(checkpoint.optimizer(&mut self.model)?)?;
        self.step = checkpoint.step();
        Ok(())
    }
}

/// The model of a checkpoint of [`ClipTraining`].
///
/// # Errors
/// A parameter missing or of another shape.
pub fn restore_clip_tiny(config: &ClipTinyConfig, checkpoint: &Checkpoint) -> Result<ClipTiny> {
    let mut model = ClipTiny::new(config, &DESCRIPTIONS);
    checkpoint.take_model(OWNER, &mut model)?;
    Ok(model)
}

/// The learning rate of a step.
fn rate(config: &ClipTinyConfig, step: usize) -> f32 {
    let warm_up = ((step + 1) as f64 / WARM_UP as f64).min(1.0);
    let cosine = 0.5 * (1.0 + (PI * step as f64 / config.steps as f64).cos());
    (config.rate * warm_up * cosine) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::clip::VisionLanguage;

    fn config(steps: usize) -> ClipTinyConfig {
        ClipTinyConfig {
            steps,
            images: 160,
            seed: 1,
            batch: 8,
            rate: 0.004,
            width: 32,
        }
    }

    #[test]
    fn the_rate_rises_then_falls_to_nothing() {
        let config = config(1000);
        assert!((rate(&config, 0) - 0.004 / 50.0).abs() < 1e-7);
        assert!(rate(&config, 49) > 0.0039);
        assert!(rate(&config, 999) < 1e-7);
    }

    #[test]
    fn a_short_training_beats_chance_and_is_repeatable() {
        let config = config(100);
        let train = |training: &mut ClipTraining, to| -> Vec<f32> {
            let steps = training.step()..to;
            steps.map(|_| training.advance().unwrap().loss).collect()
        };
        let mut straight = ClipTraining::new(&config, 64);
        let first = train(&mut straight, 3);
        let mut resumed = ClipTraining::new(&config, 64);
        assert_eq!(train(&mut resumed, 3), first);
        let interrupted = resumed.checkpoint("key", true);
        let mut resumed = ClipTraining::new(&config, 64);
        resumed.resume(&interrupted).unwrap();
        assert_eq!(train(&mut straight, 6), train(&mut resumed, 6));
        let states = [&mut straight, &mut resumed].map(|run| run.checkpoint("key", true));
        assert!(states[0] == states[1], "the same bits");

        train(&mut straight, 100);
        let accuracy = zero_shot_accuracy(&straight.model, &draw_many(64, 77, 40, true));
        assert!(accuracy > 0.3, "{accuracy} where chance is 0.1");
        let restored = restore_clip_tiny(&config, &straight.checkpoint("key", false)).unwrap();
        assert_eq!(
            restored.text().values.values(),
            straight.model.text().values.values()
        );
    }

    /// Minutes of training: run it by name to see what the recipe's model reaches.
    #[test]
    #[ignore = "trains for a minute"]
    fn the_recipe_s_model_knows_the_classes() {
        let recipe: toml::Table = include_str!("../../../recipes/pl-dc.toml")
            .parse()
            .expect("a recipe");
        let mut table = recipe["method"]["correction"]["vlm"]
            .as_table()
            .expect("a table")
            .clone();
        table.remove("name");
        let config: ClipTinyConfig = crate::registry::read(table).expect("the recipe's settings");
        let mut training = ClipTraining::new(&config, 64);
        for _ in 0..config.steps {
            training.advance().expect("a finite loss");
        }
        for (name, balanced) in [("balanced", true), ("long-tailed", false)] {
            let accuracy = zero_shot_accuracy(&training.model, &draw_many(64, 9002, 200, balanced));
            println!("{name}: {accuracy:.3}");
            assert!(accuracy > 0.8, "{name}: {accuracy}");
        }
    }
}
