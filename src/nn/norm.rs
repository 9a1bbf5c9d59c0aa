//! Normalisations: over the channels of a token, over groups of channels of an image, and with fixed
//! statistics.
//!
//! `$$ y = \gamma \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta $$`
//!
//! Layer norm (Ba et al. 2016) computes mu and sigma over the C channels of one row; group norm (Wu & He
//! 2018) over the pixels and channels of one group of one image. Frozen batch norm takes them from the
//! checkpoint and never changes them (detectron2's `FrozenBatchNorm2d`).

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
    /// The identity, with `epsilon` added to the variance.
    pub fn new(channels: usize, epsilon: f32) -> Self {
        Self {
            epsilon,
            weight: vector(ParamKind::Buffer, 1.0, channels),
            bias: vector(ParamKind::Buffer, 0.0, channels),
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

    #[test]
    fn a_new_frozen_norm_is_the_identity() {
        for epsilon in [EPSILON, 0.0] {
            let (scale, shift) = FrozenBatchNorm::new(3, epsilon).fold();
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
            let mut norm = FrozenBatchNorm::new(1, epsilon);
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
}
