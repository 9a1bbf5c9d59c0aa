//! Transposed convolution whose stride is the side of its kernel: every pixel becomes a square of pixels.
//!
//! Shapes: Ci and Co channels, k the side of the kernel. A side of n pixels becomes n k pixels.

use crate::nn::init;
use crate::nn::params::{Param, ParamKind, Parameters, join};
use crate::ops;
use crate::rng::Stream;
use crate::tensor::{Map, Tape};

/// `weight` `[Ci, k * k * Co]` (reference order `[Ci, Co, k, k]`) and `bias` `[1, Co]`.
#[derive(Clone, Debug)]
pub struct ConvTranspose2d {
    weight: Param,
    bias: Param,
    kernel: usize,
}

impl ConvTranspose2d {
    /// The weight is normal with variance `2 / (k * k * Ci)`, the bias 0. Source: detectron2's `c2_msra_fill`, which
    /// counts the first axis of PyTorch's weight as the outputs.
    pub fn new(channels: usize, outputs: usize, kernel: usize, rng: &mut Stream) -> Self {
        let area = kernel * kernel;
        let weight = init::kaiming_normal(area * channels, area * channels * outputs, rng);
        let shape = [channels, outputs, kernel, kernel];
        Self {
            weight: Param::new(ParamKind::Weight, weight, channels, area * outputs, &shape),
            bias: Param::new(ParamKind::Bias, vec![0.0; outputs], 1, outputs, &[outputs]),
            kernel,
        }
    }

    /// The same with a bias as PyTorch draws it: uniform within `$$ \pm 1/\sqrt{k^2 Co} $$`. PyTorch counts the second
    /// axis of the weight as the inputs.
    pub fn with_default_bias(mut self, rng: &mut Stream) -> Self {
        let outputs = self.bias.value.columns();
        let fan = self.kernel * self.kernel * outputs;
        let bias = init::default_uniform(fan, outputs, rng);
        self.bias = Param::new(ParamKind::Bias, bias, 1, outputs, &[outputs]);
        self
    }

    /// Weight and bias as PyTorch draws them: uniform within `$$ \pm 1/\sqrt{k^2 Co} $$`.
    pub fn by_default(channels: usize, outputs: usize, kernel: usize, rng: &mut Stream) -> Self {
        let area = kernel * kernel;
        let weight = init::default_uniform(area * outputs, area * channels * outputs, rng);
        let shape = [channels, outputs, kernel, kernel];
        let layer = Self {
            weight: Param::new(ParamKind::Weight, weight, channels, area * outputs, &shape),
            bias: Param::new(ParamKind::Bias, vec![0.0; outputs], 1, outputs, &[outputs]),
            kernel,
        };
        layer.with_default_bias(rng)
    }

    /// x: Ci channels -> Co channels, each side k times as long.
    pub fn forward(&self, tape: &mut Tape, x: &Map) -> Map {
        let (weight, bias) = (&self.weight.value, &self.bias.value);
        ops::conv_transpose2d(tape, x, weight, bias, self.kernel, false)
    }

    /// x: Ci channels -> Co channels, each side k times as long, with negative values set to 0.
    pub fn forward_relu(&self, tape: &mut Tape, x: &Map) -> Map {
        let (weight, bias) = (&self.weight.value, &self.bias.value);
        ops::conv_transpose2d(tape, x, weight, bias, self.kernel, true)
    }
}

impl Parameters for ConvTranspose2d {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        visit(&join(prefix, "weight"), &mut self.weight);
        visit(&join(prefix, "bias"), &mut self.bias);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PyTorch stores `[in, out, y, x]`; the op reads `[in, (y, x, out)]`.
    #[test]
    fn the_weight_of_the_reference_is_reordered() {
        let mut layer = ConvTranspose2d::new(1, 2, 2, &mut Stream::new(1, "layer"));
        let reference: Vec<f32> = (0..8).map(|i| i as f32).collect();
        layer.weight.set_from_reference(&reference);
        assert_eq!(
            layer.weight.value.values(),
            [0.0, 4.0, 1.0, 5.0, 2.0, 6.0, 3.0, 7.0]
        );
        assert_eq!(layer.weight.to_reference(), reference);
    }
}
