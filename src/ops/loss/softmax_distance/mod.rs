//! The distance of softmax rows from given probabilities: their divergence, or the sum of their squared differences.
//!
//! `$$ \ell = \frac1d \sum_{ik} \tilde t_{ik} (\ln \tilde t_{ik} - \ln \tilde p_{ik}) \qquad\text{or}\qquad
//!    \ell = \frac1d \sum_{ik} (p_{ik} - t_{ik})^2, \qquad p_i = \mathrm{softmax}(z_i), \quad
//!    \tilde x = x + \epsilon $$`
//! `$$ \partial z_{ik} = \frac1d\, p_{ik} \Bigl(g_{ik} - \sum_j g_{ij} p_{ij}\Bigr), \qquad
//!    g = -\frac{\tilde t}{\tilde p} \quad\text{or}\quad g = 2 (p - t) $$`
//!
//! Shapes: logits z and probabilities t `[N, K]` -> `[1, 1]`. The probabilities are constants. Source: the divergence
//! of CSD (soo89/CSD-SSD 49973cc, `train_csd.py:268-380`), which adds epsilon to both sides; the squares of CCT
//! (yassouali/CCT 65d4e5b, `utils/losses.py`).

#[allow(unsafe_code)]
mod cuda;

use crate::ops::cpu::unfilled;
use crate::ops::cpu::vector::{exp, max, sum};
use crate::tensor::cuda::Gpu;
use crate::tensor::{Tape, Tensor2};

/// The measure of a distance between two distributions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Distance {
    /// The Kullback-Leibler divergence of the softmax from the given probabilities.
    Divergence {
        /// Added to every probability. It keeps the logarithms finite.
        epsilon: f32,
    },
    /// The sum of the squared differences.
    Squares,
}

impl Distance {
    /// The cost of a probability `p` that should be `target`, and its derivative by `p`.
    fn of(self, p: f32, target: f32) -> (f32, f32) {
        match self {
            Self::Divergence { epsilon } => {
                let (p, target) = (p + epsilon, target + epsilon);
                (target * (libm::logf(target) - libm::logf(p)), -target / p)
            }
            Self::Squares => {
                let error = p - target;
                (error * error, 2.0 * error)
            }
        }
    }
}

/// The sum of the distances of all rows of `logits [N, K]` from those of `targets [N, K]` over `denominator`, `[1, 1]`.
///
/// Panics unless both have one shape and epsilon is above 0.
pub fn softmax_distance(
    tape: &mut Tape,
    logits: &Tensor2,
    targets: &Tensor2,
    distance: Distance,
    denominator: f32,
) -> Tensor2 {
    let (rows, classes) = (logits.rows(), logits.columns());
    let shape = (targets.rows(), targets.columns());
    assert_eq!(shape, (rows, classes), "probabilities for the logits");
    if let Distance::Divergence { epsilon } = distance {
        assert!(epsilon > 0.0, "an epsilon of {epsilon}");
    }
    if let Some(gpu) = Gpu::of(&[logits]) {
        return cuda::softmax_distance(tape, &gpu, logits, targets, distance, denominator);
    }
    let mut slopes = unfilled(rows * classes);
    let mut total = 0f64;
    let width = classes.max(1);
    let lines = logits.values().chunks_exact(width);
    let lines = lines.zip(targets.values().chunks_exact(width));
    for ((z, targets), slopes) in lines.zip(slopes.chunks_exact_mut(width)) {
        let most = max(z);
        for (p, z) in slopes.iter_mut().zip(z) {
            *p = exp(z - most);
        }
        let mass = sum(slopes);
        let mut along = 0f64;
        for (p, target) in slopes.iter_mut().zip(targets) {
            *p /= mass;
            let (cost, slope) = distance.of(*p, *target);
            total += f64::from(cost);
            along += f64::from(slope * *p);
        }
        for (p, target) in slopes.iter_mut().zip(targets) {
            let (_, slope) = distance.of(*p, *target);
            *p *= (slope - along as f32) / denominator;
        }
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
    use crate::ops::check::{gradients, on_every_place, parameter, same_as_host, same_bits};
    use crate::ops::softmax_rows;

    const CSD: Distance = Distance::Divergence { epsilon: 1e-7 };

    /// Rows of probabilities.
    fn probabilities(seed: u64, rows: usize, classes: usize) -> Tensor2 {
        let mut values = parameter(seed, rows, classes, 2.0).values().to_vec();
        softmax_rows(&mut values, classes);
        Tensor2::constant(values, rows, classes)
    }

    on_every_place! {
        fn gradients_match_differences(place) {
            for (rows, classes) in [(1, 2), (7, 5), (3, 40)] {
                let targets = probabilities(9, rows, classes);
                for distance in [CSD, Distance::Divergence { epsilon: 0.5 }, Distance::Squares] {
                    let z = parameter(1, rows, classes, 2.0);
                    gradients(place, &[z], 1e-2, 5e-3, |tape, i| {
                        softmax_distance(tape, &i[0], &targets, distance, 3.0)
                    });
                }
            }
        }

        fn two_rows_worked_out_by_hand(place) {
            // Softmax 3/4, 1/4 and 1/2, 1/2; probabilities 1/2, 1/2 and 1, 0.
            let z = Tensor2::constant(vec![3f32.ln(), 0.0, 2.0, 2.0], 2, 2).to(place);
            let targets = Tensor2::constant(vec![0.5, 0.5, 1.0, 0.0], 2, 2);
            let found = |distance| softmax_distance(&mut Tape::off(), &z, &targets, distance, 4.0).scalar();
            // 0.5 ln(2/3) + 0.5 ln 2 = 0.143841, and ln 2.
            let expected = (0.143_841 + std::f32::consts::LN_2) / 4.0;
            assert!((found(CSD) - expected).abs() < 1e-5, "{}", found(CSD));
            let squares = (2.0 * 0.0625 + 2.0 * 0.25) / 4.0;
            assert!((found(Distance::Squares) - squares).abs() < 1e-6);
        }

        /// The divergence is not symmetric: the targets are the first distribution.
        fn equal_rows_have_no_distance_and_no_slope(place) {
            let z = parameter(3, 6, 9, 2.0);
            let mut own = z.values().to_vec();
            softmax_rows(&mut own, 9);
            let own = Tensor2::constant(own, 6, 9);
            let z = z.to(place);
            for distance in [CSD, Distance::Squares] {
                let mut tape = Tape::recording();
                let loss = softmax_distance(&mut tape, &z, &own, distance, 1.0);
                assert!(loss.scalar().abs() < 1e-5, "{distance:?}: {}", loss.scalar());
                let slopes = z.gradient(&mut tape.backward(&loss));
                assert!(slopes.iter().all(|slope| slope.abs() < 1e-5), "{distance:?}: {slopes:?}");
            }
        }

        fn probabilities_of_0_stay_finite(place) {
            let z = Tensor2::parameter(vec![1e4, -1e4, 0.0], 1, 3).to(place);
            let targets = Tensor2::constant(vec![0.0, 1.0, 0.0], 1, 3);
            let mut tape = Tape::recording();
            let loss = softmax_distance(&mut tape, &z, &targets, CSD, 1.0);
            // ln(1 / 1e-7), less what the other class gives: 1e-7 ln(1e-7).
            assert!((loss.scalar() - 16.118).abs() < 1e-2, "{}", loss.scalar());
            assert!(z.gradient(&mut tape.backward(&loss)).iter().all(|slope| slope.is_finite()));
        }

        fn no_row_costs_nothing(place) {
            let nothing = Tensor2::constant(vec![], 0, 4).to(place);
            for distance in [CSD, Distance::Squares] {
                let loss = softmax_distance(&mut Tape::off(), &nothing, &nothing, distance, 1.0);
                assert_eq!(loss.scalar(), 0.0);
            }
        }

        fn many_rows_of_many_classes(place) {
            let targets = probabilities(5, 300, 81);
            for distance in [CSD, Distance::Squares] {
                same_as_host(place, &[parameter(4, 300, 81, 2.0)], 2e-5, |tape, i| {
                    softmax_distance(tape, &i[0], &targets, distance, 300.0)
                });
            }
        }
    }

    #[test]
    fn the_number_of_threads_does_not_change_a_bit() {
        let targets = probabilities(5, 300, 81);
        same_bits(&[parameter(4, 300, 81, 2.0)], |tape, i| {
            softmax_distance(tape, &i[0], &targets, CSD, 7.0)
        });
    }
}
