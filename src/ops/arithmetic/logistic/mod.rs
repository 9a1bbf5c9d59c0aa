//! The logistic function, with a gradient.
//!
//! `$$ y = \frac{1}{1 + e^{-x}}, \qquad \partial x = y\,(1 - y)\,\partial y $$`
//!
//! Shapes: x, y `[N, C]`. Source: `torch.sigmoid`. The head that predicts the IoU of a mask reads the mask's
//! probabilities, and teaches the mask through them. [`crate::ops::sigmoid`] is the same for a single number.

#[allow(unsafe_code)]
mod cuda;

use crate::ops::cpu::parallel::run;
use crate::ops::cpu::vector::exp;
use crate::ops::cpu::{Split, unfilled};
use crate::tensor::cuda::Gpu;
use crate::tensor::{Tape, Tensor2};
use std::ops::Range;

/// Multiply-adds of one value: decides into how many parts the values are divided.
const PASSES: usize = 12;

/// x `[N, C]` -> `[N, C]`.
pub fn logistic(tape: &mut Tape, x: &Tensor2) -> Tensor2 {
    if let Some(gpu) = Gpu::of(&[x]) {
        return cuda::logistic(tape, &gpu, x);
    }
    let split = Split::new(x.len(), x.len() * PASSES);
    let mut values = unfilled(x.len());
    let shares = split.ranges().zip(split.cut(&mut values, 1)).collect();
    run(shares, |(range, share): (Range<usize>, &mut [f32])| {
        let inputs = share.iter_mut().zip(&x.values()[range]);
        inputs.for_each(|(y, x)| *y = value(*x));
    });
    let out = tape.output(values, x.rows(), x.columns(), &[x]);
    let (x, source) = (x.clone(), out.clone());
    tape.record(&out, move |grads| {
        let gradient = source.take_gradient(grads);
        let to = x.gradient_mut(grads).iter_mut();
        for ((to, g), y) in to.zip(&gradient).zip(source.values()) {
            *to += g * y * (1.0 - y);
        }
    });
    out
}

/// The function of one number, without overflow.
#[inline(always)]
fn value(x: f32) -> f32 {
    let small = exp(-x.abs());
    let above = if x >= 0.0 { 1.0 } else { small };
    above / (1.0 + small)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{gradients, nothing, on_every_place, parameter, same_bits};
    use crate::ops::golden;

    #[test]
    fn threads_do_not_change_the_bits() {
        same_bits(&[parameter(1, 400, 64, 1.0)], |tape, i| {
            logistic(tape, &i[0])
        });
    }

    on_every_place! {
        fn gradients_match_differences(place) {
            gradients(place, &[parameter(1, 7, 5, 2.0)], 1e-2, 2e-3, |tape, i| logistic(tape, &i[0]));
        }

        fn values_of_nothing_are_nothing(place) {
            nothing(place, &[parameter(1, 0, 7, 1.0)], |tape, i| logistic(tape, &i[0]));
        }

        fn far_values_are_zero_or_one(place) {
            let x = Tensor2::constant(vec![-200.0, 0.0, 200.0, f32::NAN], 1, 4).to(place);
            let y = logistic(&mut Tape::off(), &x).host_values().into_owned();
            assert!(y[0].abs() < 1e-30, "{y:?}");
            assert_eq!(y[1..3], [0.5, 1.0]);
            assert!(y[3].is_nan());
        }

        fn parity_with_pytorch(place) {
            let golden = golden::load("rcnn_heads");
            golden::check(place, &golden, "logistic", &["x"], 1e-5, |tape, i| logistic(tape, &i[0]));
        }
    }
}
