//! The squared differences of sigmoids from given probabilities.
//!
//! `$$ \ell = \frac1d \sum_i (\sigma(z_i) - t_i)^2, \qquad
//!    \partial z_i = \frac2d (\sigma(z_i) - t_i)\, \sigma(z_i) (1 - \sigma(z_i)) $$`
//!
//! Shapes: z and t `[N, C]` -> `[1, 1]`. The probabilities are constants. Source: CCT's loss of softmax probabilities
//! (yassouali/CCT 65d4e5b, `utils/losses.py`), for the two classes of a mask.

#[allow(unsafe_code)]
mod cuda;

use crate::ops::sigmoid;
use crate::tensor::cuda::Gpu;
use crate::tensor::{Tape, Tensor2};

/// The sum of the squared differences over `denominator`, `[1, 1]`.
///
/// Panics unless `targets` has the shape of `logits`.
pub fn sigmoid_squares(
    tape: &mut Tape,
    logits: &Tensor2,
    targets: &Tensor2,
    denominator: f32,
) -> Tensor2 {
    let shape = |tensor: &Tensor2| (tensor.rows(), tensor.columns());
    assert_eq!(shape(targets), shape(logits), "probabilities of the logits");
    if let Some(gpu) = Gpu::of(&[logits]) {
        return cuda::sigmoid_squares(tape, &gpu, logits, targets, denominator);
    }
    let mut total = 0f64;
    let values = logits.values().iter().zip(targets.values());
    let slopes: Vec<f32> = values
        .map(|(z, target)| {
            let p = sigmoid(*z);
            let error = p - target;
            total += f64::from(error * error);
            2.0 * error * p * (1.0 - p) / denominator
        })
        .collect();
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
    use crate::ops::check::{gradients, on_every_place, parameter, same_as_host};
    use crate::ops::{Distance, softmax_distance};

    /// Numbers from 0 to 1.
    fn probabilities(seed: u64, rows: usize, columns: usize) -> Tensor2 {
        let values = parameter(seed, rows, columns, 2.0);
        let values = values.values().iter().map(|z| sigmoid(*z)).collect();
        Tensor2::constant(values, rows, columns)
    }

    on_every_place! {
        fn gradients_match_differences(place) {
            let targets = probabilities(2, 7, 5);
            gradients(place, &[parameter(1, 7, 5, 2.0)], 1e-2, 3e-3, |tape, i| {
                sigmoid_squares(tape, &i[0], &targets, 3.0)
            });
        }

        fn values_worked_out_by_hand(place) {
            // Sigmoids 3/4, 1/2 and 1.
            let z = Tensor2::constant(vec![3f32.ln(), 0.0, 1e4], 1, 3).to(place);
            let targets = Tensor2::constant(vec![0.25, 0.5, 0.0], 1, 3);
            let loss = sigmoid_squares(&mut Tape::off(), &z, &targets, 5.0).scalar();
            assert!((loss - 1.25 / 5.0).abs() < 1e-6, "{loss}");
            let nothing = Tensor2::constant(vec![], 0, 4).to(place);
            assert_eq!(sigmoid_squares(&mut Tape::off(), &nothing, &nothing, 1.0).scalar(), 0.0);
        }

        /// The softmax of (z, 0) is the sigmoid of z, and the error of the second class is that of the first.
        fn it_is_half_of_the_softmax_s_with_two_classes(place) {
            let z = parameter(2, 30, 1, 3.0);
            let targets = probabilities(5, 30, 1);
            let pairs = z.values().iter().flat_map(|z| [*z, 0.0]).collect();
            let pairs = Tensor2::constant(pairs, 30, 2);
            let both = targets.values().iter().flat_map(|t| [*t, 1.0 - t]).collect();
            let both = Tensor2::constant(both, 30, 2);
            let softmax = softmax_distance(&mut Tape::off(), &pairs, &both, Distance::Squares, 2.0).scalar();
            let found = sigmoid_squares(&mut Tape::off(), &z.to(place), &targets, 1.0).scalar();
            assert!((found - softmax).abs() < 1e-5 * softmax, "{found}, not {softmax}");
        }

        fn many_values(place) {
            let targets = probabilities(4, 90, 784);
            same_as_host(place, &[parameter(3, 90, 784, 2.0)], 2e-5, |tape, i| {
                sigmoid_squares(tape, &i[0], &targets, 90.0)
            });
        }
    }
}
