//! Sigmoid focal loss: a binary cross-entropy that counts a prediction the less, the better it is.
//!
//! `$$ \ell = \frac1d \sum_{n} w_n \sum_{i \in n} \alpha_i\, q_i^\gamma\, \mathrm{bce}(z_i, t_i), \qquad
//!    q = p (1 - t) + (1 - p) t, \qquad p = \sigma(z), \qquad \alpha_i = \alpha t + (1 - \alpha)(1 - t) $$`
//!
//! q is the probability of the wrong answer where t is 0 or 1. The slope by z is
//!
//! `$$ \alpha_i\, q^\gamma \Bigl( p - t + \gamma (1 - 2t) \frac{p (1 - p)}{q}\, \mathrm{bce} \Bigr) $$`
//!
//! Shapes: logits z and targets t `[N, C]`, weights w of the rows `[N, 1]` -> `[1, 1]`. Source: RetinaNet, eq. 5
//! (<https://arxiv.org/abs/1708.02002>), and torchvision's `sigmoid_focal_loss`.

#[allow(unsafe_code)]
mod cuda;

use super::by_row::sum_of_rows;
use crate::ops::cpu::vector::{exp, ln_1p};
use crate::tensor::cuda::Gpu;
use crate::tensor::{Tape, Tensor2};

/// Cost of a value in multiply-adds: an exponential, a logarithm and a power.
const VALUE_WORK: usize = 48;

/// The numbers of a focal loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Focal {
    /// The weight of targets of 1; those of 0 have 1 - alpha. None: all have 1.
    pub alpha: Option<f32>,
    /// The exponent; 0: the cross-entropy itself.
    pub gamma: f32,
}

impl Focal {
    /// The weights of targets of 0 and of 1.
    fn weights(self) -> [f32; 2] {
        self.alpha.map_or([1.0; 2], |alpha| [1.0 - alpha, alpha])
    }
}

/// The sum of the losses of all values over `denominator`, `[1, 1]`. `weights` `[N, 1]`: 1 if there are none.
///
/// Panics unless `targets` has the shape of `logits`, every row has a weight, and `gamma` is at least 0.
pub fn sigmoid_focal(
    tape: &mut Tape,
    logits: &Tensor2,
    targets: &Tensor2,
    weights: Option<&Tensor2>,
    focal: Focal,
    denominator: f32,
) -> Tensor2 {
    let shape = |tensor: &Tensor2| (tensor.rows(), tensor.columns());
    assert_eq!(shape(targets), shape(logits), "targets of the logits");
    if let Some(weights) = weights {
        assert_eq!(shape(weights), (logits.rows(), 1), "a weight of every row");
    }
    assert!(focal.gamma >= 0.0, "an exponent of {}", focal.gamma);
    if let Some(gpu) = Gpu::of(&[logits]) {
        return cuda::sigmoid_focal(tape, &gpu, logits, targets, weights, focal, denominator);
    }
    let scale = 1.0 / denominator;
    sum_of_rows(
        tape,
        logits,
        targets.values(),
        VALUE_WORK,
        |row, z, t, slopes| {
            let scale = scale * weights.map_or(1.0, |weights| weights.values()[row]);
            let mut total = 0.0;
            for ((slope, &z), &t) in slopes.iter_mut().zip(z).zip(t) {
                let (cost, by_logit) = value(z, t, focal);
                total += cost;
                *slope = by_logit * scale;
            }
            total * scale
        },
    )
}

/// The loss of a logit and its slope.
fn value(z: f32, t: f32, focal: Focal) -> (f32, f32) {
    let small = exp(-z.abs());
    let (more, less) = (1.0 / (1.0 + small), small / (1.0 + small));
    // Both without a difference of two numbers near 1.
    let (p, not_p) = if z >= 0.0 { (more, less) } else { (less, more) };
    let bce = z.max(0.0) - z * t + ln_1p(small);
    let q = p * (1.0 - t) + not_p * t;
    // Where the answer is right to the last bit, nothing of the second term is left.
    let ratio = if q > 0.0 { p * not_p / q } else { 0.0 };
    let [zero, one] = focal.weights();
    let factor = (zero * (1.0 - t) + one * t) * libm::powf(q, focal.gamma);
    let slope = p - t + focal.gamma * (1.0 - 2.0 * t) * ratio * bce;
    (factor * bce, factor * slope)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{gradients, on_every_place, parameter, same_bits, same_bits_again};
    use crate::ops::{bce_points, golden};

    const PUBLISHED: Focal = Focal {
        alpha: Some(0.25),
        gamma: 2.0,
    };
    const PLAIN: Focal = Focal {
        alpha: None,
        gamma: 0.0,
    };

    /// As many as there are logits, where these are.
    fn targets(z: &Tensor2) -> Tensor2 {
        let values = (0..z.len()).map(|i| [0.0, 1.0, 0.0, 0.3][i % 4]).collect();
        Tensor2::constant(values, z.rows(), z.columns()).to(&z.place())
    }

    on_every_place! {
        fn gradients_match_differences(place) {
            for (alpha, gamma) in [(Some(0.25), 2.0), (None, 1.5), (None, 0.5), (Some(0.75), 0.0)] {
                let z = parameter(1, 5, 7, 2.0);
                gradients(place, &[z], 1e-2, 5e-3, |tape, i| {
                    sigmoid_focal(tape, &i[0], &targets(&i[0]), None, Focal { alpha, gamma }, 3.0)
                });
            }
        }

        fn weights_of_rows_are_factors(place) {
            let z = parameter(6, 7, 11, 2.0);
            let weights = Tensor2::constant(vec![0.0, 1.0, 0.5, 2.0, 0.0, 1.0, 3.0], 7, 1);
            let of_row = |row: usize| {
                let own = |all: &Tensor2| Tensor2::constant(all.values()[row * 11..][..11].to_vec(), 1, 11).to(place);
                let (logits, targets) = (own(&z), own(&targets(&z)));
                sigmoid_focal(&mut Tape::off(), &logits, &targets, None, PUBLISHED, 2.0).scalar()
            };
            let expected: f32 = (0..7).map(|row| weights.values()[row] * of_row(row)).sum();
            let there = z.to(place);
            let t = targets(&z);
            let found = sigmoid_focal(&mut Tape::off(), &there, &t, Some(&weights), PUBLISHED, 2.0).scalar();
            assert!((found - expected).abs() <= 1e-5 * expected, "{found}, not {expected}");
            gradients(place, &[z], 1e-2, 5e-3, |tape, i| {
                sigmoid_focal(tape, &i[0], &targets(&i[0]), Some(&weights), PUBLISHED, 3.0)
            });
        }

        fn an_exponent_of_0_is_the_cross_entropy(place) {
            let z = parameter(2, 6, 70, 3.0).to(place);
            let focal = sigmoid_focal(&mut Tape::off(), &z, &targets(&z), None, PLAIN, 2.0).scalar();
            // It divides by the number of columns as well.
            let bce = 70.0 * bce_points(&mut Tape::off(), &z, &targets(&z), None, 2.0).scalar();
            assert!((focal - bce).abs() <= 1e-5 * bce, "{focal}, not {bce}");
        }

        fn extreme_logits_have_finite_losses_and_slopes(place) {
            let t = Tensor2::constant(vec![0.0, 1.0, 0.0, 1.0], 1, 4);
            for gamma in [0.0, 0.5, 2.0] {
                let focal = Focal { gamma, ..PUBLISHED };
                let z = Tensor2::parameter(vec![-1e4, 1e4, 1e4, -1e4], 1, 4).to(place);
                let mut tape = Tape::recording();
                let loss = sigmoid_focal(&mut tape, &z, &t, None, focal, 1.0);
                assert_eq!(loss.scalar(), 1e4 * (0.75 + 0.25), "gamma {gamma}");
                let slopes = z.gradient(&mut tape.backward(&loss));
                assert!(slopes[..2].iter().all(|slope| slope.abs() < 1e-30), "gamma {gamma}: {slopes:?}");
                assert_eq!(slopes[2..], [0.75, -0.25], "gamma {gamma}");
            }
        }

        fn nothing_costs_nothing_and_much_costs_the_same_again(place) {
            let none = Tensor2::constant(vec![], 0, 4).to(place);
            assert_eq!(sigmoid_focal(&mut Tape::off(), &none, &none, None, PUBLISHED, 1.0).scalar(), 0.0);
            // More than one block of the GPU.
            let z = parameter(3, 700, 13, 2.0);
            same_bits_again(place, &[z], |tape, i| {
                sigmoid_focal(tape, &i[0], &targets(&i[0]), None, PUBLISHED, 700.0)
            });
        }

        fn parity_with_torchvision(place) {
            let tensors = golden::load("rcnn_losses");
            let other = Focal { alpha: None, gamma: 1.5 };
            let zero = Focal { alpha: Some(0.75), gamma: 0.0 };
            for (case, focal) in [("focal", PUBLISHED), ("focal_plain", other), ("focal_zero", zero)] {
                let (shape, values) = &tensors[&format!("{case}.targets")];
                let targets = Tensor2::constant(values.clone(), shape[0], shape[1]);
                golden::check(place, &tensors, case, &["logits"], 1e-5, |tape, i| {
                    sigmoid_focal(tape, &i[0], &targets, None, focal, 3.0)
                });
            }
        }
    }

    #[test]
    fn an_even_guess_costs_a_power_of_a_half() {
        let z = Tensor2::constant(vec![0.0], 1, 1);
        let one = Tensor2::constant(vec![1.0], 1, 1);
        let focal = Focal {
            alpha: None,
            gamma: 1.5,
        };
        let found = sigmoid_focal(&mut Tape::off(), &z, &one, None, focal, 1.0).scalar();
        assert!((found - 0.245_065).abs() < 1e-5, "{found}");
    }

    #[test]
    fn the_number_of_threads_does_not_change_a_bit() {
        same_bits(&[parameter(4, 900, 80, 2.0)], |tape, i| {
            sigmoid_focal(tape, &i[0], &targets(&i[0]), None, PUBLISHED, 7.0)
        });
    }
}
