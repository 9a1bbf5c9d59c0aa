//! The loss of the predicted IoU of masks, for the regions F that have to find an object.
//!
//! | head | target | loss |
//! |---|---|---|
//! | `flat` | `$t = \frac{\|P \cap G\|}{\|P \cup G\|}$` in the region | `$\frac1{\|F\|} \sum_r \mathrm{BCE}(z_r, t_r)$` |
//! | `scoring` | `$t = \frac{\|P \cap G\|}{\max(1,\, \|P\| + \|G\| / \rho - \|P \cap G\|)}$` | `$\frac1{\|F_+\|} \sum_{r \in F_+} \frac12 (z_r - t_r)^2$` |
//!
//! P: the predicted mask in the region, cut at a probability of 0.5; G: its object there. `$\rho$`: the share of the
//! object's pixels whose centres lie in the region, so that what the region misses counts as missed; F+: the regions
//! with a target above 0. A target depends on the mask but gives it no gradient. The weights of pseudo-labels are none
//! of this loss: Polite Teacher's gate shuts out the mask loss alone.
//!
//! Sources: hujiecpp/PAIS 3f3e24d, `fcn_mask_head_iou.py`; youngwanLEE/centermask2 6adabd6, `mask_head.py`,
//! `maskiou_head.py`, whose share is that of polygons' areas.

use super::zero;
use crate::graph::regional::IouPredictions;
use crate::ops;
use crate::tensor::{Tape, Tensor2};

/// Half a squared error is a smooth L1 loss with a bound that no error reaches, times that bound: a power of 2, by
/// which nothing is rounded.
const BOUND: f32 = 1024.0;
/// The smallest share of an object in a region.
const LEAST_SHARE: f32 = 1e-10;
/// The least value of a target from which a pixel belongs to an object.
const INSIDE: f32 = 0.5;

/// A predicted mask and its object.
pub struct Pair<'a> {
    /// The logits of the mask.
    pub logits: &'a [f32],
    /// The mask of the object in the region.
    pub object: &'a [f32],
    /// The share of the object that lies in the region.
    pub share: f32,
}

/// The loss of the IoU of all `pairs`, in the order of the `predictions`. `counted`: the divisor, if there are others
/// than these.
pub fn iou_loss<'a>(
    tape: &mut Tape,
    predictions: &IouPredictions,
    pairs: impl Iterator<Item = Pair<'a>>,
    counted: Option<f32>,
) -> Tensor2 {
    match predictions {
        IouPredictions::Logits(logits) => {
            let targets: Vec<f32> = pairs.map(|pair| pair.in_region()).collect();
            let count = targets.len();
            let targets = Tensor2::constant(targets, count, 1);
            ops::bce_points(
                tape,
                logits,
                &targets,
                None,
                counted.unwrap_or(count as f32),
            )
        }
        IouPredictions::Values(values) => {
            let targets = pairs.map(|pair| pair.with_the_rest()).enumerate();
            let above = targets.filter(|(_, target)| *target > 0.0);
            let (rows, targets): (Vec<usize>, Vec<f32>) = above.unzip();
            if rows.is_empty() {
                return zero();
            }
            let count = rows.len();
            let found = ops::pick(tape, values, &rows, &vec![0; count], 1);
            let targets = Tensor2::constant(targets, count, 1);
            let divisor = counted.unwrap_or(count as f32) / BOUND;
            ops::smooth_l1(tape, &found, &targets, BOUND, divisor)
        }
    }
}

impl Pair<'_> {
    /// The numbers of pixels of the mask above a bound, of the object, and of both.
    fn areas(&self, is_set: impl Fn(f32) -> bool) -> [f32; 3] {
        let mut areas = [0usize; 3];
        for (logit, object) in self.logits.iter().zip(self.object) {
            let (mask, object) = (is_set(*logit), *object >= INSIDE);
            areas[0] += usize::from(mask);
            areas[1] += usize::from(object);
            areas[2] += usize::from(mask && object);
        }
        areas.map(|area| area as f32)
    }

    /// The IoU in the region; 0 if both are empty.
    fn in_region(&self) -> f32 {
        let [mask, object, both] = self.areas(|logit| logit >= 0.0);
        both / (mask + object - both).max(1.0)
    }

    /// The IoU with the whole object.
    pub fn with_the_rest(&self) -> f32 {
        let [mask, object, both] = self.areas(|logit| logit > 0.0);
        let object = object / self.share.clamp(LEAST_SHARE, 1.0);
        both / (mask + object - both).max(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Masks of a list of pixels, `mask` first ones and `object` ones from `first` on.
    fn lists(mask: usize, first: usize, object: usize) -> (Vec<f32>, Vec<f32>) {
        let logit = |i: usize| if i < mask { 2.0 } else { -2.0 };
        let set = |i: usize| f32::from(u8::from((first..first + object).contains(&i)));
        ((0..784).map(logit).collect(), (0..784).map(set).collect())
    }

    #[test]
    fn what_lies_outside_of_the_region_counts_as_missed() {
        let (logits, object) = lists(400, 100, 350);
        let pair = |share| Pair {
            logits: &logits,
            object: &object,
            share,
        };
        let close = |found: f32, expected: f32| {
            assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
        };
        close(pair(0.5).with_the_rest(), 0.375);
        close(pair(1.0).with_the_rest(), 300.0 / 450.0);
        close(pair(0.5).in_region(), 300.0 / 450.0);
        let least = pair(0.0).with_the_rest();
        assert!(least > 0.0 && least < 1e-9, "a share is never 0: {least}");
        // Nothing is predicted and nothing is there.
        let (logits, object) = lists(0, 0, 0);
        let nothing = Pair {
            logits: &logits,
            object: &object,
            share: 1.0,
        };
        assert_eq!((nothing.in_region(), nothing.with_the_rest()), (0.0, 0.0));
    }

    #[test]
    fn a_pixel_at_one_half_belongs_to_the_flat_target_alone() {
        let pair = Pair {
            logits: &[0.0, 1.0],
            object: &[1.0, 1.0],
            share: 1.0,
        };
        assert_eq!((pair.in_region(), pair.with_the_rest()), (1.0, 0.5));
    }

    /// Four regions: of the second the mask misses its object.
    fn four() -> Vec<(Vec<f32>, Vec<f32>)> {
        vec![
            lists(10, 5, 10),
            lists(10, 20, 5),
            lists(8, 0, 8),
            lists(4, 2, 4),
        ]
    }

    fn loss(predicted: &[f32], values: bool) -> (f32, Vec<f32>) {
        let all = four();
        let pairs = all.iter().map(|(logits, object)| Pair {
            logits,
            object,
            share: 1.0,
        });
        let leaf = Tensor2::parameter(predicted.to_vec(), predicted.len(), 1);
        let predictions = match values {
            true => IouPredictions::Values(leaf.clone()),
            false => IouPredictions::Logits(leaf.clone()),
        };
        let mut tape = Tape::recording();
        let loss = iou_loss(&mut tape, &predictions, pairs, None);
        let mut grads = tape.backward(&loss);
        (loss.scalar(), leaf.gradient(&mut grads))
    }

    #[test]
    fn half_the_squared_error_is_averaged_over_targets_above_zero() {
        // Targets 5/15, 0, 1, 2/6.
        let (value, gradient) = loss(&[0.5, 0.9, -2.0, 1.0 / 3.0], true);
        let errors = [0.5 - 1.0 / 3.0, -3.0, 0.0f32];
        let expected = errors.iter().map(|e| 0.5 * e * e).sum::<f32>() / 3.0;
        assert!((value - expected).abs() < 1e-6, "{value}, not {expected}");
        let expected = [errors[0] / 3.0, 0.0, -1.0, 0.0];
        for (found, expected) in gradient.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{gradient:?}");
        }
    }

    #[test]
    fn the_cross_entropy_is_averaged_over_all() {
        let (value, gradient) = loss(&[0.0, -1.0, 2.0, 0.3], false);
        let targets = [1.0 / 3.0, 0.0, 1.0, 1.0 / 3.0f32];
        let entropy = |(z, t): (f32, f32)| (1.0 + z.exp()).ln() - z * t;
        let logits = [0.0, -1.0, 2.0, 0.3f32];
        let expected = logits.into_iter().zip(targets).map(entropy).sum::<f32>() / 4.0;
        assert!((value - expected).abs() < 1e-5, "{value}, not {expected}");
        for ((found, z), t) in gradient.iter().zip(logits).zip(targets) {
            assert!((found - (ops::sigmoid(z) - t) / 4.0).abs() < 1e-6);
        }
    }

    proptest! {
        #[test]
        fn a_target_is_an_iou_and_a_smaller_share_lowers_it(
            mask in 0usize..784, first in 0usize..400, object in 0usize..384, share in 0.01f32..1.0,
        ) {
            let (logits, object) = lists(mask, first, object);
            let pair = |share| Pair { logits: &logits, object: &object, share };
            let (whole, part) = (pair(1.0), pair(share));
            for found in [whole.in_region(), whole.with_the_rest(), part.with_the_rest()] {
                prop_assert!((0.0..=1.0).contains(&found));
            }
            prop_assert_eq!(whole.in_region(), whole.with_the_rest());
            prop_assert!(part.with_the_rest() <= whole.with_the_rest());
        }
    }
}
