//! Gaussian error linear unit (Hendrycks & Gimpel 2016, <https://arxiv.org/abs/1606.08415>), exact and in
//! CLIP's cheap form.
//!
//! `$$ \text{exact: } y = x\,\Phi(x),\ \Phi(x) = \tfrac{1}{2}\bigl(1 + \mathrm{erf}(x / \sqrt 2)\bigr), \qquad
//!    \text{quick: } y = x\,\sigma(1.702\,x) $$`
//!
//! `$$ \partial x = g\,\bigl(\Phi(x) + x\,\tfrac{1}{\sqrt{2\pi}} e^{-x^2/2}\bigr), \qquad
//!    \partial x = g\,\bigl(s + 1.702\,x\,s\,(1 - s)\bigr),\ s = \sigma(1.702\,x) $$`
//!
//! Shapes: x, y `[N, C]`. Source: `torch.nn.GELU()` and the `QuickGELU` of OpenAI's CLIP.

#[allow(unsafe_code)]
mod cuda;

use crate::ops::cpu::parallel::run;
use crate::ops::cpu::vector::exp;
use crate::ops::cpu::{Split, unfilled};
use crate::tensor::cuda::Gpu;
use crate::tensor::{Tape, Tensor2};
use std::f32::consts::{FRAC_1_SQRT_2, PI};
use std::ops::Range;

/// The choice between the two functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gelu {
    /// With the error function.
    Exact,
    /// With a logistic function.
    Quick,
}

/// Factor inside the logistic function.
const QUICK: f32 = 1.702;
/// Multiply-adds of one value: decides into how many parts the values are divided.
const PASSES: usize = 16;

/// x `[N, C]` -> `[N, C]`.
pub fn gelu(tape: &mut Tape, x: &Tensor2, kind: Gelu) -> Tensor2 {
    if let Some(gpu) = Gpu::of(&[x]) {
        return cuda::gelu(tape, &gpu, x, kind);
    }
    let split = Split::new(x.len(), x.len() * PASSES);
    let mut values = unfilled(x.len());
    let shares = split.ranges().zip(split.cut(&mut values, 1)).collect();
    run(shares, |(range, share): (Range<usize>, &mut [f32])| {
        let x = &x.values()[range];
        match kind {
            Gelu::Exact => share
                .iter_mut()
                .zip(x)
                .for_each(|(y, x)| *y = x * normal_distribution(*x)),
            Gelu::Quick => share
                .iter_mut()
                .zip(x)
                .for_each(|(y, x)| *y = x * logistic(QUICK * x)),
        }
    });
    let out = tape.output(values, x.rows(), x.columns(), &[x]);
    let (x, source) = (x.clone(), out.clone());
    tape.record(&out, move |grads| {
        let gradient = source.take_gradient(grads);
        let to = x.gradient_mut(grads).iter_mut();
        for ((to, g), x) in to.zip(&gradient).zip(x.values()) {
            *to += g * match kind {
                Gelu::Exact => {
                    let density = exp(-0.5 * x * x) / (2.0 * PI).sqrt();
                    normal_distribution(*x) + x * density
                }
                Gelu::Quick => {
                    let s = logistic(QUICK * x);
                    s + QUICK * x * s * (1.0 - s)
                }
            };
        }
    });
    out
}

/// `$1 / (1 + e^{-x})$`.
#[inline(always)]
fn logistic(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// `$\Phi(x)$` within 3e-7: Abramowitz & Stegun, formula 7.1.26, for the error function; its branch-free form
/// vectorises.
#[inline(always)]
fn normal_distribution(x: f32) -> f32 {
    let z = x.abs() * FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let tail = -1.453_152 + t * 1.061_405_4;
    let series = t * (0.254_829_6 + t * (-0.284_496_74 + t * (1.421_413_7 + t * tail)));
    // Half of 1 - erf(z): what lies outside of [-|x|, |x|] on one side.
    let outside = 0.5 * series * exp(-z * z);
    if x < 0.0 { outside } else { 1.0 - outside }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{gradients, on_every_place, parameter, same_bits};
    use crate::ops::golden;

    #[test]
    fn the_normal_distribution_is_accurate() {
        for i in -800..=800 {
            let x = i as f32 / 100.0;
            let exact = 0.5 * libm::erfc(-f64::from(x) / 2f64.sqrt());
            let error = (f64::from(normal_distribution(x)) - exact).abs();
            assert!(error < 3e-7, "{x}: {error}");
        }
    }

    #[test]
    fn threads_do_not_change_the_bits() {
        same_bits(&[parameter(1, 400, 64, 1.0)], |tape, i| {
            gelu(tape, &i[0], Gelu::Exact)
        });
    }

    on_every_place! {
        fn gradients_match_differences(place) {
            for kind in [Gelu::Exact, Gelu::Quick] {
                gradients(
                    place,
                    &[parameter(1, 7, 5, 2.0)],
                    1e-2,
                    2e-3,
                    |tape, i| gelu(tape, &i[0], kind),
                );
            }
        }

        fn far_values_pass_or_vanish(place) {
            let x = Tensor2::constant(vec![-200.0, 200.0, f32::NAN], 1, 3).to(place);
            for kind in [Gelu::Exact, Gelu::Quick] {
                let y = gelu(&mut Tape::off(), &x, kind).host_values().into_owned();
                assert!(y[0].abs() < 1e-30, "{y:?}");
                assert_eq!(y[1], 200.0);
                assert!(y[2].is_nan());
            }
        }

        fn parity_with_pytorch(place) {
            let golden = golden::load("clip_ops");
            golden::check(
                place,
                &golden,
                "gelu",
                &["x"],
                1e-5,
                |tape, i| gelu(tape, &i[0], Gelu::Exact),
            );
            golden::check(
                place,
                &golden,
                "quick_gelu",
                &["x"],
                1e-5,
                |tape, i| gelu(tape, &i[0], Gelu::Quick),
            );
        }
    }
}
