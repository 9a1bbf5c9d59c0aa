//! Training of the embedded vision-language model on drawn scenes: AdamW, a short warm-up, then half a cosine down to 0.
//!
//! $$ \eta_t = \eta \cdot \min\!\left(1, \tfrac{t + 1}{50}\right) \cdot \tfrac{1}{2}\left(1 + \cos\tfrac{\pi t}{T}\right) $$
//!
//! In deployment the masks are a teacher's, not the drawn ones: half of the steps see masks that were grown, smoothed or
//! shrunk by a pixel. Half of the steps are mirrored.

use super::optimizer::{AdamW, AdamWConfig};
use crate::data::Sample;
use crate::graph::clip::{ClipTiny, ClipTinyConfig, Region};
use crate::rng::Stream;
use crate::structures::{Mask, Picture};
use crate::tensor::Tape;
use anyhow::{Result, ensure};
use std::borrow::Cow;

const WARM_UP: f64 = 50.0;
/// PyTorch's defaults, but for the decay, which was chosen on drawings of other seeds.
const OPTIMIZER: AdamWConfig = AdamWConfig {
    betas: [0.9, 0.999],
    weight_decay: 0.01,
    decay_embeddings: true,
    decay_biases: true,
    backbone_rate: 1.0,
    clip: f64::INFINITY,
};
/// Chances of a mirrored step and of a step with changed masks.
const HALF: f64 = 0.5;
/// Set pixels of a 3 x 3 neighbourhood above which a changed mask is set: grown, smoothed, shrunk.
const NEIGHBOURS: [u8; 3] = [0, 4, 8];

/// Trains a model on `samples`, a function of the arguments alone. `progress` hears the steps done and the loss.
///
/// # Errors
/// A loss that is not finite, with its step.
pub fn train_clip_tiny<'a, D: AsRef<[&'a str]>>(
    config: &ClipTinyConfig,
    descriptions: &[D],
    samples: &[Sample],
    progress: &mut dyn FnMut(usize, f32),
) -> Result<ClipTiny> {
    let mut model = ClipTiny::new(config, descriptions);
    let mut optimizer = AdamW::new(OPTIMIZER, &mut model);
    for step in 0..config.steps {
        let mut rng = Stream::at(config.seed, "clip-tiny/step", step as u64);
        let (pictures, regions) = draw_batch(config.batch, samples, &mut rng);
        if !regions.is_empty() {
            let pictures: Vec<&Picture> = pictures.iter().map(|picture| &**picture).collect();
            let mut tape = Tape::recording();
            let loss = model.training_loss(&mut tape, &pictures, &regions, &mut rng);
            let value = loss.scalar();
            ensure!(
                value.is_finite(),
                "the vision-language model's loss is {value} at step {step}"
            );
            let mut grads = tape.backward(&loss);
            drop(loss);
            optimizer.step(&mut model, &mut grads, rate(config, step));
            progress(step + 1, value);
        }
    }
    Ok(model)
}

fn rate(config: &ClipTinyConfig, step: usize) -> f32 {
    let warm_up = ((step + 1) as f64 / WARM_UP).min(1.0);
    let turn = std::f64::consts::PI * step as f64 / config.steps as f64;
    (config.rate * warm_up * 0.5 * (1.0 + libm::cos(turn))) as f32
}

/// The pictures and regions of one step.
fn draw_batch<'a>(
    count: usize,
    samples: &'a [Sample],
    rng: &mut Stream,
) -> (Vec<Cow<'a, Picture>>, Vec<Region>) {
    let drawn: Vec<&Sample> = (0..count)
        .map(|_| &samples[rng.below(samples.len())])
        .collect();
    let mirrored = rng.chance(HALF);
    let above = rng
        .chance(HALF)
        .then(|| NEIGHBOURS[rng.below(NEIGHBOURS.len())]);
    let mut regions = Vec::new();
    for (image, sample) in drawn.iter().enumerate() {
        for instance in &sample.instances {
            let mask = if mirrored {
                instance.mask.flipped()
            } else {
                instance.mask.clone()
            };
            let mask = above.map_or(mask.clone(), |above| filtered(&mask, above));
            regions.push(Region {
                image,
                class: instance.class,
                mask,
            });
        }
    }
    let view = |sample: &'a Sample| match mirrored {
        true => Cow::Owned(sample.picture.flipped()),
        false => Cow::Borrowed(&sample.picture),
    };
    (drawn.into_iter().map(view).collect(), regions)
}

/// The pixels with more than `above` set pixels among themselves and their eight neighbours.
fn filtered(mask: &Mask, above: u8) -> Mask {
    let (height, width) = (mask.height, mask.width);
    let mut bits = Vec::with_capacity(mask.bits.len());
    for y in 0..height {
        for x in 0..width {
            let rows = y.saturating_sub(1)..(y + 2).min(height);
            let columns = x.saturating_sub(1)..(x + 2).min(width);
            let line = |row: usize| &mask.bits[row * width..][columns.clone()];
            let set: u8 = rows.flat_map(line).sum();
            bits.push(u8::from(set > above));
        }
    }
    Mask::new(height, width, bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(rows: [&str; 5]) -> Mask {
        let bits = rows
            .iter()
            .flat_map(|row| row.bytes().map(|c| u8::from(c == b'#')))
            .collect();
        Mask::new(5, 6, bits)
    }

    #[test]
    fn masks_grow_and_shrink_by_a_pixel() {
        let drawn = mask(["......", ".###..", ".###..", ".###..", "......"]);
        assert_eq!(
            filtered(&drawn, 0),
            mask(["#####.", "#####.", "#####.", "#####.", "#####."])
        );
        assert_eq!(
            filtered(&drawn, 8),
            mask(["......", "......", "..#...", "......", "......"])
        );
        assert_eq!(
            filtered(&drawn, 4),
            mask(["......", "..#...", ".###..", "..#...", "......"])
        );
    }

    #[test]
    fn the_rate_rises_and_ends_near_zero() {
        let config = ClipTinyConfig {
            steps: 900,
            images: 1,
            seed: 0,
            batch: 1,
            rate: 2.0,
            width: 1,
        };
        assert!((rate(&config, 0) - 0.04).abs() < 1e-6);
        assert!((rate(&config, 450) - 1.0).abs() < 1e-6);
        assert!(rate(&config, 899) < 1e-4);
    }
}
