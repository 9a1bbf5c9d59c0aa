//! Smooth L1 loss, and L1 with `beta = 0`.
//!
//! `$$ \ell = \frac1d \sum_i \begin{cases} \dfrac{e_i^2}{2 \beta} & |e_i| < \beta \\[1ex] |e_i| - \dfrac\beta2 &
//!    \text{otherwise} \end{cases}, \qquad e = x - t $$`
//!
//! Shapes: x and t `[N, C]` -> `[1, 1]`. Source: Fast R-CNN, eq. 3 (<https://arxiv.org/abs/1504.08083>), with the bound
//! beta of PyTorch's `smooth_l1_loss`; the slope of L1 at 0 is 0, as in PyTorch.

#[allow(unsafe_code)]
mod cuda;

use crate::tensor::cuda::Gpu;
use crate::tensor::{Tape, Tensor2};

/// The sum of the losses of all values over `denominator`, `[1, 1]`.
///
/// Panics unless `targets` has the shape of `x` and `beta` is at least 0.
pub fn smooth_l1(
    tape: &mut Tape,
    x: &Tensor2,
    targets: &Tensor2,
    beta: f32,
    denominator: f32,
) -> Tensor2 {
    let shape = |tensor: &Tensor2| (tensor.rows(), tensor.columns());
    assert_eq!(shape(targets), shape(x), "targets of the predictions");
    assert!(beta >= 0.0, "a bound of {beta}");
    if let Some(gpu) = Gpu::of(&[x]) {
        return cuda::smooth_l1(tape, &gpu, x, targets, beta, denominator);
    }
    let mut total = 0f64;
    let values = x.values().iter().zip(targets.values());
    let slopes: Vec<f32> = values
        .map(|(x, target)| {
            let error = x - target;
            let (cost, slope) = if error.abs() < beta {
                (0.5 * error * error / beta, error / beta)
            } else if error == 0.0 {
                (0.0, 0.0)
            } else {
                (error.abs() - 0.5 * beta, error.signum())
            };
            total += f64::from(cost);
            slope / denominator
        })
        .collect();
    let loss = (total / f64::from(denominator)) as f32;
    let out = tape.output(vec![loss], 1, 1, &[x]);
    let (x, source) = (x.clone(), out.clone());
    tape.record(&out, move |grads| {
        let factor = source.take_gradient(grads)[0];
        for (to, slope) in x.gradient_mut(grads).iter_mut().zip(&slopes) {
            *to += factor * slope;
        }
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{gradients, on_every_place};
    use crate::ops::golden;

    on_every_place! {
        fn gradients_match_differences(place) {
            for beta in [0.0, 0.3, 5.0] {
                let targets = Tensor2::constant(vec![0.0; 28], 7, 4);
                // No value is near a kink: 0, or the bound.
                let x = (0..28).map(|i| ((i * 7 % 13) as f32 - 6.25) / 4.0).collect();
                gradients(place, &[Tensor2::parameter(x, 7, 4)], 1e-3, 1e-2, |tape, i| {
                    smooth_l1(tape, &i[0], &targets, beta, 3.0)
                });
            }
        }

        fn the_bound_divides_square_and_line(place) {
            let x = Tensor2::constant(vec![0.25, -2.0, 0.0], 1, 3).to(place);
            let zero = Tensor2::constant(vec![0.0; 3], 1, 3);
            let at = |beta| smooth_l1(&mut Tape::off(), &x, &zero, beta, 2.0).scalar();
            assert!((at(0.0) - 2.25 / 2.0).abs() < 1e-6);
            // 0.25^2 / 2 / 0.5 = 0.0625 and 2 - 0.25.
            assert!((at(0.5) - 1.8125 / 2.0).abs() < 1e-6);
            let nothing = Tensor2::constant(vec![], 0, 4).to(place);
            assert_eq!(smooth_l1(&mut Tape::off(), &nothing, &nothing, 0.1, 1.0).scalar(), 0.0);
        }

        fn parity_with_pytorch(place) {
            let tensors = golden::load("rcnn_ops");
            for (case, beta) in [("l1", 0.0), ("smooth_l1", 1.0 / 9.0)] {
                let (shape, values) = &tensors[&format!("{case}.targets")];
                let targets = Tensor2::constant(values.clone(), shape[0], shape[1]);
                golden::check(place, &tensors, case, &["x"], 1e-5, |tape, i| {
                    smooth_l1(tape, &i[0], &targets, beta, 3.0)
                });
            }
        }
    }
}
