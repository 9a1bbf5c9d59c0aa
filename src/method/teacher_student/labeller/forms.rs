//! The masks of pseudo-labels: their pixels, their areas, and their form as targets of the student.

use super::Labeller;
use crate::detector::{AreaMeasure, Candidate, GridLogits, MaskTarget, Masks};
use crate::ops;
use crate::structures::Mask;
use crate::tensor::{Later, Tape, Tensor2};

/// The probability at which logits are 0.
const HALF: f32 = 0.5;

/// The pixels of every mask of `logits` `[N, C]` whose probability is above `threshold`.
pub(super) fn pixels(logits: &Tensor2, threshold: f32) -> Later<Vec<Vec<u8>>> {
    if threshold == HALF || logits.rows() == 0 {
        return ops::above_zero(logits);
    }
    let bound = (threshold / (1.0 - threshold)).ln();
    let shift = Tensor2::constant(vec![-bound; logits.columns()], 1, logits.columns());
    let shift = shift.to(&logits.place());
    let shifted = ops::add_rows(&mut Tape::off(), logits, &shift, logits.rows());
    ops::above_zero(&shifted)
}

impl Labeller {
    /// True for each of the `candidates` whose mask is not larger than the least area.
    pub(super) fn are_small(&self, candidates: &[&Candidate], masks: &dyn Masks) -> Vec<bool> {
        let (least, threshold) = (self.config.min_area, self.config.mask_threshold);
        let rows = || candidates.iter().map(|one| one.mask).collect::<Vec<_>>();
        match self.config.area {
            AreaMeasure::Pixels if threshold == HALF => {
                candidates.iter().map(|one| one.area <= least).collect()
            }
            AreaMeasure::Pixels => {
                let bits = pixels(&masks.logits(&rows()), threshold).wait().into_iter();
                let area = |bits: Vec<u8>| bits.iter().filter(|bit| **bit == 1).count();
                bits.map(|bits| area(bits) <= least).collect()
            }
            AreaMeasure::Probability => {
                let grid = of_grid(masks, &rows());
                let values = grid.logits.host_values();
                let masks = values.chunks_exact(grid.logits.columns().max(1));
                let mass = |mask: &[f32]| -> f64 {
                    mask.iter()
                        .map(|logit| f64::from(ops::sigmoid(*logit)))
                        .sum()
                };
                masks.map(|mask| mass(mask) <= least as f64).collect()
            }
        }
    }

    /// The targets of the student for the masks `rows` of the proposals; none if the targets are the masks of the
    /// labels.
    pub(super) fn coarse(&self, masks: &dyn Masks, rows: &[usize]) -> Option<Vec<Mask>> {
        if self.config.mask_target == MaskTarget::Full {
            return None;
        }
        let GridLogits { logits, size } = of_grid(masks, rows);
        let bits = pixels(&logits, self.config.mask_threshold).wait();
        let mask = |bits| Mask::new(size.0, size.1, bits);
        Some(bits.into_iter().map(mask).collect())
    }
}

/// The masks `rows` on the network's own grid.
pub(super) fn of_grid(masks: &dyn Masks, rows: &[usize]) -> GridLogits {
    let grid = masks.grid_logits(rows);
    grid.expect("a recipe that asks a detector for a grid that it does not have is refused")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::on_every_place;
    use proptest::prelude::*;

    on_every_place! {
        fn a_pixel_belongs_to_a_mask_if_its_probability_is_above_the_threshold(place) {
            let logits = Tensor2::constant((-40..40).map(|i| i as f32 / 8.0).collect(), 2, 40);
            for threshold in [0.3, 0.42, 0.44, 0.5, 0.7] {
                let found = pixels(&logits.to(place), threshold).wait().concat();
                for (bit, logit) in found.iter().zip(logits.values()) {
                    assert_eq!(*bit == 1, ops::sigmoid(*logit) > threshold, "{logit} at {threshold}");
                }
            }
            assert!(pixels(&Tensor2::constant(vec![], 0, 4).to(place), 0.3).wait().is_empty());
        }
    }

    proptest! {
        #[test]
        fn a_lower_threshold_keeps_all_pixels_of_a_higher_one(logits in prop::collection::vec(-5.0f32..5.0, 1..30), a in 0.1f32..0.9, b in 0.1f32..0.9) {
            let count = logits.len();
            let logits = Tensor2::constant(logits, 1, count);
            let at = |threshold: f32| pixels(&logits, threshold).wait().remove(0);
            let pairs = at(a.min(b)).into_iter().zip(at(a.max(b)));
            prop_assert!(pairs.into_iter().all(|(low, high)| low >= high));
        }
    }
}
