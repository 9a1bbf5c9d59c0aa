//! Class quality and mask quality of a predicted object, PL-DC eq. 3 and 4.
//!
//! `$$ c = \max_j \frac{e^{x_j}}{\sum_i e^{x_i}}, \qquad
//!    m = \frac{\sum_i \sigma(q_i)\,[\sigma(q_i) > 0.5]}{\sum_i [\sigma(q_i) > 0.5] + \epsilon} $$`
//!
//! x: class logits, q: mask logits of all pixels. The epsilon is that of the released code: an empty mask has m = 0.

use crate::ops::{self, Foreground};

/// Keeps the quality of an empty mask finite (Mask2Former).
const EPSILON: f64 = 1e-6;

/// The softmax of a row of logits.
pub fn softmax(logits: &[f32]) -> Vec<f32> {
    let mut values = logits.to_vec();
    ops::softmax_rows(&mut values, logits.len());
    values
}

/// The index of the largest value. Of equal values it is the lowest index.
pub fn arg_max(values: &[f32]) -> usize {
    let mut best = 0;
    for (i, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = i;
        }
    }
    best
}

/// Eq. 3 for the object classes `logits[..objects]`: the most likely one and its probability under the softmax over all
/// of `logits` (which may end with no-object).
pub fn class_quality(logits: &[f32], objects: usize) -> (usize, f32) {
    let probabilities = softmax(logits);
    let class = arg_max(&probabilities[..objects]);
    (class, probabilities[class])
}

/// Eq. 4 and the number of pixels above 0.
pub fn mask_quality(logits: impl IntoIterator<Item = f32>) -> (f32, usize) {
    of_foreground(Foreground::of(logits))
}

/// Eq. 4 and the number of pixels above 0, from the sums over these pixels.
pub fn of_foreground(Foreground { mass, area }: Foreground) -> (f32, usize) {
    ((mass / (area as f64 + EPSILON)) as f32, area)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn logits(n: usize) -> impl Strategy<Value = Vec<f32>> {
        prop::collection::vec(-30.0f32..30.0, 1..n)
    }

    proptest! {
        #[test]
        fn qualities_are_probabilities(x in logits(12), q in logits(200)) {
            let (class, c) = class_quality(&x, x.len());
            prop_assert!((0.0..=1.0).contains(&c));
            // The largest of n probabilities is at least 1 / n.
            prop_assert!(c >= 1.0 / x.len() as f32 - 1e-6);
            prop_assert!(x.iter().all(|logit| *logit <= x[class]));
            let (m, area) = mask_quality(q.iter().copied());
            prop_assert!((0.0..=1.0).contains(&m));
            // sigma is above 0.5 on the whole mask, so is its mean.
            let least = if area == 0 { 0.0 } else { 0.5 - 1e-5 };
            prop_assert!(m >= least && (area > 0 || m == 0.0));
        }

        #[test]
        fn mask_quality_ignores_what_is_masked_out(q in logits(100), shift in 0.0f32..20.0) {
            let moved = q.iter().map(|logit| if *logit > 0.0 { *logit } else { logit - shift });
            prop_assert_eq!(mask_quality(q.iter().copied()), mask_quality(moved));
        }

        #[test]
        fn constant_logits_have_the_quality_of_one_pixel(logit in 0.01f32..20.0, n in 1usize..300) {
            let (m, area) = mask_quality(std::iter::repeat_n(logit, n));
            prop_assert_eq!(area, n);
            prop_assert!((m - ops::sigmoid(logit)).abs() < 2e-6, "{} of {}", m, logit);
        }

        #[test]
        fn class_quality_ignores_a_common_shift(x in logits(12), shift in -10.0f32..10.0) {
            let moved: Vec<f32> = x.iter().map(|logit| logit + shift).collect();
            let (a, b) = (class_quality(&x, x.len()), class_quality(&moved, x.len()));
            prop_assert!((a.1 - b.1).abs() < 1e-4);
        }

        #[test]
        fn no_object_only_takes_probability_away(x in logits(12), none in -10.0f32..10.0) {
            let k = x.len();
            let mut with = x.clone();
            with.push(none);
            let (class, c) = class_quality(&with, k);
            let (alone, foreground) = class_quality(&x, k);
            prop_assert!(class < k && c <= foreground + 1e-6);
            // Far below the maximum two probabilities may both round to 0, never at the maximum.
            prop_assert_eq!(x[class], x[alone]);
        }
    }

    #[test]
    fn an_empty_mask_has_no_quality() {
        assert_eq!(mask_quality([-3.0, 0.0, -0.1]), (0.0, 0));
        assert_eq!(mask_quality([]), (0.0, 0));
    }

    #[test]
    fn ties_go_to_the_lowest_index() {
        assert_eq!(arg_max(&[0.1, 0.4, 0.4, 0.1]), 1);
        assert_eq!(arg_max(&[f32::NAN, 0.4]), 0);
    }
}
