//! The prediction head, shared by all layers. It maps the normed queries to classes and mask embeddings.
//!
//! `$$ c = W \mathrm{LN}(x) + b,\quad m = \mathrm{MLP}(\mathrm{LN}(x)) \cdot F $$`
//!
//! Shapes: B batch, Q queries, D width, K classes; F are the mask features, M channels of h x w.

use super::LayerPredictions;
use crate::graph::ModelConfig;
use crate::nn::params::{Param, Parameters, join};
use crate::nn::{LayerNorm, Linear, Mlp};
use crate::ops;
use crate::rng::Stream;
use crate::tensor::{Map, Tape, Tensor2};

/// Norm, class layer, mask MLP.
#[derive(Clone, Debug)]
pub(super) struct PredictionHead {
    decoder_norm: LayerNorm,
    class_embed: Linear,
    mask_embed: Mlp,
}

impl PredictionHead {
    pub(super) fn new(config: &ModelConfig, classes: usize, rng: &mut Stream) -> Self {
        let &ModelConfig {
            width, mask_width, ..
        } = config;
        Self {
            decoder_norm: LayerNorm::new(width),
            class_embed: Linear::new(width, classes + 1, rng),
            mask_embed: Mlp::new(&[width, width, width, mask_width], rng),
        }
    }

    /// content `[B * Q, D]` -> logits of classes `[B * Q, K + 1]` and masks `[B * Q, h * w]`.
    pub(super) fn forward(
        &self,
        tape: &mut Tape,
        content: &Tensor2,
        pixels: &Map,
    ) -> LayerPredictions {
        let normed = self.decoder_norm.forward(tape, content, None);
        let embeddings = self.mask_embed.forward(tape, &normed);
        LayerPredictions {
            classes: self.class_embed.forward(tape, &normed),
            masks: ops::mask_product(tape, &embeddings, pixels),
        }
    }
}

impl Parameters for PredictionHead {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        self.decoder_norm
            .parameters(&join(prefix, "decoder_norm"), visit);
        self.class_embed
            .parameters(&join(prefix, "class_embed"), visit);
        self.mask_embed
            .parameters(&join(prefix, "mask_embed"), visit);
    }
}
