//! The losses of Mask2Former with deep supervision, for labels and pseudo-labels alike.
//!
//! For every layer, after its own matching:
//!
//! $$ L_{cls} = \frac{\sum_q w_q\,\mathrm{CE}_q}{\sum_q w_q}, \quad
//!    L_{mask} = \frac1N \sum_n \frac1P \sum_i (1 - u_{ni})\,\mathrm{BCE}_{ni}, \quad
//!    L_{dice} = \frac1N \sum_n \mathrm{dice}_n $$
//!
//! q runs over all queries of the images (w = 1 if matched, else the no-object weight), n over the matched pairs, N =
//! max(1, objects of these images), i over points sampled by importance. u: PL-DC eq. 13, only in the mask loss (eq. 14).
//! The sum over the layers is plain.

mod pairs;

use super::config::{EmptyImage, LossConfig};
use super::points::{Drawn, PointSource};
use super::targets::Targets;
use crate::graph::{LayerPredictions, Predictions};
use crate::ops;
use crate::rng::Stream;
use crate::tensor::{Tape, Tensor2};
use pairs::{Pair, matched, sampled};
use std::ops::Range;
use std::sync::Arc;

/// The labelled or the unlabelled part of a batch: its losses are normalised on their own.
#[derive(Clone, Debug)]
pub struct Part<'a> {
    /// Which images of the predictions.
    pub images: Range<usize>,
    /// One per image.
    pub targets: &'a [Targets],
    /// How its mask loss is taken.
    pub mask_loss: MaskLoss,
}

/// What may differ in the binary cross-entropy of pseudo-masks; the default is that of annotated masks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MaskLoss {
    /// Divide it by the mean weight of its points.
    pub renormalise: bool,
    /// Sample its points (and those of dice) uniformly, so that it estimates the mean over all pixels.
    pub uniform_points: bool,
    /// Divide it by the queries of all images instead of the number of masks.
    pub per_query: bool,
}

/// The losses of one part, summed over the layers; each `[1, 1]`.
#[derive(Clone, Debug)]
pub struct Losses {
    /// Cross-entropy, unweighted.
    pub class: Tensor2,
    /// Binary cross-entropy, unweighted.
    pub mask: Tensor2,
    /// Dice, unweighted.
    pub dice: Tensor2,
    /// The sum with the weights of the recipe.
    pub total: Tensor2,
}

/// Computes [`Losses`].
#[derive(Clone, Debug)]
pub struct Criterion {
    config: LossConfig,
    empty_image: EmptyImage,
}

impl Criterion {
    /// A criterion with the weights of the recipe.
    pub fn new(config: LossConfig, empty_image: EmptyImage) -> Self {
        Self {
            config,
            empty_image,
        }
    }

    /// The losses of one part of `predictions`. The draws depend on `stream` and the order of the images, never on threads.
    pub fn losses(
        &self,
        tape: &mut Tape,
        predictions: &Predictions,
        part: &Part,
        stream: &mut Stream,
    ) -> Losses {
        let points = Drawn::new(predictions.layers.len(), stream);
        self.losses_at(tape, predictions, part, &points)
    }

    /// As [`Self::losses`], at the points of `points`.
    pub fn losses_at(
        &self,
        tape: &mut Tape,
        predictions: &Predictions,
        part: &Part,
        points: &dyn PointSource,
    ) -> Losses {
        let Range { start, end } = part.images;
        assert_eq!(
            part.targets.len(),
            end - start,
            "one list of targets per image"
        );
        assert!(
            end <= predictions.batch,
            "image {end} of {}",
            predictions.batch
        );
        let objects: usize = part.targets.iter().map(Targets::len).sum();
        let masks = objects.max(1) as f32;
        let divisor = match part.mask_loss.per_query {
            true => (part.targets.len() * predictions.queries) as f32,
            false => masks,
        };
        let (mut class, mut mask, mut dice) = (Vec::new(), Vec::new(), Vec::new());
        for (index, layer) in predictions.layers.iter().enumerate() {
            let open = |purpose| points.open(index, purpose);
            let pairs = matched(&self.config, predictions, layer, part, &open);
            class.push(self.class_loss(tape, predictions, layer, part, &pairs));
            if pairs.is_empty() {
                continue;
            }
            let sampled = sampled(&self.config, predictions, layer, part, &pairs, &open);
            let rows: Vec<usize> = pairs
                .iter()
                .map(|pair| (start + pair.image) * predictions.queries + pair.query)
                .collect();
            let size = (predictions.height, predictions.width);
            let logits = ops::point_sample(tape, &layer.masks, &rows, size, &sampled.points);
            let targets = Arc::new(sampled.targets);
            let scale = match &sampled.weights {
                Some(weights) if part.mask_loss.renormalise => mean(weights).max(SMALLEST_MEAN),
                _ => 1.0,
            };
            let weights = sampled.weights.map(Arc::new);
            let targets_again = Arc::clone(&targets);
            mask.push(ops::bce_points(
                tape,
                &logits,
                targets_again,
                weights,
                divisor * scale,
            ));
            dice.push(ops::dice_points(tape, &logits, targets, masks));
        }
        let mut sum = |terms: Vec<Tensor2>| sum(tape, &terms);
        let (class, mask, dice) = (sum(class), sum(mask), sum(dice));
        let weights = [self.config.class, self.config.mask, self.config.dice];
        let total = ops::weighted_sum(
            tape,
            &[
                (&class, weights[0]),
                (&mask, weights[1]),
                (&dice, weights[2]),
            ],
        );
        Losses {
            class,
            mask,
            dice,
            total,
        }
    }

    fn class_loss(
        &self,
        tape: &mut Tape,
        predictions: &Predictions,
        layer: &LayerPredictions,
        part: &Part,
        pairs: &[Pair],
    ) -> Tensor2 {
        let queries = predictions.queries;
        let no_object = layer.classes.columns() - 1;
        let nothing = part.targets.iter().all(Targets::is_empty);
        let mut targets = vec![no_object; part.targets.len() * queries];
        let mut weights = Vec::with_capacity(targets.len());
        for image in part.targets {
            let silent = match self.empty_image {
                EmptyImage::ZeroBatch => nothing,
                EmptyImage::ZeroImage => image.is_empty(),
                EmptyImage::Background => false,
            };
            let weight = if silent { 0.0 } else { self.config.no_object };
            weights.resize(weights.len() + queries, weight);
        }
        for pair in pairs {
            let row = pair.image * queries + pair.query;
            targets[row] = part.targets[pair.image].classes[pair.object];
            weights[row] = 1.0;
        }
        let total: f32 = weights.iter().sum();
        let start = part.images.start * queries;
        let logits = ops::slice_rows(tape, &layer.classes, start, targets.len());
        // Without any weight the loss and its gradient are 0, whatever they are divided by.
        let denominator = if total > 0.0 { total } else { 1.0 };
        ops::cross_entropy(tape, &logits, &targets, &weights, denominator)
    }
}

/// Keeps the renormalised loss finite where every point has weight 0.
const SMALLEST_MEAN: f32 = 1e-6;

fn mean(values: &[f32]) -> f32 {
    (values.iter().map(|value| f64::from(*value)).sum::<f64>() / values.len() as f64) as f32
}

/// The plain sum of `[1, 1]` terms; 0 without any.
fn sum(tape: &mut Tape, terms: &[Tensor2]) -> Tensor2 {
    if terms.is_empty() {
        return Tensor2::constant(vec![0.0], 1, 1);
    }
    let terms: Vec<(&Tensor2, f32)> = terms.iter().map(|term| (term, 1.0)).collect();
    ops::weighted_sum(tape, &terms)
}

#[cfg(test)]
mod tests;
