//! Weighted softmax focal loss: a cross-entropy that counts a row the less, the better it is.
//!
//! `$$ \ell = \frac1d \sum_i w_i (1 - p_i)^\gamma\, \mathrm{CE}_i, \qquad \mathrm{CE}_i = -\ln p_i, \qquad
//!    p_i = \mathrm{softmax}(z_i)_{t_i} $$`
//! `$$ \partial z_{ik} = \frac{w_i}{d} \bigl( (1 - p_i)^\gamma + \gamma\, p_i (1 - p_i)^{\gamma - 1}\, \mathrm{CE}_i
//!    \bigr) \bigl(\mathrm{softmax}(z_i)_k - [k = t_i]\bigr) $$`
//!
//! Shapes: logits `[N, K]`, a target class and a weight per row -> `[1, 1]`. Source: Unbiased Teacher, the class loss
//! of its regions with an exponent of 1.5 and no class weight (facebookresearch/unbiased-teacher 6977c6f,
//! `fast_rcnn.py:70-103`); RetinaNet, eq. 4 (<https://arxiv.org/abs/1708.02002>), with a softmax.

#[allow(unsafe_code)]
mod cuda;

use crate::ops::cpu::unfilled;
use crate::ops::cpu::vector::{exp, max, sum};
use crate::tensor::cuda::Gpu;
use crate::tensor::{Tape, Tensor2};

/// `logits [N, K]`, `targets [N]` (each below K), `weights [N]` -> the weighted sum of the losses over `denominator`,
/// `[1, 1]`. `gamma`: the exponent.
///
/// Panics where the lengths disagree, a target is no class, or `gamma` is below 1, where the slope has no bound.
pub fn softmax_focal(
    tape: &mut Tape,
    logits: &Tensor2,
    targets: &[usize],
    weights: &[f32],
    gamma: f32,
    denominator: f32,
) -> Tensor2 {
    let (rows, classes) = (logits.rows(), logits.columns());
    let lengths = (targets.len(), weights.len());
    assert_eq!(lengths, (rows, rows), "targets and weights");
    assert!(gamma >= 1.0, "an exponent of {gamma}");
    for target in targets {
        assert!(*target < classes, "class {target} of {classes}");
    }
    if let Some(gpu) = Gpu::of(&[logits]) {
        let numbers = (gamma, denominator);
        return cuda::softmax_focal(tape, &gpu, logits, targets, weights, numbers);
    }
    let mut slopes = unfilled(rows * classes);
    let mut total = 0f64;
    let lines = logits.values().chunks_exact(classes.max(1));
    let lines = lines.zip(slopes.chunks_exact_mut(classes.max(1)));
    for ((z, slope), (&target, &weight)) in lines.zip(targets.iter().zip(weights)) {
        let most = max(z);
        for (s, z) in slope.iter_mut().zip(z) {
            *s = exp(z - most);
        }
        let mass = sum(slope);
        let cost = mass.ln() + most - z[target];
        // The other classes, not 1 less the target's: near 1 the difference would be rounding.
        let own = slope[target] / mass;
        let others: f32 = (0..classes)
            .filter(|k| *k != target)
            .map(|k| slope[k])
            .sum();
        let wrong = others / mass;
        let factor = libm::powf(wrong, gamma);
        total += f64::from(weight * factor * cost);
        let by_logit = factor + gamma * own * libm::powf(wrong, gamma - 1.0) * cost;
        let scale = weight * by_logit / denominator;
        slope.iter_mut().for_each(|s| *s *= scale / mass);
        slope[target] = -scale * wrong;
    }

    let loss = (total / f64::from(denominator)) as f32;
    let out = tape.output(vec![loss], 1, 1, &[logits]);
    let (logits, source) = (logits.clone(), out.clone());
    tape.record(&out, move |grads| {
        let factor = source.take_gradient(grads)[0];
        for (to, slope) in logits.gradient_mut(grads).iter_mut().zip(&slopes) {
            *to += factor * slope;
        }
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{gradients, on_every_place, parameter, same_bits};
    use crate::ops::{Focal, cross_entropy, sigmoid_focal};

    on_every_place! {
        fn gradients_match_differences(place) {
            for (rows, classes) in [(1, 2), (7, 5), (3, 40)] {
                let targets: Vec<usize> = (0..rows).map(|i| i * 5 % classes).collect();
                let weights: Vec<f32> = (0..rows).map(|i| 0.1 + i as f32).collect();
                for gamma in [1.0, 1.5, 2.0] {
                    let z = parameter(1, rows, classes, 2.0);
                    gradients(place, &[z], 1e-2, 3e-3, |tape, i| {
                        softmax_focal(tape, &i[0], &targets, &weights, gamma, 3.0)
                    });
                }
            }
        }

        fn an_even_guess_costs_a_power_of_a_half(place) {
            let z = Tensor2::constant(vec![7.0; 4], 2, 2).to(place);
            let loss = softmax_focal(&mut Tape::off(), &z, &[0, 1], &[1.0, 3.0], 1.5, 4.0).scalar();
            assert!((loss - 0.245_065).abs() < 1e-5, "{loss}");
        }

        /// With two classes, the softmax of (z, 0) is the sigmoid of z.
        fn with_two_classes_it_is_the_sigmoid_s(place) {
            let z = parameter(2, 30, 1, 3.0);
            let pairs = z.values().iter().flat_map(|z| [*z, 0.0]).collect();
            let pairs = Tensor2::constant(pairs, 30, 2).to(place);
            let found = softmax_focal(&mut Tape::off(), &pairs, &[0; 30], &[1.0; 30], 1.5, 1.0).scalar();
            let ones = Tensor2::constant(vec![1.0; 30], 30, 1);
            let focal = Focal { alpha: None, gamma: 1.5 };
            let expected = sigmoid_focal(&mut Tape::off(), &z, &ones, None, focal, 1.0).scalar();
            assert!((found - expected).abs() < 1e-5 * expected, "{found}, not {expected}");
        }

        fn rows_that_are_right_or_wrong_for_sure_stay_finite(place) {
            let z = Tensor2::parameter(vec![1e4, -1e4, 0.0, 1e4, -1e4, 0.0], 2, 3).to(place);
            let mut tape = Tape::recording();
            let loss = softmax_focal(&mut tape, &z, &[0, 1], &[1.0; 2], 1.5, 1.0);
            assert_eq!(loss.scalar(), 2e4, "the first costs nothing, the second its cross-entropy");
            let slopes = z.gradient(&mut tape.backward(&loss));
            for (found, expected) in slopes.iter().zip([0.0, 0.0, 0.0, 1.0, -1.0, 0.0]) {
                assert!((found - expected).abs() < 1e-30, "{slopes:?}");
            }
        }

        fn it_never_costs_more_than_the_cross_entropy(place) {
            let z = parameter(3, 40, 6, 2.0).to(place);
            for row in 0..40 {
                let weights: Vec<f32> = (0..40).map(|i| f32::from(u8::from(i == row))).collect();
                let plain = cross_entropy(&mut Tape::off(), &z, &[2; 40], &weights, 1.0).scalar();
                let focal = |gamma| softmax_focal(&mut Tape::off(), &z, &[2; 40], &weights, gamma, 1.0).scalar();
                assert!(focal(2.0) <= focal(1.5) && focal(1.5) <= plain, "row {row}");
                // The factor is a power of 1 - p, and the cost tells p.
                let expected = libm::powf(1.0 - libm::expf(-plain), 1.5) * plain;
                assert!((focal(1.5) - expected).abs() < 1e-4 * expected.max(1e-3), "row {row}");
            }
        }
    }

    #[test]
    fn the_number_of_threads_does_not_change_a_bit() {
        same_bits(&[parameter(4, 300, 81, 2.0)], |tape, i| {
            softmax_focal(tape, &i[0], &[3; 300], &[1.0; 300], 1.5, 7.0)
        });
    }
}
