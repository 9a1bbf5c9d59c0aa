//! The losses of Mask2Former with deep supervision, for labels and pseudo-labels alike.
//!
//! For every layer, after its own matching:
//!
//! `$$ L_{cls} = \frac{\sum_q w_q\,\mathrm{CE}_q}{\sum_q w_q}, \quad
//!    L_{mask} = \frac1N \sum_n \frac1P \sum_i (1 - u_{ni})\,\mathrm{BCE}_{ni}, \quad
//!    L_{dice} = \frac1N \sum_n \mathrm{dice}_n $$`
//!
//! q runs over all queries of the images (w = 1 if matched, else the no-object weight), n over the matched pairs, N =
//! max(1, objects of these images), i over points sampled by importance. u: PL-DC eq. 13, only in the mask loss (eq.
//! 14). The sum over the layers is plain.
//!
//! Coarse masks (Noisy Boundaries' for queries) have the losses of masks at the same points, added to one term. An IoU
//! head has a term of its own.
//!
//! Pseudo-labels may have weights of their own, and so may queries without one ([`Background`]). They are factors on
//! `CE_q`, on the sums over the points and on `dice_n`; the divisors stay as they are. A [`Boundary`] takes the place
//! of 1 - u: it looks at the student's mask at its own resolution, and is sampled at the points like the mask.
//!
//! [`Boundary`]: crate::detector::Boundary
//!
//! [`Criterion::begin`] starts the matching costs of all layers, [`Pending::losses`] solves the assignments and
//! computes the losses. A GPU computes the costs of one layer while the CPU solves the layer before it. The CPU waits
//! for the costs of each layer and for nothing else. With [`crate::detector::MaskLoss::renormalise`] it also waits for
//! the mean weight of each layer.

mod extent;
mod iou;
mod matching;
mod sampling;
mod weights;

use super::loss::LossConfig;
use super::points::{Drawn, PointSource};
use crate::detector::{Background, Losses, Part, Pending, Piece, Survey, Targets};
use crate::graph::{LayerPredictions, ModelConfig, Predictions};
use crate::ops;
use crate::rng::Stream;
use crate::tensor::{Tape, Tensor2};
use extent::{Extent, pair_count};
use matching::{MatchedPair, Matching};
use sampling::Sampled;
use std::cell::OnceCell;

/// The terms of the loss of every network.
pub const TERMS: [&str; 3] = ["class", "mask", "dice"];
/// The term of coarse masks.
const COARSE: &str = "mask-coarse";
/// The term of an IoU head.
const IOU: &str = "iou";

/// The terms of the loss of the network of `config`.
pub fn terms(config: &ModelConfig) -> Vec<&'static str> {
    let mut terms = TERMS.to_vec();
    if config.mask_head.is_coarse_too() {
        terms.push(COARSE);
    }
    if config.iou_head.is_there() {
        terms.push(IOU);
    }
    terms
}

/// Computes [`Losses`].
#[derive(Clone, Debug)]
pub struct Criterion {
    config: LossConfig,
}

impl Criterion {
    /// A criterion with the weights of the recipe.
    pub fn new(config: LossConfig) -> Self {
        Self { config }
    }

    /// The losses of one part of `predictions`. The draws depend on `stream` and the order of the images, never on
    /// threads.
    pub fn losses(
        &self,
        tape: &mut Tape,
        predictions: &Predictions,
        part: &Part,
        stream: &mut Stream,
    ) -> Losses {
        let points = Drawn::new(predictions.layers.len(), stream);
        let begun = self.begin(predictions, part, Box::new(points));
        Box::new(begun).losses(tape)
    }

    /// Starts the matching of one part of `predictions` at the points of `points`.
    ///
    /// Panics if targets and images differ in number, if the batch has fewer images, or if masks have several sizes.
    pub fn begin<'p>(
        &'p self,
        predictions: &'p Predictions,
        part: &'p Part<'p>,
        points: Box<dyn PointSource + 'p>,
    ) -> StartedPart<'p> {
        self.started(predictions, part, Extent::whole(part), points)
    }

    /// The same for a piece of `part`, whose images are the first ones of `predictions`. `points` are those of the
    /// whole part.
    pub fn begin_piece<'p>(
        &'p self,
        predictions: &'p Predictions,
        part: &'p Part<'p>,
        piece: Piece<'p>,
        points: Box<dyn PointSource + 'p>,
    ) -> StartedPart<'p> {
        let extent = Extent::piece(part, piece.images, predictions.queries);
        StartedPart {
            survey: Some(piece.survey),
            objects: piece.objects,
            ..self.started(predictions, part, extent, points)
        }
    }

    fn started<'p>(
        &'p self,
        predictions: &'p Predictions,
        part: &'p Part<'p>,
        extent: Extent<'p>,
        points: Box<dyn PointSource + 'p>,
    ) -> StartedPart<'p> {
        let (end, batch) = (extent.end(), predictions.batch);
        assert!(end <= batch, "image {end} of {batch}");
        StartedPart {
            criterion: self,
            predictions,
            part,
            matching: Matching::begin(&self.config, predictions, &extent, &*points),
            extent,
            survey: None,
            objects: None,
            points,
            cells: OnceCell::new(),
            discounts: OnceCell::new(),
        }
    }

    fn class_loss(
        &self,
        tape: &mut Tape,
        queries: usize,
        layer: &LayerPredictions,
        (part, extent): (&Part, &Extent),
        pairs: &[MatchedPair],
    ) -> Tensor2 {
        let no_object = layer.classes.columns() - 1;
        let nothing = part.targets.iter().all(Targets::is_empty);
        let unmatched = match part.background {
            Background::Own => self.config.no_object,
            Background::Weight(weight) => weight,
            Background::Teacher(_) => {
                unreachable!("a recipe that asks for regions of queries is refused")
            }
        };
        let own = extent.place..extent.place + extent.targets.len();
        let mut targets = vec![no_object; own.len() * queries];
        // Those that the loss is divided by, of all images of the part, and those of the losses.
        let mut plain = Vec::with_capacity(part.targets.len() * queries);
        let mut weights = Vec::with_capacity(targets.len());
        for (place, image) in part.targets.iter().enumerate() {
            let [weight, given] = match part.empty_image.teaches(image, nothing) {
                true => [self.config.no_object, unmatched],
                false => [0.0; 2],
            };
            let is_own = own.contains(&place);
            // Of other pieces it is known how many queries are matched, which is all that their sum needs.
            let matched = if is_own { 0 } else { image.len().min(queries) };
            plain.extend(std::iter::repeat_n(1.0, matched));
            plain.extend(std::iter::repeat_n(weight, queries - matched));
            if is_own {
                weights.resize(weights.len() + queries, given);
            }
        }
        for pair in pairs {
            let row = pair.image * queries + pair.query;
            let image = &extent.targets[pair.image];
            targets[row] = image.classes[pair.object];
            plain[own.start * queries + row] = 1.0;
            weights[row] = image
                .weights_of(pair.object)
                .map_or(1.0, |weights| weights.class);
        }
        let total: f32 = plain.iter().sum();
        let start = extent.in_batch * queries;
        let logits = ops::slice_rows(tape, &layer.classes, start, targets.len());
        // Without any weight the loss and its gradient are 0, whatever they are divided by.
        let denominator = if total > 0.0 { total } else { 1.0 };
        ops::cross_entropy(tape, &logits, &targets, &weights, denominator)
    }
}

/// The mask logits of all queries of a batch, and rows and columns of a mask.
type Planes<'t> = (&'t Tensor2, (usize, usize));

/// A part whose matching has begun.
pub struct StartedPart<'p> {
    criterion: &'p Criterion,
    predictions: &'p Predictions,
    part: &'p Part<'p>,
    /// The images of the part whose losses these are.
    extent: Extent<'p>,
    /// What the pieces of the part count; none if it is whole.
    survey: Option<&'p Survey>,
    /// N, if the part does not decide it.
    objects: Option<f32>,
    points: Box<dyn PointSource + 'p>,
    matching: Matching<'p>,
    /// The objects on the grid of the predicted masks, object by object, once they have been asked for.
    cells: OnceCell<Vec<bool>>,
    /// The discounts of every image of the extent, once they have been asked for.
    discounts: OnceCell<Vec<Option<Tensor2>>>,
}

impl Pending for StartedPart<'_> {
    fn losses(mut self: Box<Self>, tape: &mut Tape) -> Losses {
        let (mut class, mut mask, mut dice) = (Vec::new(), Vec::new(), Vec::new());
        let (mut coarse, mut ious) = (Vec::new(), Vec::new());
        for (index, layer) in self.predictions.layers.iter().enumerate() {
            let pairs = self.matching.pairs(index);
            let (criterion, predictions) = (self.criterion, self.predictions);
            let images = (self.part, &self.extent);
            let queries = predictions.queries;
            class.push(criterion.class_loss(tape, queries, layer, images, &pairs));
            if !pairs.is_empty() {
                let sampled = Sampled::new(&self, index, &pairs);
                let size = (predictions.height, predictions.width);
                let planes = (&layer.masks, size);
                let fine = self.mask_losses(tape, planes, &pairs, &sampled, 2 * index);
                let [bce, overlap] = fine;
                mask.push(bce);
                dice.push(overlap);
                if let Some(masks) = &layer.coarse {
                    let planes = (masks, predictions.coarse_size());
                    let sum = 2 * index + 1;
                    coarse.extend(self.mask_losses(tape, planes, &pairs, &sampled, sum));
                }
                if let Some(predicted) = &layer.ious {
                    ious.push(self.iou_loss(tape, layer, predicted, &pairs, self.masks()));
                }
            }
        }
        let mut sum = |terms: Vec<Tensor2>| sum(tape, &terms);
        let (class, mask, dice) = (sum(class), sum(mask), sum(dice));
        let config = &self.criterion.config;
        let mut terms: Vec<_> = TERMS.into_iter().zip([class, mask, dice]).collect();
        let mut weights = vec![config.class, config.mask, config.dice];
        let first = &self.predictions.layers[0];
        for (is_there, name, losses, weight) in [
            (first.coarse.is_some(), COARSE, coarse, config.mask_coarse),
            (first.ious.is_some(), IOU, ious, config.iou),
        ] {
            if is_there {
                terms.push((name, sum(losses)));
                weights.push(weight);
            }
        }
        let weighted = terms.iter().zip(&weights);
        let weighted: Vec<_> = weighted
            .map(|((_, term), weight)| (term, *weight))
            .collect();
        Losses {
            total: ops::weighted_sum(tape, &weighted),
            terms,
            weights,
        }
    }

    /// Sums the weights of the points, of the fine and of the coarse masks of every layer.
    fn count(mut self: Box<Self>) -> Survey {
        let mut sums = Vec::new();
        for (index, layer) in self.predictions.layers.iter().enumerate() {
            let pairs = self.matching.pairs(index);
            if pairs.is_empty() {
                sums.extend([0.0; 2]);
                continue;
            }
            let sampled = Sampled::new(&self, index, &pairs);
            let sum = |planes| {
                let weights = self.point_weights(planes, &pairs, &sampled);
                weights.map_or(0.0, |weights| total(&weights.host_values()))
            };
            let size = (self.predictions.height, self.predictions.width);
            let coarse = layer.coarse.as_ref();
            let coarse = coarse.map(|masks| (masks, self.predictions.coarse_size()));
            sums.extend([sum((&layer.masks, size)), coarse.map_or(0.0, sum)]);
        }
        let before = self.survey.expect("the losses of a piece");
        before.clone().plus(&sums)
    }
}

impl StartedPart<'_> {
    /// N.
    fn masks(&self) -> f32 {
        if let Some(objects) = self.objects {
            return objects.max(1.0);
        }
        let objects: usize = self.part.targets.iter().map(Targets::len).sum();
        objects.max(1) as f32
    }

    /// Binary cross-entropy and dice of one layer's matched pairs, whose masks are among `planes`: the logits of all
    /// queries, with rows and columns of a plane. `number`: that of the sum of their weights in a survey.
    fn mask_losses(
        &self,
        tape: &mut Tape,
        planes: Planes,
        pairs: &[MatchedPair],
        sampled: &Sampled,
        number: usize,
    ) -> [Tensor2; 2] {
        let (predictions, part) = (self.predictions, self.part);
        let masks = self.masks();
        let divisor = match part.mask_loss.per_query {
            true => (part.empty_image.counted(part.targets) * predictions.queries) as f32,
            false => masks,
        };
        let (masks_of_all, size) = planes;
        let logits = ops::point_sample(tape, masks_of_all, &sampled.rows, size, &sampled.points);
        let weights = self.point_weights(planes, pairs, sampled);
        let (targets, weights) = (&sampled.targets, weights.as_ref());
        let scale = match weights {
            Some(weights) if part.mask_loss.renormalise => {
                let mean = match self.survey {
                    None => total(&weights.host_values()) / weights.len() as f64,
                    Some(survey) => {
                        let pairs = pair_count(part.targets, predictions.queries);
                        survey.sums[number] / (pairs * weights.columns()) as f64
                    }
                };
                (mean as f32).max(SMALLEST_MEAN)
            }
            _ => 1.0,
        };
        [
            ops::bce_points(tape, &logits, targets, weights, divisor * scale),
            ops::dice_points(
                tape,
                &logits,
                targets,
                self.mask_weights(pairs).as_ref(),
                masks,
            ),
        ]
    }
}

/// Keeps the renormalised loss finite where every point has weight 0.
const SMALLEST_MEAN: f32 = 1e-6;

fn total(values: &[f32]) -> f64 {
    values.iter().map(|value| f64::from(*value)).sum()
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
