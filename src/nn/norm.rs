//! Normalisations: over the channels of a token, over groups of channels of an image, and with fixed
//! statistics.
//!
//! `$$ y = \gamma \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta $$`
//!
//! Layer norm (Ba et al. 2016) computes mu and sigma over the C channels of one row; group norm (Wu & He
//! 2018) over the pixels and channels of one group of one image. Frozen batch norm takes them from the
//! checkpoint and never changes them: with gamma and beta (detectron2's `FrozenBatchNorm2d`), or without, so that these
//! two are trained (MMDetection's `norm_eval`).

use crate::nn::params::{Param, ParamKind, Parameters, join};
use crate::ops;
use crate::tensor::{Map, Tape, Tensor2};

/// The default epsilon of all three; the value is PyTorch's default.
const EPSILON: f32 = 1e-5;

/// A vector `[1, C]` of a norm.
fn vector(kind: ParamKind, value: f32, channels: usize) -> Param {
    Param::new(kind, vec![value; channels], 1, channels, &[channels])
}

/// Layer norm of rows `[N, C]`.
#[derive(Clone, Debug)]
pub struct LayerNorm {
    weight: Param,
    bias: Param,
    epsilon: f32,
}

impl LayerNorm {
    /// Scale 1, shift 0.
    pub fn new(channels: usize) -> Self {
        Self::with_epsilon(channels, EPSILON)
    }

    /// Scale 1, shift 0, with the given epsilon.
    pub fn with_epsilon(channels: usize, epsilon: f32) -> Self {
        Self {
            weight: vector(ParamKind::Norm, 1.0, channels),
            bias: vector(ParamKind::Norm, 0.0, channels),
            epsilon,
        }
    }

    /// Norm of `x + residual`: `[N, C]` -> `[N, C]`.
    pub fn forward(&self, tape: &mut Tape, x: &Tensor2, residual: Option<&Tensor2>) -> Tensor2 {
        ops::layer_norm(
            tape,
            x,
            residual,
            &self.weight.value,
            &self.bias.value,
            self.epsilon,
        )
    }
}

impl Parameters for LayerNorm {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        visit(&join(prefix, "weight"), &mut self.weight);
        visit(&join(prefix, "bias"), &mut self.bias);
    }
}

/// Group norm of a map of C channels.
#[derive(Clone, Debug)]
pub struct GroupNorm {
    weight: Param,
    bias: Param,
    groups: usize,
}

impl GroupNorm {
    /// Scale 1, shift 0. Panics unless `groups` divides `channels`.
    pub fn new(channels: usize, groups: usize) -> Self {
        assert_eq!(
            channels % groups,
            0,
            "{groups} groups of {channels} channels"
        );
        Self {
            weight: vector(ParamKind::Norm, 1.0, channels),
            bias: vector(ParamKind::Norm, 0.0, channels),
            groups,
        }
    }

    /// Norm of `x`, plus `residual` (same shape), with negative values set to 0 if `relu`.
    pub fn forward(&self, tape: &mut Tape, x: &Map, residual: Option<&Tensor2>, relu: bool) -> Map {
        let norm = ops::GroupNorm {
            gamma: &self.weight.value,
            beta: &self.bias.value,
            groups: self.groups,
            eps: EPSILON,
            residual,
            relu,
        };
        ops::group_norm(tape, x, norm)
    }
}

impl Parameters for GroupNorm {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        visit(&join(prefix, "weight"), &mut self.weight);
        visit(&join(prefix, "bias"), &mut self.bias);
    }
}

/// Batch norm with fixed statistics: a scale and a shift of every channel, applied by the convolution before
/// it.
#[derive(Clone, Debug)]
pub struct FrozenBatchNorm {
    weight: Param,
    bias: Param,
    running_mean: Param,
    running_var: Param,
    epsilon: f32,
}

impl FrozenBatchNorm {
    /// The identity, with `epsilon` added to the variance. If it is `trained`, so are its scale and its shift.
    pub fn new(channels: usize, epsilon: f32, trained: bool) -> Self {
        let kind = match trained {
            true => ParamKind::Norm,
            false => ParamKind::Buffer,
        };
        Self {
            epsilon,
            weight: vector(kind, 1.0, channels),
            bias: vector(kind, 0.0, channels),
            running_mean: vector(ParamKind::Buffer, 0.0, channels),
            running_var: vector(ParamKind::Buffer, 1.0 - epsilon, channels),
        }
    }

    /// (scale, shift), both `[1, C]`, for the convolution before it.
    ///
    /// They are computed at every forward pass instead of being stored, because the EMA and the checkpoint
    /// write the buffers.
    pub fn fold(&self) -> (Tensor2, Tensor2) {
        let [weight, bias, mean, variance] = [
            &self.weight,
            &self.bias,
            &self.running_mean,
            &self.running_var,
        ]
        .map(|param| &param.value);
        ops::fold_norm(weight, bias, mean, variance, self.epsilon)
    }

    /// The kernel and the bias of a convolution with the rows `kernel` `[C, n]` that has this norm in it: both have
    /// gradients to the kernel, the scale and the shift.
    pub fn fold_into(&self, tape: &mut Tape, kernel: &Tensor2) -> (Tensor2, Tensor2) {
        let channels = kernel.rows();
        let place = kernel.place();
        let [one, zero] = [1.0, 0.0].map(|value| {
            let values = Tensor2::constant(vec![value; channels], 1, channels);
            values.to(&place)
        });
        let (mean, variance) = (&self.running_mean.value, &self.running_var.value);
        // Without scale and shift: 1 / deviation, and -mean / deviation.
        let (inverse, offset) = ops::fold_norm(&one, &zero, mean, variance, self.epsilon);
        let gamma = &self.weight.value;
        let mut scaled = |values: &Tensor2| {
            let column = ops::reshape(tape, values, channels, 1);
            let product = ops::scale_rows(tape, &column, gamma);
            ops::reshape(tape, &product, 1, channels)
        };
        let (scale, offset) = (scaled(&inverse), scaled(&offset));
        let kernel = ops::scale_rows(tape, kernel, &scale);
        (kernel, ops::add(tape, &offset, &self.bias.value))
    }
}

impl Parameters for FrozenBatchNorm {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        visit(&join(prefix, "weight"), &mut self.weight);
        visit(&join(prefix, "bias"), &mut self.bias);
        visit(&join(prefix, "running_mean"), &mut self.running_mean);
        visit(&join(prefix, "running_var"), &mut self.running_var);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::params::move_to;
    use crate::ops::check::{gradients, on_every_place, parameter};

    #[test]
    fn a_new_frozen_norm_is_the_identity() {
        for epsilon in [EPSILON, 0.0] {
            let (scale, shift) = FrozenBatchNorm::new(3, epsilon, false).fold();
            assert!(
                scale.values().iter().all(|s| (s - 1.0).abs() < 1e-6),
                "{:?}",
                scale.values()
            );
            assert_eq!(shift.values(), [0.0; 3]);
        }
    }

    #[test]
    fn the_fold_is_the_norm() {
        for epsilon in [EPSILON, 0.0, 1.5] {
            let mut norm = FrozenBatchNorm::new(1, epsilon, false);
            norm.parameters("", &mut |name, param| {
                param.value.values_mut()[0] = match name {
                    "weight" => 3.0,
                    "bias" => 0.5,
                    "running_mean" => 2.0,
                    _ => 4.0 - epsilon,
                };
            });
            let (scale, shift) = norm.fold();
            // (x - 2) / sqrt(4) * 3 + 0.5 at x = 6
            assert!((6.0 * scale.scalar() + shift.scalar() - 6.5).abs() < 1e-5);
        }
    }

    on_every_place! {
        /// A kernel of one pixel is a matrix: its product with the pixels, normalised, is the product with the folded
        /// one.
        fn what_is_folded_into_a_kernel_is_the_norm_and_has_its_gradients(place) {
            let mut norm = FrozenBatchNorm::new(3, 0.5, true);
            norm.parameters("", &mut |name, param| {
                let values = match name {
                    "weight" => [1.5, -2.0, 0.0],
                    "bias" => [0.25, 1.0, -1.0],
                    "running_mean" => [2.0, -1.0, 0.5],
                    _ => [3.5, 0.25, 1.0],
                };
                param.value.values_mut().copy_from_slice(&values);
            });
            let (gamma, beta) = (norm.weight.value.clone(), norm.bias.value.clone());
            let inputs = [parameter(1, 3, 4, 1.0), gamma, beta, parameter(2, 5, 4, 1.0)];
            let folded = |tape: &mut Tape, i: &[Tensor2]| {
                let mut norm = norm.clone();
                norm.weight.value = i[1].clone();
                norm.bias.value = i[2].clone();
                move_to(&mut norm, place);
                (norm.weight.value, norm.bias.value) = (i[1].clone(), i[2].clone());
                let (kernel, bias) = norm.fold_into(tape, &i[0]);
                ops::linear(tape, &i[3], &kernel, Some(&bias), false)
            };
            gradients(place, &inputs, 1e-2, 1e-3, folded);
            let there = inputs.each_ref().map(|input| input.to(place));
            let found = folded(&mut Tape::off(), &there);
            let (scale, shift) = norm.fold();
            let plain = ops::linear(&mut Tape::off(), &inputs[3], &inputs[0], None, false);
            for (at, (found, plain)) in found.host_values().iter().zip(plain.values()).enumerate() {
                let expected = plain * scale.values()[at % 3] + shift.values()[at % 3];
                assert!((found - expected).abs() < 1e-5, "{found}, not {expected}");
            }
        }
    }
}
