//! Weighted softmax cross-entropy.
//!
//! `$$ \ell = \frac{1}{d} \sum_i w_i \Bigl(\log \textstyle\sum_k e^{z_{ik}} - z_{i t_i}\Bigr), \qquad
//!    \partial z_{ik} = \frac{w_i}{d} \bigl(\mathrm{softmax}(z_i)_k - [k = t_i]\bigr) $$`
//!
//! Shapes: logits `[N, K]`, a target class and a weight per row -> `[1, 1]`. Source: PyTorch's
//! `cross_entropy`, whose weighted mean is this with `$d = \sum_i w_i$`; in Mask2Former the no-object class
//! weighs 0.1 (section 4.1).

#[allow(unsafe_code)]
mod cuda;

use crate::ops::cpu::unfilled;
use crate::ops::cpu::vector::{exp, max, sum};
use crate::tensor::cuda::Gpu;
use crate::tensor::{Tape, Tensor2};

/// `logits [N, K]`, `targets [N]` (each below K), `weights [N]` -> the weighted sum of the losses over
/// `denominator`, `[1, 1]`.
///
/// Panics where the lengths disagree or a target is no class.
pub fn cross_entropy(
    tape: &mut Tape,
    logits: &Tensor2,
    targets: &[usize],
    weights: &[f32],
    denominator: f32,
) -> Tensor2 {
    let (rows, classes) = (logits.rows(), logits.columns());
    assert_eq!(
        (targets.len(), weights.len()),
        (rows, rows),
        "targets and weights"
    );
    for target in targets {
        assert!(*target < classes, "class {target} of {classes}");
    }
    if let Some(gpu) = Gpu::of(&[logits]) {
        return cuda::cross_entropy(tape, &gpu, logits, targets, weights, denominator);
    }
    let mut slopes = unfilled(rows * classes);
    let mut total = 0f64;
    let lines = logits
        .values()
        .chunks_exact(classes)
        .zip(slopes.chunks_exact_mut(classes));
    for ((z, slope), (&target, &weight)) in lines.zip(targets.iter().zip(weights)) {
        let most = max(z);
        for (s, z) in slope.iter_mut().zip(z) {
            *s = exp(z - most);
        }
        let mass = sum(slope);
        total += f64::from(weight * (mass.ln() + most - z[target]));
        let scale = weight / denominator;
        slope.iter_mut().for_each(|s| *s *= scale / mass);
        slope[target] -= scale;
    }

    let out = tape.output(
        vec![(total / f64::from(denominator)) as f32],
        1,
        1,
        &[logits],
    );
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
    use crate::ops::check::{gradients, on_every_place, parameter};
    use crate::ops::golden;

    on_every_place! {
        fn gradients_match_differences(place) {
            for (rows, classes) in [(1, 2), (7, 5), (3, 21)] {
                let targets: Vec<usize> = (0..rows).map(|i| i * 5 % classes).collect();
                let weights: Vec<f32> = (0..rows).map(|i| 0.1 + i as f32).collect();
                gradients(
                    place,
                    &[parameter(1, rows, classes, 2.0)],
                    1e-2,
                    2e-3,
                    |tape, i| cross_entropy(tape, &i[0], &targets, &weights, 3.0),
                );
            }
        }
    }

    on_every_place! {
        fn equal_logits_cost_the_log_of_the_classes(place) {
            let z = Tensor2::constant(vec![7.0; 8], 2, 4).to(place);
            let loss = cross_entropy(&mut Tape::off(), &z, &[0, 3], &[1.0, 0.5], 1.5).scalar();
            assert!((loss - 4f32.ln()).abs() < 1e-6);
        }
    }

    on_every_place! {
        fn large_logits_stay_finite(place) {
            let z = Tensor2::constant(vec![1e4, -1e4], 1, 2).to(place);
            assert_eq!(
                cross_entropy(&mut Tape::off(), &z, &[0], &[1.0], 1.0).scalar(),
                0.0
            );
            assert_eq!(
                cross_entropy(&mut Tape::off(), &z, &[1], &[1.0], 1.0).scalar(),
                2e4
            );
        }
    }

    on_every_place! {
        fn parity_with_pytorch(place) {
            // The last class weighs 0.1; PyTorch divides by the sum of the rows' weights.
            let weights = [1.0, 0.1, 0.1, 1.0, 1.0, 0.1];
            golden::check(
                place,
                &golden::load("ops2"),
                "cross_entropy",
                &["logits"],
                1e-5,
                |tape, i| {
                    cross_entropy(
                        tape,
                        &i[0],
                        &[0, 3, 3, 1, 2, 3],
                        &weights,
                        weights.iter().sum(),
                    )
                },
            );
        }
    }
}
