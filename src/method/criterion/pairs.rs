//! Which query answers for which object in one layer, and the points at which the two are compared.
//!
//! Shapes: n matched pairs of the part, P points.

use super::Part;
use crate::graph::{LayerPredictions, Predictions};
use crate::method::config::LossConfig;
use crate::method::matcher;
use crate::method::points::{self, Pool, Purpose};
use crate::ops::{self, Compared};
use crate::tensor::Tape;
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
    let busy: Vec<usize> = (0..part.targets.len())
        .filter(|image| !part.targets[*image].is_empty())
        .collect();
    let compared = busy.par_iter().map(|&image| {
        let points = open(Purpose::Matching { image })(config.points);
        Compared {
            first: (part.images.start + image) * queries,
            objects: matcher::wanted(&part.targets[image], &points),
            points,
        }
    });
    let size = (predictions.height, predictions.width);
    let costs = ops::mask_costs_of_images(&layer.masks, queries, size, compared.collect());
    let logits = layer.classes.host_values();
    let matched: Vec<(usize, Vec<(usize, usize)>)> = busy
        .par_iter()
        .zip(&costs)
        .map(|(&image, costs)| {
            let logits = &logits[(part.images.start + image) * classes..][..classes];
            let pairs = matcher::assign_by(costs, logits, &part.targets[image], config);
            (image, pairs)
        })
        .collect();
    let of_image = |(image, pairs): (usize, Vec<(usize, usize)>)| {
        pairs.into_iter().map(move |(query, object)| Pair {
            image,
            query,
            object,
        })
    };
    matched.into_iter().flat_map(of_image).collect()
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
    let count = config.points;
    let points = points_of_pairs(config, predictions, layer, part, pairs, open);
    let weighted = part
        .targets
        .iter()
        .any(|targets| targets.discounts.is_some());
    let mut targets = vec![0.0; pairs.len() * count];
    let mut weights = vec![1.0; if weighted { targets.len() } else { 0 }];
    // Without weights the third buffer is empty: give every pair an empty piece of it.
    let mut pieces: Vec<&mut [f32]> = weights.chunks_exact_mut(count).collect();
    pieces.resize_with(pairs.len(), Default::default);
    points
        .par_chunks_exact(2 * count)
        .zip(targets.par_chunks_exact_mut(count))
        .zip(pieces)
        .zip(pairs)
        .for_each(|(((points, targets), weights), pair)| {
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

/// The points of every pair, `[n, P, 2]`: anywhere, or where the prediction is undecided.
fn points_of_pairs(
    config: &LossConfig,
    predictions: &Predictions,
    layer: &LayerPredictions,
    part: &Part,
    pairs: &[Pair],
    open: &Open,
) -> Vec<f32> {
    let numbered: Vec<(usize, &Pair)> = pairs.iter().enumerate().collect();
    let draw = |(number, pair): &(usize, &Pair)| {
        open(Purpose::Sampling {
            pair: *number,
            image: pair.image,
            query: pair.query,
            object: pair.object,
        })
    };
    let numbered = numbered.par_iter();
    if part.mask_loss.uniform_points {
        let of_pair = |one| draw(one)(config.points);
        return numbered.map(of_pair).collect::<Vec<_>>().concat();
    }
    let pools: Vec<Pool> = numbered
        .map(|one| Pool::new(config, &mut *draw(one)))
        .collect();
    let rows: Vec<usize> = pairs
        .iter()
        .map(|pair| (part.images.start + pair.image) * predictions.queries + pair.query)
        .collect();
    let places: Vec<f32> = pools
        .iter()
        .flat_map(|pool| &pool.points)
        .copied()
        .collect();
    let size = (predictions.height, predictions.width);
    let logits = ops::point_sample(&mut Tape::off(), &layer.masks, &rows, size, &places);
    let logits = logits.host_values();
    let columns = logits.len() / pairs.len();
    pools
        .into_par_iter()
        .zip(logits.par_chunks_exact(columns))
        .map(|(pool, logits)| pool.uncertain(logits))
        .collect::<Vec<_>>()
        .concat()
}
