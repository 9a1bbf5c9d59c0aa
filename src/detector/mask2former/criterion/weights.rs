//! The weights of the mask losses of matched pairs: of their points, and of their masks.
//!
//! Shapes: n matched pairs of the part, P points, h rows and w columns of the predicted masks, fine or coarse.

use super::matching::MatchedPair;
use super::sampling::Sampled;
use super::{Planes, StartedPart};
use crate::detector::{Boundary, Cells};
use crate::ops::{self, Bounds};
use crate::tensor::{Tape, Tensor2};

impl StartedPart<'_> {
    /// The weights of the binary cross-entropy at the points of every pair, `[n, P]`: the product of all that there
    /// are; `None` if there are none.
    pub(super) fn point_weights(
        &self,
        planes: Planes,
        pairs: &[MatchedPair],
        sampled: &Sampled,
    ) -> Option<Tensor2> {
        let boundary = self.part.mask_loss.boundary;
        let boundary = boundary.map(|rule| self.boundary_weights(rule, planes, pairs, sampled));
        let of_masks = self.mask_weights(pairs).map(|weights| {
            let points = sampled.targets.columns();
            let of_mask = |weight: &f32| std::iter::repeat_n(*weight, points);
            let values = weights.values().iter().flat_map(of_mask).collect();
            Tensor2::constant(values, pairs.len(), points)
        });
        let all = [sampled.weights.clone(), boundary, of_masks];
        all.into_iter().flatten().reduce(|one, other| {
            let pairs = one.host_values();
            let other = other.host_values();
            let values = pairs
                .iter()
                .zip(other.iter())
                .map(|(one, other)| one * other);
            Tensor2::constant(values.collect(), one.rows(), one.columns())
        })
    }

    /// The weight of the mask of every pair, `[n, 1]`; `None` if no object has any.
    pub(super) fn mask_weights(&self, pairs: &[MatchedPair]) -> Option<Tensor2> {
        let images = self.extent.targets;
        let mut all = self.part.targets.iter();
        if all.all(|image| image.weights.is_none()) {
            return None;
        }
        let of_pair = |pair: &MatchedPair| {
            let weights = images[pair.image].weights_of(pair.object);
            weights.map_or(1.0, |weights| weights.mask)
        };
        let values = pairs.iter().map(of_pair).collect();
        Some(Tensor2::constant(values, pairs.len(), 1))
    }

    /// The boundary weights at the points of every pair, from its predicted mask: `[n, P]`. No gradient.
    fn boundary_weights(
        &self,
        rule: Boundary,
        (masks, size): Planes,
        pairs: &[MatchedPair],
        sampled: &Sampled,
    ) -> Tensor2 {
        let planes = ops::rows_on_host(masks, &sampled.rows);
        let planes = planes.chunks_exact(size.0 * size.1).zip(pairs);
        let of_pair = |(plane, pair): (&[f32], &MatchedPair)| {
            let mask = self.extent.targets[pair.image].masks[pair.object].pixels();
            let bounds = Bounds::of_mask(&mask.bits, mask.height, mask.width);
            let around = |bounds| Cells::around(bounds, (mask.height, mask.width), size);
            rule.weights(plane, size, &bounds.map_or(Cells::all(size), around))
        };
        let weights = planes.flat_map(of_pair).collect();
        let weights = Tensor2::constant(weights, pairs.len(), size.0 * size.1);
        let weights = weights.to(&masks.place());
        let rows: Vec<usize> = (0..pairs.len()).collect();
        ops::point_sample(&mut Tape::off(), &weights, &rows, size, &sampled.points)
    }
}
