//! The points at which matched pairs are compared, with what belongs there.
//!
//! Shapes: n matched pairs of the part, P points.

use super::Part;
use super::matching::{Masks, Pair};
use crate::method::config::LossConfig;
use crate::method::points::{Purpose, important};
use crate::ops;
use crate::tensor::Tensor2;
use std::ops::Range;

/// Points of the matched pairs with what belongs there.
pub(super) struct Sampled {
    /// `[n, 2P]`.
    pub points: Tensor2,
    /// The objects' masks, `[n, P]`.
    pub targets: Tensor2,
    /// 1 - u, `[n, P]`; `None` where no image has a discount.
    pub weights: Option<Tensor2>,
}

impl Sampled {
    /// Takes the points of every pair, anywhere or where the prediction is undecided. `draw`: uniform points of these numbers for each
    /// purpose; `logits`: of every pair's query at points.
    pub fn new(
        config: &LossConfig,
        part: &Part,
        pairs: &[Pair],
        masks: &Masks,
        draw: impl Fn(&[Purpose], Range<usize>) -> Tensor2,
        logits: impl Fn(&Tensor2) -> Tensor2,
    ) -> Self {
        let purpose = |(number, pair): (usize, &Pair)| Purpose::Sampling {
            pair: number,
            image: pair.image,
            query: pair.query,
            object: pair.object,
        };
        let purposes: Vec<Purpose> = pairs.iter().enumerate().map(purpose).collect();
        let points = match part.mask_loss.uniform_points {
            true => draw(&purposes, 0..config.points),
            false => important(config, |numbers| draw(&purposes, numbers), logits),
        };
        let (stack, number) = masks.stack();
        let which: Vec<usize> = pairs
            .iter()
            .map(|pair| number(pair.image, pair.object))
            .collect();
        let rows: Vec<usize> = (0..pairs.len()).collect();
        Self {
            targets: stack.sample(&which, &points, &rows),
            weights: weights(part, pairs, &points),
            points,
        }
    }
}

/// What is left of the loss at the points of every pair.
fn weights(part: &Part, pairs: &[Pair], points: &Tensor2) -> Option<Tensor2> {
    let images = part.targets.iter();
    let size = images
        .filter(|image| image.discounts.is_some())
        .find_map(|image| {
            let mask = image.masks.first()?;
            Some((mask.height, mask.width))
        })?;
    let plane = |pair: &Pair| {
        let discounts = part.targets[pair.image].discounts.as_ref();
        discounts.map(|discounts| (discounts, pair.object))
    };
    let planes: Vec<_> = pairs.iter().map(plane).collect();
    Some(ops::weights_at(&planes, size, points))
}
