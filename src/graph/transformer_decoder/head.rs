//! The prediction head, shared by all layers. It maps the normed queries to classes and mask embeddings.
//!
//! `$$ c = W \mathrm{LN}(x) + b,\quad m = \mathrm{MLP}(\mathrm{LN}(x)) \cdot F, \quad
//!    z = \mathrm{MLP}'(\mathrm{LN}(x)) $$`
//!
//! z is the logit of the IoU of the mask with its object, if the recipe asks for an IoU head.
//!
//! Shapes: B batch, Q queries, D width, K classes; F are the mask features, M channels of h x w.

use super::LayerPredictions;
use super::coarse::{CoarseMasks, FusedMasks, halved};
use crate::graph::config::{ModelConfig, QueryIouHead, QueryMaskHead};
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
    coarse: Option<CoarseMasks>,
    iou_embed: Option<Mlp>,
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
            coarse: match config.mask_head {
                QueryMaskHead::Plain => None,
                QueryMaskHead::NoiseTolerant => Some(CoarseMasks::new(config, rng)),
            },
            iou_embed: match config.iou_head {
                QueryIouHead::None => None,
                QueryIouHead::Flat => Some(Mlp::new(&[width, width, 1], rng)),
            },
        }
    }

    /// content `[B * Q, D]` and [`Self::pixels`] -> logits of classes `[B * Q, K + 1]`, masks `[B * Q, h * w]` and,
    /// with an IoU head, of their IoU `[B * Q, 1]`.
    pub(super) fn forward(
        &self,
        tape: &mut Tape,
        content: &Tensor2,
        pixels: &MaskPixels,
    ) -> LayerPredictions {
        let normed = self.decoder_norm.forward(tape, content, None);
        let embeddings = self.mask_embed.forward(tape, &normed);
        let classes = self.class_embed.forward(tape, &normed);
        let (masks, coarse) = match (&self.coarse, &pixels.halved) {
            (Some(head), Some(halved)) => {
                let both = (pixels.all, halved);
                let FusedMasks { masks, coarse } = head.forward(tape, &normed, &embeddings, both);
                (masks, Some(coarse))
            }
            _ => (ops::mask_product(tape, &embeddings, pixels.all), None),
        };
        LayerPredictions {
            classes,
            masks,
            coarse,
            ious: self
                .iou_embed
                .as_ref()
                .map(|mlp| mlp.forward(tape, &normed)),
        }
    }
}

/// The mask features, which all layers share.
pub(super) struct MaskPixels<'p> {
    /// F.
    pub all: &'p Map,
    /// The same for coarse masks; none without them.
    halved: Option<Map>,
}

impl PredictionHead {
    /// The mask features as the head reads them.
    pub(super) fn pixels<'p>(&self, tape: &mut Tape, all: &'p Map) -> MaskPixels<'p> {
        MaskPixels {
            halved: self.coarse.as_ref().map(|_| halved(tape, all)),
            all,
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
        if let Some(head) = &mut self.coarse {
            head.parameters(prefix, visit);
        }
        if let Some(mlp) = &mut self.iou_embed {
            mlp.parameters(&join(prefix, "iou_embed"), visit);
        }
    }
}
