//! Linear layer: `$$ y = x W^\top + b $$`, optionally followed by a ReLU.
//!
//! Shapes: N rows, I inputs, O outputs. Names and order of the parameters as in PyTorch: `weight` `[O, I]`,
//! `bias` `[O]`.

use crate::nn::init;
use crate::nn::params::{Param, ParamKind, Parameters, join};
use crate::ops;
use crate::rng::Stream;
use crate::tensor::{Tape, Tensor2};

/// `weight` `[O, I]` and `bias` `[1, O]`.
#[derive(Clone, Debug)]
pub struct Linear {
    /// `[O, I]`.
    pub weight: Param,
    /// `[1, O]`.
    pub bias: Param,
}

impl Linear {
    /// Initialises weight and bias as PyTorch does: uniform within `$$ \pm 1/\sqrt{I} $$`.
    pub fn new(inputs: usize, outputs: usize, rng: &mut Stream) -> Self {
        let weight = init::default_uniform(inputs, inputs * outputs, rng);
        let bias = init::default_uniform(inputs, outputs, rng);
        Self::from_values(inputs, outputs, weight, bias)
    }

    /// The weight is Xavier-uniform, the bias as in PyTorch (uniform within `$$ \pm 1/\sqrt{I} $$`). Used by
    /// the feed-forward layers of Mask2Former, which draws only arrays of two dimensions again.
    pub fn xavier(inputs: usize, outputs: usize, rng: &mut Stream) -> Self {
        let weight = init::xavier_uniform(inputs, outputs, inputs * outputs, rng);
        let bias = init::default_uniform(inputs, outputs, rng);
        Self::from_values(inputs, outputs, weight, bias)
    }

    /// The weight is Xavier-uniform, the bias 0. Used by the projections of attention.
    pub fn projection(inputs: usize, outputs: usize, rng: &mut Stream) -> Self {
        let weight = init::xavier_uniform(inputs, outputs, inputs * outputs, rng);
        Self::from_values(inputs, outputs, weight, vec![0.0; outputs])
    }

    /// The weight is of `$$ N(0, d^2) $$` with the `deviation` d, the bias 0. Used by the predictors of Fast R-CNN.
    pub fn normal(inputs: usize, outputs: usize, deviation: f64, rng: &mut Stream) -> Self {
        let weight = init::normal(deviation, inputs * outputs, rng);
        Self::from_values(inputs, outputs, weight, vec![0.0; outputs])
    }

    /// The weight is uniform with variance `1 / I`, the bias 0. Source: detectron2's `c2_xavier_fill`.
    pub fn caffe2_xavier(inputs: usize, outputs: usize, rng: &mut Stream) -> Self {
        let weight = init::kaiming_uniform(inputs, inputs * outputs, rng);
        Self::from_values(inputs, outputs, weight, vec![0.0; outputs])
    }

    /// Weight and bias are 0, for a layer that is filled from a file.
    pub fn zeros(inputs: usize, outputs: usize) -> Self {
        Self::from_values(
            inputs,
            outputs,
            vec![0.0; inputs * outputs],
            vec![0.0; outputs],
        )
    }

    /// Uses the given values: `weight` `[O, I]`, `bias` `[O]`. Panics if their number is wrong.
    pub fn from_values(inputs: usize, outputs: usize, weight: Vec<f32>, bias: Vec<f32>) -> Self {
        Self {
            weight: Param::new(
                ParamKind::Weight,
                weight,
                outputs,
                inputs,
                &[outputs, inputs],
            ),
            bias: Param::new(ParamKind::Bias, bias, 1, outputs, &[outputs]),
        }
    }

    /// x `[N, I]` -> `[N, O]`.
    pub fn forward(&self, tape: &mut Tape, x: &Tensor2) -> Tensor2 {
        ops::linear(tape, x, &self.weight.value, Some(&self.bias.value), false)
    }

    /// x `[N, I]` -> `[N, O]`, with negative values set to 0.
    pub fn forward_relu(&self, tape: &mut Tape, x: &Tensor2) -> Tensor2 {
        ops::linear(tape, x, &self.weight.value, Some(&self.bias.value), true)
    }
}

impl Parameters for Linear {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        visit(&join(prefix, "weight"), &mut self.weight);
        visit(&join(prefix, "bias"), &mut self.bias);
    }
}
