//! The training of `clip-tiny`: class-balanced drawn pictures, AdamW, a cosine schedule, flips and blurred object borders.
//!
//! $$ \eta_t = \eta \cdot \min\!\left(1, \tfrac{t + 1}{50}\right) \cdot \tfrac{1}{2}\left(1 + \cos \tfrac{\pi t}{T}\right) $$
//!
//! Everything is a function of the model's own settings and the pictures' size, never of a trial's seed: one training serves all
//! trials of a recipe. The masks are moved by a pixel at random because the teacher's masks, which the model meets later, do
//! not end where the drawn objects end.

use super::{AdamW, AdamWConfig, Checkpoint};
use crate::data::Sample;
use crate::data::scenes::{DESCRIPTIONS, draw_many};
use crate::graph::clip::{ClipTiny, ClipTinyConfig, Region, VisionLanguage, coverage};
use crate::ops;
use crate::rng::Stream;
use crate::structures::{InstanceSource, Mask, Picture};
use crate::tensor::{Tape, Tensor2};
use anyhow::{Result, ensure};
use std::f64::consts::PI;
use std::sync::Arc;

/// PyTorch's defaults for AdamW, no bound on the gradient; norms and biases are not decayed.
const OPTIMIZER: AdamWConfig = AdamWConfig {
    betas: [0.9, 0.999],
    weight_decay: 1e-2,
    decay_embeddings: true,
    decay_biases: false,
    backbone_rate: 1.0,
    clip: f64::INFINITY,
};

/// Steps of the linear warm-up.
const WARM_UP: usize = 50;
/// Probability of mirroring the pictures of a step, and of moving the border of a mask.
const CHANCE: f64 = 0.5;
/// Pixels of a 3 x 3 neighbourhood that must be set: dilation, majority, erosion.
const NEIGHBOURS: [u8; 3] = [1, 5, 9];
/// The model's name in its checkpoint.
const OWNER: &str = "clip";

/// Draws `config.images` class-balanced pictures of `size` pixels a side and trains a model on them. `on_step` is told every
/// step's number and loss.
///
/// # Errors
/// A loss that is not finite, with its step.
pub fn train_clip_tiny(
    config: &ClipTinyConfig,
    size: usize,
    on_step: &mut dyn FnMut(usize, f32),
) -> Result<ClipTiny> {
    let samples = draw_many(size, config.seed, config.images, true);
    let mut model = ClipTiny::new(config, &DESCRIPTIONS);
    let mut optimizer = AdamW::new(OPTIMIZER, &mut model);
    for step in 0..config.steps {
        let rng = &mut Stream::at(config.seed, "clip-tiny step", step as u64);
        let (pictures, regions) = draw_batch(&samples, config.batch, rng);
        let pictures: Vec<&Picture> = pictures.iter().collect();
        let mut tape = Tape::recording();
        let loss = model.training_loss(&mut tape, &pictures, &regions, rng);
        let value = loss.scalar();
        ensure!(
            value.is_finite(),
            "clip-tiny: the loss of step {step} is {value}"
        );
        let mut grads = tape.backward(&loss);
        optimizer.step(&mut model, &mut grads, rate(config, step));
        on_step(step, value);
    }
    Ok(model)
}

/// The trained model for a stage's folder; `key` identifies the settings that lead to it.
pub fn store_clip_tiny(model: &mut ClipTiny, key: &str, steps: usize) -> Checkpoint {
    let mut checkpoint = Checkpoint::new(key, steps, serde_json::Value::Null);
    checkpoint.put_model(OWNER, model);
    checkpoint
}

/// The model that [`store_clip_tiny`] stored.
///
/// # Errors
/// A parameter missing or of another shape.
pub fn restore_clip_tiny(config: &ClipTinyConfig, checkpoint: &Checkpoint) -> Result<ClipTiny> {
    let mut model = ClipTiny::new(config, &DESCRIPTIONS);
    checkpoint.take_model(OWNER, &mut model)?;
    Ok(model)
}

/// The fraction of the annotated objects of `samples` whose class the model finds under their true mask (eq. 8 on the logits,
/// then the arg-max of eq. 9).
pub fn zero_shot_accuracy(model: &dyn VisionLanguage, samples: &[Sample]) -> f64 {
    let (mut right, mut all) = (0, 0);
    let text = model.text();
    for sample in samples {
        let features = model.dense(&sample.picture);
        let objects = sample
            .instances
            .iter()
            .filter(|i| i.source == InstanceSource::Annotation);
        for object in objects {
            let shares = Arc::new(coverage(&object.mask, features.height, features.width));
            let tape = &mut Tape::off();
            let pooled = ops::mask_pool(tape, &features, &[0], shares);
            let region = ops::normalize_rows(tape, &model.embed(&pooled));
            let cosines = ops::linear(tape, &region, &text.values, None, false);
            right += usize::from(
                best_class(&cosines, text.descriptions, model.logit_scale()) == object.class,
            );
            all += 1;
        }
    }
    right as f64 / all.max(1) as f64
}

/// The class with the largest $$ L_c = \sum_j \mathrm{softmax}(\ell_c)_j \ell_{c,j} $$, the first of equals.
fn best_class(cosines: &Tensor2, descriptions: usize, scale: f32) -> usize {
    let score = |cosines: &[f32]| {
        let logits: Vec<f32> = cosines.iter().map(|cosine| cosine * scale).collect();
        let mut weights = logits.clone();
        ops::softmax_rows(&mut weights, descriptions);
        weights
            .iter()
            .zip(&logits)
            .map(|(weight, logit)| weight * logit)
            .sum::<f32>()
    };
    let scores: Vec<f32> = cosines
        .values()
        .chunks_exact(descriptions)
        .map(score)
        .collect();
    (0..scores.len()).fold(0, |best, class| {
        if scores[class] > scores[best] {
            class
        } else {
            best
        }
    })
}

/// The learning rate of a step.
fn rate(config: &ClipTinyConfig, step: usize) -> f32 {
    let warm_up = ((step + 1) as f64 / WARM_UP as f64).min(1.0);
    let cosine = 0.5 * (1.0 + (PI * step as f64 / config.steps as f64).cos());
    (config.rate * warm_up * cosine) as f32
}

/// `count` pictures with their objects, drawn with replacement; all mirrored or none. Every drawn picture has an object.
fn draw_batch(samples: &[Sample], count: usize, rng: &mut Stream) -> (Vec<Picture>, Vec<Region>) {
    let mirrored = rng.chance(CHANCE);
    let (mut pictures, mut regions) = (Vec::with_capacity(count), Vec::new());
    for image in 0..count {
        let sample = &samples[rng.below(samples.len())];
        for object in &sample.instances {
            let mask = if mirrored {
                object.mask.flipped()
            } else {
                object.mask.clone()
            };
            let mask = if rng.chance(CHANCE) {
                moved_border(mask, NEIGHBOURS[rng.below(NEIGHBOURS.len())])
            } else {
                mask
            };
            regions.push(Region {
                image,
                class: object.class,
                mask,
            });
        }
        pictures.push(if mirrored {
            sample.picture.flipped()
        } else {
            sample.picture.clone()
        });
    }
    (pictures, regions)
}

/// The pixels with at least `least` set pixels in their 3 x 3 neighbourhood (outside counts as unset); the mask itself where
/// nothing would be left.
fn moved_border(mask: Mask, least: u8) -> Mask {
    let (height, width) = (mask.height, mask.width);
    let mut bits = vec![0; height * width];
    for y in 0..height {
        for x in 0..width {
            let rows = y.saturating_sub(1)..(y + 2).min(height);
            let set: u8 = rows
                .flat_map(|row| {
                    &mask.bits[row * width + x.saturating_sub(1)..row * width + (x + 2).min(width)]
                })
                .sum();
            bits[y * width + x] = u8::from(set >= least);
        }
    }
    if bits.contains(&1) {
        Mask::new(height, width, bits)
    } else {
        mask
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn borders_move_by_a_pixel_and_nothing_vanishes() {
        let mut bits = vec![0; 49];
        for y in 2..5 {
            bits[y * 7 + 2..y * 7 + 5].fill(1);
        }
        let square = Mask::new(7, 7, bits);
        let areas = NEIGHBOURS.map(|least| moved_border(square.clone(), least).area());
        assert_eq!(areas, [25, 5, 1]);
        let mut dot = vec![0; 9];
        dot[4] = 1;
        let dot = Mask::new(3, 3, dot);
        assert_eq!(moved_border(dot.clone(), 9), dot);
    }

    #[test]
    fn the_rate_rises_then_falls_to_nothing() {
        let config = config(1000);
        assert!((rate(&config, 0) - 0.004 / 50.0).abs() < 1e-7);
        assert!(rate(&config, 49) > 0.0039);
        assert!(rate(&config, 999) < 1e-7);
    }

    #[test]
    fn the_best_description_of_a_class_speaks_for_it() {
        // class 0: mean 0.3, best 0.6; class 1: mean 0.4, best 0.4
        let cosines = Tensor2::constant(vec![0.6, 0.0, 0.4, 0.4], 1, 4);
        assert_eq!(best_class(&cosines, 2, 100.0), 0);
        assert_eq!(best_class(&cosines, 2, 0.01), 1);
    }

    #[test]
    fn a_short_training_beats_chance_and_is_repeatable() {
        let held_out = draw_many(64, 77, 40, true);
        let mut losses = Vec::new();
        let mut model = train_clip_tiny(&config(40), 64, &mut |_, loss| losses.push(loss))
            .expect("finite losses");
        let accuracy = zero_shot_accuracy(&model, &held_out);
        assert!(accuracy > 0.3, "{accuracy} where chance is 0.1");

        let again = |steps| {
            let mut losses = Vec::new();
            train_clip_tiny(&config(steps), 64, &mut |_, loss| losses.push(loss))
                .expect("finite losses");
            losses
        };
        assert_eq!(again(40)[..3], losses[..3]);

        let stored = store_clip_tiny(&mut model, "key", 40);
        let restored = restore_clip_tiny(&config(40), &stored).expect("the same shapes");
        assert_eq!(
            restored.text().values.values(),
            model.text().values.values()
        );
    }

    /// Minutes of training: run it by name to see what the recipe's model reaches.
    #[test]
    #[ignore = "trains for a minute"]
    fn the_recipe_s_model_knows_the_classes() {
        let recipe: toml::Table = include_str!("../../recipes/pl-dc.toml")
            .parse()
            .expect("a recipe");
        let mut table = recipe["method"]["correction"]["vlm"]
            .as_table()
            .expect("a table")
            .clone();
        table.remove("name");
        let config: ClipTinyConfig =
            crate::registry::options(table).expect("the recipe's settings");
        let model = train_clip_tiny(&config, 64, &mut |_, _| {}).expect("finite losses");
        for (name, balanced) in [("balanced", true), ("long-tailed", false)] {
            let accuracy = zero_shot_accuracy(&model, &draw_many(64, 9002, 200, balanced));
            println!("{name}: {accuracy:.3}");
            assert!(accuracy > 0.8, "{name}: {accuracy}");
        }
    }
}
