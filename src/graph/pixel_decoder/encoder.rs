//! Encoder of the pixel decoder: layers of multi-scale deformable self-attention over the tokens of three
//! maps.
//!
//! `$$ x \leftarrow \mathrm{LN}(x + \mathrm{MSDeformAttn}(x + e, x)),\quad
//!    x \leftarrow \mathrm{LN}(x + \mathrm{FFN}(x)) $$`
//!
//! e is the sine position plus a learned embedding of the level. It is added to the query, not to the value.
//! Shapes: B batch, N tokens of all levels (coarse to fine), D width.

use crate::graph::ModelConfig;
use crate::graph::scales::{SCALES, Scales};
use crate::nn::params::{Param, ParamKind, Parameters, join};
use crate::nn::{DeformAttention, LayerNorm, Linear, init};
use crate::ops;
use crate::rng::Stream;
use crate::tensor::{Map, Tape, Tensor2};

/// One layer of the encoder.
#[derive(Clone, Debug)]
struct EncoderLayer {
    self_attn: DeformAttention,
    norm1: LayerNorm,
    linear1: Linear,
    linear2: Linear,
    norm2: LayerNorm,
}

impl EncoderLayer {
    fn new(config: &ModelConfig, rng: &mut Stream) -> Self {
        let &ModelConfig {
            width,
            heads,
            encoder_points,
            encoder_ffn,
            ..
        } = config;
        Self {
            self_attn: DeformAttention::new(width, heads, SCALES, encoder_points, rng),
            norm1: LayerNorm::new(width),
            linear1: Linear::xavier(width, encoder_ffn, rng),
            linear2: Linear::xavier(encoder_ffn, width, rng),
            norm2: LayerNorm::new(width),
        }
    }

    /// x `[B * N, D]`, positions `[N, D]` -> `[B * N, D]`.
    fn forward(
        &self,
        tape: &mut Tape,
        x: &Tensor2,
        positions: &Tensor2,
        scales: &Scales,
        batch: usize,
    ) -> Tensor2 {
        let query = ops::add_rows(tape, x, positions, batch);
        let attended = self
            .self_attn
            .forward(tape, &query, x, &scales.levels, batch);
        let x = self.norm1.forward(tape, &attended, Some(x));
        let hidden = self.linear1.forward_relu(tape, &x);
        let out = self.linear2.forward(tape, &hidden);
        self.norm2.forward(tape, &out, Some(&x))
    }
}

impl Parameters for EncoderLayer {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        self.self_attn.parameters(&join(prefix, "self_attn"), visit);
        self.norm1.parameters(&join(prefix, "norm1"), visit);
        self.linear1.parameters(&join(prefix, "linear1"), visit);
        self.linear2.parameters(&join(prefix, "linear2"), visit);
        self.norm2.parameters(&join(prefix, "norm2"), visit);
    }
}

/// The level embedding and the layers.
#[derive(Clone, Debug)]
pub(super) struct Encoder {
    /// `[3, D]`.
    level_embed: Param,
    layers: Vec<EncoderLayer>,
}

impl Encoder {
    pub(super) fn new(config: &ModelConfig, rng: &mut Stream) -> Self {
        let shape = [SCALES, config.width];
        let level_embed = init::standard_normal(SCALES * config.width, rng);
        Self {
            level_embed: Param::new(
                ParamKind::Embedding,
                level_embed,
                SCALES,
                config.width,
                &shape,
            ),
            layers: (0..config.encoder_layers)
                .map(|_| EncoderLayer::new(config, rng))
                .collect(),
        }
    }

    /// Three maps of D channels, coarse to fine -> the encoded maps in the same order.
    pub(super) fn forward(&self, tape: &mut Tape, maps: &[Map], scales: &Scales) -> [Map; SCALES] {
        let batch = maps[0].batch;
        let parts: Vec<Tensor2> = (0..SCALES)
            .map(|level| {
                let embedding = ops::slice_rows(tape, &self.level_embed.value, level, 1);
                ops::add_rows(tape, &scales.positions[level], &embedding, 1)
            })
            .collect();
        let positions = ops::concat_tokens(tape, &parts.iter().collect::<Vec<_>>(), 1);
        let tokens: Vec<&Tensor2> = maps.iter().map(|map| &map.data).collect();
        let mut x = ops::concat_tokens(tape, &tokens, batch);
        for layer in &self.layers {
            x = layer.forward(tape, &x, &positions, scales, batch);
        }
        let mut start = 0;
        std::array::from_fn(|level| {
            let map = &maps[level];
            let data = ops::slice_tokens(tape, &x, batch, start, map.pixels());
            start += map.pixels();
            Map { data, ..*map }
        })
    }
}

impl Parameters for Encoder {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        visit(&join(prefix, "level_embed"), &mut self.level_embed);
        for (i, layer) in self.layers.iter_mut().enumerate() {
            layer.parameters(&join(prefix, &format!("encoder.layers.{i}")), visit);
        }
    }
}
