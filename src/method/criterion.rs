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

use super::config::{EmptyImage, LossConfig};
use super::matcher::{self, Prediction};
use super::points::{self, Drawn, PointSource, Purpose};
use super::targets::Targets;
use crate::graph::{LayerPredictions, Predictions};
use crate::ops;
use crate::rng::Stream;
use crate::tensor::{Tape, Tensor2};
use rayon::prelude::*;
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

/// A matched query and object of one image.
struct Pair {
    /// Index into the part's images.
    image: usize,
    query: usize,
    object: usize,
}

/// The points of one layer.
type Open<'a> = dyn Fn(Purpose) -> Box<points::Draw<'a>> + Sync + 'a;

/// Points of the matched pairs with what belongs there.
struct Sampled {
    points: Vec<f32>,
    targets: Vec<f32>,
    weights: Option<Vec<f32>>,
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
            let pairs = self.pairs(predictions, layer, part, &open);
            class.push(self.class_loss(tape, predictions, layer, part, &pairs));
            if pairs.is_empty() {
                continue;
            }
            let sampled = self.sampled(predictions, layer, part, &pairs, &open);
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

    /// Matches every image of the part on its own, in parallel; the pairs in order of the images.
    fn pairs(
        &self,
        predictions: &Predictions,
        layer: &LayerPredictions,
        part: &Part,
        open: &Open,
    ) -> Vec<Pair> {
        let queries = predictions.queries;
        let classes = queries * layer.classes.columns();
        let pixels = queries * layer.masks.columns();
        let (class_logits, mask_logits) = (layer.classes.values(), layer.masks.values());
        let matched: Vec<Vec<(usize, usize)>> = part
            .targets
            .par_iter()
            .enumerate()
            .map(|(image, targets)| {
                let place = part.images.start + image;
                let prediction = Prediction {
                    classes: &class_logits[place * classes..][..classes],
                    masks: &mask_logits[place * pixels..][..pixels],
                    queries,
                    size: (predictions.height, predictions.width),
                };
                let mut draw = open(Purpose::Matching { image });
                matcher::assign(&prediction, targets, &self.config, &mut *draw)
            })
            .collect();
        let of_image = |(image, pairs): (usize, Vec<(usize, usize)>)| {
            pairs.into_iter().map(move |(query, object)| Pair {
                image,
                query,
                object,
            })
        };
        matched.into_iter().enumerate().flat_map(of_image).collect()
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

    /// Takes the points of every pair, in parallel, and samples the objects' masks there.
    fn sampled(
        &self,
        predictions: &Predictions,
        layer: &LayerPredictions,
        part: &Part,
        pairs: &[Pair],
        open: &Open,
    ) -> Sampled {
        let size = (predictions.height, predictions.width);
        let (pixels, count) = (layer.masks.columns(), self.config.points);
        let logits = layer.masks.values();
        let weighted = part
            .targets
            .iter()
            .any(|targets| targets.discounts.is_some());
        let mut points = vec![0.0; pairs.len() * count * 2];
        let mut targets = vec![0.0; pairs.len() * count];
        let mut weights = vec![1.0; if weighted { targets.len() } else { 0 }];
        // Without weights the third buffer is empty: give every pair an empty piece of it.
        let mut pieces: Vec<&mut [f32]> = weights.chunks_exact_mut(count).collect();
        pieces.resize_with(pairs.len(), Default::default);
        points
            .par_chunks_exact_mut(2 * count)
            .zip(targets.par_chunks_exact_mut(count))
            .zip(pieces)
            .zip(pairs)
            .enumerate()
            .for_each(|(number, (((points, targets), weights), pair))| {
                let place = (part.images.start + pair.image) * predictions.queries + pair.query;
                let plane = &logits[place * pixels..][..pixels];
                let mut draw = open(Purpose::Sampling {
                    pair: number,
                    image: pair.image,
                    query: pair.query,
                    object: pair.object,
                });
                let drawn = match part.mask_loss.uniform_points {
                    true => draw(count),
                    false => points::uncertain(plane, size, &self.config, &mut *draw),
                };
                points.copy_from_slice(&drawn);
                let image = &part.targets[pair.image];
                let mask = &image.masks[pair.object];
                let mask_size = (mask.height, mask.width);
                ops::sample_mask(&mask.bits, mask_size, points, targets);
                if let Some(discounts) = &image.discounts {
                    // Outside the image the discount is 0, as the released code pads it, so the weight is 1.
                    ops::sample_plane(&discounts[pair.object], mask_size, points, weights);
                    weights.iter_mut().for_each(|value| *value = 1.0 - *value);
                }
            });
        Sampled {
            points,
            targets,
            weights: weighted.then_some(weights),
        }
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
mod tests {
    use super::*;
    use crate::registry;
    use crate::structures::Mask;

    const QUERIES: usize = 5;
    const SIDE: usize = 8;

    fn criterion(empty_image: EmptyImage) -> Criterion {
        let table = super::super::config::tests::table("loss");
        Criterion::new(registry::options(table).unwrap(), empty_image)
    }

    fn predictions(batch: usize, layers: usize) -> Predictions {
        let mut stream = Stream::new(7, "predictions");
        let mut noise = |rows: usize, columns: usize| {
            let values = (0..rows * columns)
                .map(|_| 2.0 * stream.normal() as f32)
                .collect();
            Tensor2::parameter(values, rows, columns)
        };
        let layers = (0..layers)
            .map(|_| LayerPredictions {
                classes: noise(batch * QUERIES, 4),
                masks: noise(batch * QUERIES, SIDE * SIDE),
            })
            .collect();
        Predictions {
            layers,
            batch,
            queries: QUERIES,
            height: SIDE,
            width: SIDE,
        }
    }

    fn targets(classes: &[usize], discount: Option<f32>) -> Targets {
        let side = 2 * SIDE;
        let mask = |n: usize| {
            (0..side * side)
                .map(|i| u8::from(i / side / 4 == n))
                .collect()
        };
        Targets {
            classes: classes.to_vec(),
            masks: (0..classes.len())
                .map(|n| Mask::new(side, side, mask(n)))
                .collect(),
            discounts: discount.map(|u| vec![vec![u; side * side]; classes.len()]),
        }
    }

    struct Outcome {
        losses: [f32; 3],
        class_gradient: Vec<f32>,
        mask_gradient: Vec<f32>,
    }

    fn run(
        criterion: &Criterion,
        predictions: &Predictions,
        images: Range<usize>,
        targets: &[Targets],
        renormalise: bool,
    ) -> Outcome {
        let mask_loss = MaskLoss {
            renormalise,
            ..MaskLoss::default()
        };
        run_with(criterion, predictions, images, targets, mask_loss)
    }

    fn run_with(
        criterion: &Criterion,
        predictions: &Predictions,
        images: Range<usize>,
        targets: &[Targets],
        mask_loss: MaskLoss,
    ) -> Outcome {
        let mut tape = Tape::recording();
        let part = Part {
            images,
            targets,
            mask_loss,
        };
        let mut stream = Stream::new(1, "losses");
        let losses = criterion.losses(&mut tape, predictions, &part, &mut stream);
        let mut grads = tape.backward(&losses.total);
        let layer = &predictions.layers[0];
        Outcome {
            losses: [
                losses.class.scalar(),
                losses.mask.scalar(),
                losses.dice.scalar(),
            ],
            class_gradient: layer.classes.gradient(&mut grads),
            mask_gradient: layer.masks.gradient(&mut grads),
        }
    }

    #[test]
    fn a_part_of_a_batch_is_as_good_as_a_batch_of_its_own() {
        let whole = predictions(3, 2);
        let cut = |tensor: &Tensor2, n: usize| {
            let columns = tensor.columns();
            let values = tensor.values()[n * QUERIES * columns..].to_vec();
            Tensor2::parameter(values, (3 - n) * QUERIES, columns)
        };
        let layers = whole.layers.iter().map(|layer| LayerPredictions {
            classes: cut(&layer.classes, 1),
            masks: cut(&layer.masks, 1),
        });
        let alone = Predictions {
            layers: layers.collect(),
            batch: 2,
            ..whole.clone()
        };
        let targets = [targets(&[0, 2], None), targets(&[1], None)];
        let criterion = criterion(EmptyImage::ZeroBatch);
        let a = run(&criterion, &whole, 1..3, &targets, false);
        let b = run(&criterion, &alone, 0..2, &targets, false);
        assert_eq!(a.losses, b.losses);
        assert!(
            a.class_gradient[..QUERIES * 4].iter().all(|g| *g == 0.0),
            "image 0 is not meant"
        );
        assert_eq!(a.class_gradient[QUERIES * 4..], b.class_gradient);
        assert_eq!(a.mask_gradient[QUERIES * SIDE * SIDE..], b.mask_gradient);
    }

    #[test]
    fn only_matched_queries_learn_masks() {
        let predictions = predictions(1, 1);
        let criterion = criterion(EmptyImage::ZeroBatch);
        let outcome = run(
            &criterion,
            &predictions,
            0..1,
            &[targets(&[0, 2], None)],
            false,
        );
        let touched = outcome
            .mask_gradient
            .chunks(SIDE * SIDE)
            .filter(|g| g.iter().any(|g| *g != 0.0));
        assert_eq!(touched.count(), 2);
        assert!(
            outcome
                .class_gradient
                .chunks(4)
                .all(|g| g.iter().any(|g| *g != 0.0))
        );
        assert!(
            outcome
                .losses
                .iter()
                .all(|loss| *loss > 0.0 && loss.is_finite())
        );
    }

    #[test]
    fn mask_losses_are_divided_by_the_objects_of_the_part() {
        // The same image twice: twice the pairs, twice the objects. Points differ, so the loss agrees in the mean only.
        let one = predictions(1, 1);
        let twice = |tensor: &Tensor2| {
            let values = tensor.values().repeat(2);
            Tensor2::parameter(values, 2 * tensor.rows(), tensor.columns())
        };
        let layer = &one.layers[0];
        let layers = vec![LayerPredictions {
            classes: twice(&layer.classes),
            masks: twice(&layer.masks),
        }];
        let two = Predictions {
            layers,
            batch: 2,
            ..one.clone()
        };
        let criterion = criterion(EmptyImage::ZeroBatch);
        let image = targets(&[0, 2, 1], None);
        let a = run(&criterion, &one, 0..1, std::slice::from_ref(&image), false);
        let b = run(&criterion, &two, 0..2, &[image.clone(), image], false);
        for (a, b) in a.losses.iter().zip(&b.losses) {
            assert!((a - b).abs() < 0.1 * a, "{a} and {b}");
        }
    }

    #[test]
    fn images_without_targets_by_policy() {
        let predictions = predictions(2, 1);
        let learned = |policy, targets: &[Targets]| {
            let outcome = run(&criterion(policy), &predictions, 0..2, targets, false);
            assert!(outcome.losses.iter().all(|loss| loss.is_finite()));
            let image = |gradient: &[f32]| gradient.iter().any(|g| *g != 0.0);
            let (first, second) = outcome.class_gradient.split_at(QUERIES * 4);
            (image(first), image(second))
        };
        let nothing = [targets(&[], None), targets(&[], None)];
        let half = [targets(&[1], None), targets(&[], None)];
        assert_eq!(learned(EmptyImage::ZeroBatch, &nothing), (false, false));
        assert_eq!(learned(EmptyImage::ZeroBatch, &half), (true, true));
        assert_eq!(learned(EmptyImage::ZeroImage, &nothing), (false, false));
        assert_eq!(learned(EmptyImage::ZeroImage, &half), (true, false));
        assert_eq!(learned(EmptyImage::Background, &nothing), (true, true));
    }

    #[test]
    fn discounts_take_off_the_mask_loss_only() {
        let predictions = predictions(1, 2);
        let criterion = criterion(EmptyImage::ZeroBatch);
        let with = |discount, renormalise| {
            run(
                &criterion,
                &predictions,
                0..1,
                &[targets(&[0, 1], discount)],
                renormalise,
            )
            .losses
        };
        let plain = with(None, false);
        // Near the border the discount fades out, so the loss falls by a little less than the discount.
        let quarter = with(Some(0.75), false);
        assert!(
            quarter[1] > 0.25 * plain[1] && quarter[1] < 0.4 * plain[1],
            "{quarter:?} {plain:?}"
        );
        assert_eq!((quarter[0], quarter[2]), (plain[0], plain[2]));
        let scaled = with(Some(0.75), true);
        assert!(
            (scaled[1] - plain[1]).abs() < 0.15 * plain[1],
            "{scaled:?} {plain:?}"
        );
        assert_eq!(with(Some(0.0), false), plain);
    }

    #[test]
    fn the_mask_loss_may_be_taken_per_query_and_over_all_pixels() {
        let predictions = predictions(1, 1);
        let criterion = criterion(EmptyImage::ZeroBatch);
        let image = [targets(&[0, 1], None)];
        let with = |mask_loss| run_with(&criterion, &predictions, 0..1, &image, mask_loss).losses;
        let plain = with(MaskLoss::default());
        let per_query = with(MaskLoss {
            per_query: true,
            ..MaskLoss::default()
        });
        let expected = plain[1] * 2.0 / QUERIES as f32;
        assert!((per_query[1] - expected).abs() < 1e-5 * plain[1]);
        assert_eq!((per_query[0], per_query[2]), (plain[0], plain[2]));
        let uniform = with(MaskLoss {
            uniform_points: true,
            ..MaskLoss::default()
        });
        assert_eq!(uniform[0], plain[0]);
        // Undecided pixels, which importance sampling prefers, cost log 2; decided and wrong ones more.
        assert!(uniform[1] > plain[1], "{uniform:?} {plain:?}");
    }

    #[test]
    fn every_layer_counts() {
        let three = predictions(1, 3);
        let criterion = criterion(EmptyImage::Background);
        let image = [targets(&[0, 1], None)];
        let all = run(&criterion, &three, 0..1, &image, false);
        let first = Predictions {
            layers: three.layers[..1].to_vec(),
            ..three.clone()
        };
        let one = run(&criterion, &first, 0..1, &image, false);
        assert!(
            all.losses
                .iter()
                .zip(&one.losses)
                .all(|(all, one)| *all > 1.5 * one)
        );
        assert_eq!(
            all.class_gradient, one.class_gradient,
            "layers do not share their draws"
        );
    }
}
