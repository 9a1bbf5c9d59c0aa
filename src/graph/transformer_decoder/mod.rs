//! Transformer decoder of Mask2Former (`MultiScaleMaskedTransformerDecoder`),
//! <https://arxiv.org/abs/2112.01527>, section 3.2.
//!
//! Learned queries attend to the encoded maps in turn, from coarse to fine and then again from the start.
//! Each query attends only inside the mask that it predicted last. Every intermediate state is decoded into
//! classes and masks, and all of them are supervised.
//!
//! Shapes: B batch, Q queries, D width, K classes, (h, w) size of the mask features.

mod coarse;
mod head;
mod layer;

use crate::graph::ModelConfig;
use crate::graph::pixel_decoder::PixelFeatures;
use crate::graph::scales::{SCALES, Scales};
use crate::nn::init;
use crate::nn::params::{Param, ParamKind, Parameters, join};
use crate::ops;
use crate::rng::Stream;
use crate::tensor::{Place, Tape, Tensor2};

use head::PredictionHead;
use layer::{DecoderLayer, Memory};

/// The predictions of all layers for all images.
#[derive(Clone, Debug)]
pub struct Predictions {
    /// The predictions from the initial queries, then after each layer: `decoder-layers + 1` in all. The last
    /// is the result.
    pub layers: Vec<LayerPredictions>,
    /// B.
    pub batch: usize,
    /// Q.
    pub queries: usize,
    /// The number of rows of a mask.
    pub height: usize,
    /// The number of columns of a mask.
    pub width: usize,
}

impl Predictions {
    /// Rows and columns of a coarse mask.
    pub fn coarse_size(&self) -> (usize, usize) {
        coarse::half((self.height, self.width))
    }
}

/// The predictions of one layer.
#[derive(Clone, Debug)]
pub struct LayerPredictions {
    /// Class logits `[B * Q, K + 1]`; the last column is no-object.
    pub classes: Tensor2,
    /// Mask logits `[B * Q, h * w]`.
    pub masks: Tensor2,
    /// Logits of coarse masks, `[B * Q, h/2 * w/2]`; none of a plain mask head.
    pub coarse: Option<Tensor2>,
    /// Logits of the IoU of the masks with their objects, `[B * Q, 1]`; none without an IoU head.
    pub ious: Option<Tensor2>,
}

/// The queries, the layers, and the head that they share.
#[derive(Clone, Debug)]
pub struct TransformerDecoder {
    /// The initial content of the queries `[Q, D]`.
    query_feat: Param,
    /// The positions of the queries `[Q, D]`.
    query_embed: Param,
    /// `[3, D]`, added to the content of the memory.
    level_embed: Param,
    layers: Vec<DecoderLayer>,
    head: PredictionHead,
}

impl TransformerDecoder {
    /// The place of its parameters.
    pub fn place(&self) -> Place {
        self.query_feat.value.place()
    }

    /// A decoder for K = `classes` object classes.
    pub fn new(config: &ModelConfig, classes: usize, rng: &mut Stream) -> Self {
        let mut embedding = |rows| {
            let values = init::standard_normal(rows * config.width, rng);
            Param::new(
                ParamKind::Embedding,
                values,
                rows,
                config.width,
                &[rows, config.width],
            )
        };
        let (query_feat, query_embed) = (embedding(config.queries), embedding(config.queries));
        let level_embed = embedding(SCALES);
        Self {
            query_feat,
            query_embed,
            level_embed,
            layers: (0..config.decoder_layers)
                .map(|_| DecoderLayer::new(config, rng))
                .collect(),
            head: PredictionHead::new(config, classes, rng),
        }
    }

    /// The predictions of the initial queries and of every layer.
    pub fn forward(
        &self,
        tape: &mut Tape,
        features: &PixelFeatures,
        scales: &Scales,
    ) -> Predictions {
        let pixels = &features.mask_features;
        let batch = pixels.batch;
        // Later rounds use the same memory again.
        let memory: Vec<Memory> = (0..SCALES.min(self.layers.len()))
            .map(|level| self.memory(tape, features, scales, level))
            .collect();

        let mut content = ops::repeat(tape, &self.query_feat.value, batch);
        let of_masks = self.head.pixels(tape, pixels);
        let mut layers = vec![self.head.forward(tape, &content, &of_masks)];
        for (i, layer) in self.layers.iter().enumerate() {
            let level = i % SCALES;
            let masks = &layers[i].masks;
            let blocked = ops::outside_masks(
                masks,
                (pixels.height, pixels.width),
                scales.levels.sizes[level],
            );
            content = layer.forward(
                tape,
                &content,
                &self.query_embed.value,
                &memory[level],
                blocked,
                batch,
            );
            layers.push(self.head.forward(tape, &content, &of_masks));
        }
        let queries = self.query_feat.value.rows();
        Predictions {
            layers,
            batch,
            queries,
            height: pixels.height,
            width: pixels.width,
        }
    }

    /// The map `level` as memory of the layers: its content plus the level's embedding; the position is added
    /// to the keys only.
    fn memory(
        &self,
        tape: &mut Tape,
        features: &PixelFeatures,
        scales: &Scales,
        level: usize,
    ) -> Memory {
        let map = &features.memory[level];
        let embedding = ops::slice_rows(tape, &self.level_embed.value, level, 1);
        let value = ops::add_rows(tape, &map.data, &embedding, map.batch);
        let key = ops::add_rows(tape, &value, &scales.positions[level], map.batch);
        Memory { key, value }
    }
}

impl Parameters for TransformerDecoder {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        visit(&join(prefix, "query_feat.weight"), &mut self.query_feat);
        visit(&join(prefix, "query_embed.weight"), &mut self.query_embed);
        visit(&join(prefix, "level_embed.weight"), &mut self.level_embed);
        for (i, layer) in self.layers.iter_mut().enumerate() {
            layer.parameters(prefix, i, visit);
        }
        self.head.parameters(prefix, visit);
    }
}
