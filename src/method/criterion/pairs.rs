//! Which query answers for which object in one layer, and the points at which the two are compared.
//!
//! Shapes: n matched pairs of the part, P points.

use super::Part;
use crate::graph::{LayerPredictions, Predictions};
use crate::method::config::LossConfig;
use crate::method::matcher::{self, Prediction};
use crate::method::points::{self, Purpose};
use crate::ops;
use rayon::prelude::*;

/// A matched query and object of one image.
pub(super) struct Pair {
    /// Index into the part's images.
    pub image: usize,
    pub query: usize,
    pub object: usize,
}

/// The points of one layer.
pub(super) type Open<'a> = dyn Fn(Purpose) -> Box<points::Draw<'a>> + Sync + 'a;

/// Points of the matched pairs with what belongs there.
pub(super) struct Sampled {
    /// `[n, P, 2]`.
    pub points: Vec<f32>,
    /// The objects' masks, `[n, P]`.
    pub targets: Vec<f32>,
    /// 1 - u, `[n, P]`; `None` where no image has a discount.
    pub weights: Option<Vec<f32>>,
}

/// Matches every image of the part on its own, in parallel; the pairs in order of the images.
pub(super) fn matched(
    config: &LossConfig,
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
            matcher::assign(&prediction, targets, config, &mut *draw)
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

/// Takes the points of every pair, in parallel, and samples the objects' masks there.
pub(super) fn sampled(
    config: &LossConfig,
    predictions: &Predictions,
    layer: &LayerPredictions,
    part: &Part,
    pairs: &[Pair],
    open: &Open,
) -> Sampled {
    let size = (predictions.height, predictions.width);
    let (pixels, count) = (layer.masks.columns(), config.points);
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
                false => points::uncertain(plane, size, config, &mut *draw),
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
