//! Multi-head attention, <https://arxiv.org/abs/1706.03762>.
//!
//! `$$ \mathrm{softmax}\!\left(\tfrac{QK^\top}{\sqrt{D/h}} + M\right) V $$`
//! per head, between linear projections.
//!
//! Shapes: B batch, Q queries, L memory length, D width, h heads. The parameters have PyTorch's names and
//! layout: the three input projections are in one array, `in_proj_weight` `[3 D, D]` and `in_proj_bias`
//! `[3 D]`, in the order query, key, value.

use crate::nn::params::{Param, ParamKind, Parameters, join};
use crate::nn::{Linear, init};
use crate::ops;
use crate::rng::Stream;
use crate::tensor::{Tape, Tensor2};

/// Query, key and value projections, in the order of `in_proj_weight`.
const PROJECTIONS: usize = 3;

/// Attention of `heads` heads over width D.
#[derive(Clone, Debug)]
pub struct MultiHeadAttention {
    /// `[3 D, D]`.
    in_proj_weight: Param,
    /// `[3, D]`: one row per projection.
    in_proj_bias: Param,
    out_proj: Linear,
    heads: usize,
}

impl MultiHeadAttention {
    /// The weights are Xavier-uniform, the biases 0. As in PyTorch, the input projections are drawn as one
    /// array `[3 D, D]`, so their bound is `$$ \sqrt{6 / (D + 3 D)} $$`.
    pub fn new(width: usize, heads: usize, rng: &mut Stream) -> Self {
        let rows = PROJECTIONS * width;
        let weight = init::xavier_uniform(width, rows, rows * width, rng);
        Self::with(width, weight, Linear::projection(width, width, rng), heads)
    }

    /// Weights and biases are 0, for a layer that is filled from a file.
    pub fn zeros(width: usize, heads: usize) -> Self {
        let weight = vec![0.0; PROJECTIONS * width * width];
        Self::with(width, weight, Linear::zeros(width, width), heads)
    }

    /// The layer with the input projections `weight` `[3 D, D]` and input biases of 0.
    fn with(width: usize, weight: Vec<f32>, out_proj: Linear, heads: usize) -> Self {
        let rows = PROJECTIONS * width;
        let bias = vec![0.0; rows];
        Self {
            in_proj_weight: Param::new(ParamKind::Weight, weight, rows, width, &[rows, width]),
            in_proj_bias: Param::new(ParamKind::Bias, bias, PROJECTIONS, width, &[rows]),
            out_proj,
            heads,
        }
    }

    /// query `[B * Q, D]`, key and value `[B * L, D]` -> `[B * Q, D]`.
    ///
    /// `blocked` `[B * Q * L]`: 1 at positions that a query must not attend to, the same for all heads.
    pub fn forward(
        &self,
        tape: &mut Tape,
        query: &Tensor2,
        key: &Tensor2,
        value: &Tensor2,
        blocked: Option<ops::Blocked>,
        batch: usize,
    ) -> Tensor2 {
        let query = self.project(tape, query, 0);
        let key = self.project(tape, key, 1);
        let value = self.project(tape, value, 2);
        let mixed = ops::attention(tape, &query, &key, &value, blocked, batch, self.heads);
        self.out_proj.forward(tape, &mixed)
    }

    /// Applies the projection number `which` to `x`. Its weights are copied out of the array of three: D x D
    /// values, a small cost beside the product.
    fn project(&self, tape: &mut Tape, x: &Tensor2, which: usize) -> Tensor2 {
        let width = x.columns();
        let weight = ops::slice_rows(tape, &self.in_proj_weight.value, which * width, width);
        let bias = ops::slice_rows(tape, &self.in_proj_bias.value, which, 1);
        ops::linear(tape, x, &weight, Some(&bias), false)
    }
}

impl Parameters for MultiHeadAttention {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        visit(&join(prefix, "in_proj_weight"), &mut self.in_proj_weight);
        visit(&join(prefix, "in_proj_bias"), &mut self.in_proj_bias);
        self.out_proj.parameters(&join(prefix, "out_proj"), visit);
    }
}
