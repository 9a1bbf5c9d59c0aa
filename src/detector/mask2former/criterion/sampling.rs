//! The points at which the masks of matched pairs are compared, with the targets and the weights at these points.
//!
//! Shapes: n matched pairs of the part, P points.

use super::StartedPart;
use super::matching::MatchedPair;
use crate::detector::Targets;
use crate::detector::mask2former::points::{Purpose, important};
use crate::ops;
use crate::tensor::{Tape, Tensor2};
use std::ops::Range;

/// Points of the matched pairs of a layer, with targets and weights.
pub(super) struct Sampled {
    /// The row of every pair's query among the predictions.
    pub rows: Vec<usize>,
    /// `[n, 2P]`.
    pub points: Tensor2,
    /// The objects' masks, `[n, P]`.
    pub targets: Tensor2,
    /// 1 - u, `[n, P]`; `None` where no object has a discount.
    pub weights: Option<Tensor2>,
}

impl Sampled {
    /// Takes the points of every pair of layer `layer`, anywhere or where the prediction is undecided.
    pub fn new(begun: &StartedPart, layer: usize, pairs: &[MatchedPair]) -> Self {
        let StartedPart {
            predictions,
            extent,
            matching,
            ..
        } = begun;
        let config = &begun.criterion.config;
        let row =
            |pair: &MatchedPair| (extent.in_batch + pair.image) * predictions.queries + pair.query;
        let rows: Vec<usize> = pairs.iter().map(row).collect();
        let purpose = |(number, pair): (usize, &MatchedPair)| Purpose::Sampling {
            pair: extent.pairs_before + number,
            image: extent.place + pair.image,
            query: pair.query,
            object: pair.object,
        };
        let purposes: Vec<Purpose> = pairs.iter().enumerate().map(purpose).collect();
        let masks = &predictions.layers[layer].masks;
        let place = masks.place();
        let draw = |numbers: Range<usize>| begun.points.points(&place, layer, &purposes, numbers);
        let size = (predictions.height, predictions.width);
        let points = match begun.part.mask_loss.uniform_points {
            true => draw(0..config.points),
            false => important(config, draw, |points| {
                ops::point_sample(&mut Tape::off(), masks, &rows, size, points)
            }),
        };
        let objects = pairs.iter().enumerate();
        let objects = objects.map(|(row, pair)| (pair.image, pair.object, row));
        Self {
            targets: matching.objects.sample(objects, &points),
            weights: weights(begun, pairs, &points),
            points,
            rows,
        }
    }
}

/// The weights of the loss at the points of every pair.
fn weights(begun: &StartedPart, pairs: &[MatchedPair], points: &Tensor2) -> Option<Tensor2> {
    let images = begun.extent.targets;
    if begun
        .part
        .targets
        .iter()
        .all(|image| image.discounts.is_none())
    {
        return None;
    }
    let discounts = begun.discounts.get_or_init(|| {
        let of_image = |image: &Targets| Some(image.discounts.as_ref()?.values());
        images.iter().map(of_image).collect()
    });
    let plane = |pair: &MatchedPair| {
        let discounts = discounts[pair.image].as_ref();
        discounts.map(|discounts| (discounts, pair.object))
    };
    let planes: Vec<_> = pairs.iter().map(plane).collect();
    Some(ops::weights_at(
        &planes,
        begun.matching.objects.size(),
        points,
    ))
}
