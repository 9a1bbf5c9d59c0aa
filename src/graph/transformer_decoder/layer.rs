//! One layer of the transformer decoder: masked cross-attention, self-attention, feed-forward, each with
//! residual and norm.
//!
//! `$$ x \leftarrow \mathrm{LN}(x + \mathrm{Cross}(x + p, m + e, m)),\quad
//!    x \leftarrow \mathrm{LN}(x + \mathrm{Self}(x + p, x + p, x)),\quad
//!    x \leftarrow \mathrm{LN}(x + \mathrm{FFN}(x)) $$`
//!
//! p is the position of the queries, m the memory and e its position. Shapes: B batch, Q queries, L memory
//! length, D width.

use crate::graph::ModelConfig;
use crate::nn::params::{Param, Parameters, join};
use crate::nn::{LayerNorm, Linear, MultiHeadAttention};
use crate::ops;
use crate::rng::Stream;
use crate::tensor::{Tape, Tensor2};

/// One map as input of the cross-attention.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    /// Content and position `[B * L, D]`.
    pub(super) key: Tensor2,
    /// Content `[B * L, D]`.
    pub(super) value: Tensor2,
}

/// The three sub-layers.
#[derive(Clone, Debug)]
pub(super) struct DecoderLayer {
    cross: MultiHeadAttention,
    cross_norm: LayerNorm,
    own: MultiHeadAttention,
    own_norm: LayerNorm,
    linear1: Linear,
    linear2: Linear,
    ffn_norm: LayerNorm,
}

impl DecoderLayer {
    pub(super) fn new(config: &ModelConfig, rng: &mut Stream) -> Self {
        let &ModelConfig {
            width,
            heads,
            decoder_ffn,
            ..
        } = config;
        Self {
            cross: MultiHeadAttention::new(width, heads, rng),
            cross_norm: LayerNorm::new(width),
            own: MultiHeadAttention::new(width, heads, rng),
            own_norm: LayerNorm::new(width),
            linear1: Linear::xavier(width, decoder_ffn, rng),
            linear2: Linear::xavier(decoder_ffn, width, rng),
            ffn_norm: LayerNorm::new(width),
        }
    }

    /// x `[B * Q, D]`, positions `[Q, D]`, blocked `[B * Q * L]` -> `[B * Q, D]`.
    pub(super) fn forward(
        &self,
        tape: &mut Tape,
        x: &Tensor2,
        positions: &Tensor2,
        memory: &Memory,
        blocked: ops::Blocked,
        batch: usize,
    ) -> Tensor2 {
        let query = ops::add_rows(tape, x, positions, batch);
        let seen = self.cross.forward(
            tape,
            &query,
            &memory.key,
            &memory.value,
            Some(blocked),
            batch,
        );
        let x = self.cross_norm.forward(tape, &seen, Some(x));

        let query = ops::add_rows(tape, &x, positions, batch);
        let shared = self.own.forward(tape, &query, &query, &x, None, batch);
        let x = self.own_norm.forward(tape, &shared, Some(&x));

        let hidden = self.linear1.forward_relu(tape, &x);
        let out = self.linear2.forward(tape, &hidden);
        self.ffn_norm.forward(tape, &out, Some(&x))
    }

    /// Visits the parameters of layer number `i` of the decoder at `prefix`. The checkpoint has one list per
    /// sub-layer.
    pub(super) fn parameters(
        &mut self,
        prefix: &str,
        i: usize,
        visit: &mut dyn FnMut(&str, &mut Param),
    ) {
        let part =
            |list: &str, name: &str| join(prefix, &format!("transformer_{list}_layers.{i}.{name}"));
        self.own
            .parameters(&part("self_attention", "self_attn"), visit);
        self.own_norm
            .parameters(&part("self_attention", "norm"), visit);
        self.cross
            .parameters(&part("cross_attention", "multihead_attn"), visit);
        self.cross_norm
            .parameters(&part("cross_attention", "norm"), visit);
        self.linear1.parameters(&part("ffn", "linear1"), visit);
        self.linear2.parameters(&part("ffn", "linear2"), visit);
        self.ffn_norm.parameters(&part("ffn", "norm"), visit);
    }
}
