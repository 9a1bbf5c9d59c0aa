//! The transformer of both of CLIP's towers (https://arxiv.org/abs/2103.00020), with norms before the
//! attention and before the MLP.
//!
//! `$$ x \leftarrow x + \mathrm{attn}(\mathrm{LN}_1(x)), \qquad x \leftarrow x + W_2\,\phi(W_1\,\mathrm{LN}_2(x)) $$`
//!
//! Shapes: L tokens of one sequence, D width; x `[L, D]`. The parameters have the names of OpenAI's CLIP and
//! OpenCLIP (`resblocks.0.attn.in_proj_weight`, `resblocks.0.mlp.c_fc.weight`). It is for inference: all
//! values are 0 until a file fills them.

use crate::nn::params::{Param, Parameters, join};
use crate::nn::{LayerNorm, Linear, MultiHeadAttention};
use crate::ops::{self, Gelu};
use crate::tensor::{Tape, Tensor2};

/// Sizes of a transformer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TransformerSizes {
    /// D.
    pub width: usize,
    /// The number of blocks.
    pub layers: usize,
    /// The number of attention heads; it divides D.
    pub heads: usize,
    /// The hidden width of the MLP.
    pub hidden: usize,
    /// phi.
    pub activation: Gelu,
    /// The epsilon of the norms.
    pub epsilon: f32,
}

/// The blocks.
#[derive(Clone, Debug)]
pub struct Transformer(Vec<Block>);

#[derive(Clone, Debug)]
struct Block {
    ln_1: LayerNorm,
    attn: MultiHeadAttention,
    ln_2: LayerNorm,
    c_fc: Linear,
    c_proj: Linear,
    activation: Gelu,
}

impl Transformer {
    /// All weights are 0.
    pub fn new(sizes: &TransformerSizes) -> Self {
        let TransformerSizes {
            width,
            layers,
            heads,
            hidden,
            activation,
            epsilon,
        } = *sizes;
        let block = || Block {
            ln_1: LayerNorm::with_epsilon(width, epsilon),
            attn: MultiHeadAttention::zeros(width, heads),
            ln_2: LayerNorm::with_epsilon(width, epsilon),
            c_fc: Linear::zeros(width, hidden),
            c_proj: Linear::zeros(hidden, width),
            activation,
        };
        Self((0..layers).map(|_| block()).collect())
    }

    /// x `[L, D]` -> `[L, D]`. If `causal`, no token attends to later ones.
    pub fn forward(&self, tape: &mut Tape, x: &Tensor2, causal: bool) -> Tensor2 {
        let length = x.rows();
        let later = |i: usize| u8::from(i % length > i / length);
        let blocked: Option<ops::Blocked> =
            causal.then(|| (0..length * length).map(later).collect::<Vec<u8>>().into());
        self.0.iter().fold(x.clone(), |x, block| {
            block.forward(tape, &x, blocked.clone())
        })
    }
}

impl Block {
    fn forward(&self, tape: &mut Tape, x: &Tensor2, blocked: Option<ops::Blocked>) -> Tensor2 {
        let y = self.ln_1.forward(tape, x, None);
        let y = self.attn.forward(tape, &y, &y, &y, blocked, 1);
        let x = ops::add(tape, x, &y);
        let y = self.ln_2.forward(tape, &x, None);
        let y = self.c_fc.forward(tape, &y);
        let y = ops::gelu(tape, &y, self.activation);
        let y = self.c_proj.forward(tape, &y);
        ops::add(tape, &x, &y)
    }
}

impl Parameters for Transformer {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        for (i, block) in self.0.iter_mut().enumerate() {
            let prefix = join(prefix, &format!("resblocks.{i}"));
            block.ln_1.parameters(&join(&prefix, "ln_1"), visit);
            block.attn.parameters(&join(&prefix, "attn"), visit);
            block.ln_2.parameters(&join(&prefix, "ln_2"), visit);
            block.c_fc.parameters(&join(&prefix, "mlp.c_fc"), visit);
            block.c_proj.parameters(&join(&prefix, "mlp.c_proj"), visit);
        }
    }
}
