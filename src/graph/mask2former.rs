//! Mask2Former for instance segmentation, https://arxiv.org/abs/2112.01527: backbone, pixel decoder, transformer decoder.
//!
//! Shapes: B images of H x W, Q queries, K classes; masks have the size of res2: H/4 x W/4 with the stem of the paper.
//! Parameters have the names of the reference checkpoint.

use crate::graph::ModelConfig;
use crate::graph::backbone::{ResNet, STAGES};
use crate::graph::input::Normaliser;
use crate::graph::pixel_decoder::PixelDecoder;
use crate::graph::scales::Scales;
use crate::graph::transformer_decoder::{Predictions, TransformerDecoder};
use crate::nn::params::{Param, Parameters, join};
use crate::rng::Stream;
use crate::structures::Picture;
use crate::tensor::{Map, Tape};

/// The network. A clone shares the values of its parameters until either is written.
#[derive(Clone, Debug)]
pub struct Mask2Former {
    normaliser: Normaliser,
    backbone: ResNet,
    pixel_decoder: PixelDecoder,
    predictor: TransformerDecoder,
    width: usize,
    classes: usize,
}

impl Mask2Former {
    /// A network for `classes` object classes, its values drawn from `rng` or read from `config.backbone.weights`.
    ///
    /// # Errors
    /// Sizes that do not fit each other; a weights file that is missing or does not fit the backbone.
    pub fn new(config: &ModelConfig, classes: usize, rng: &mut Stream) -> anyhow::Result<Self> {
        config.check()?;
        let backbone = &config.backbone;
        Ok(Self {
            normaliser: Normaliser::new(
                config.pixel_mean,
                config.pixel_std,
                backbone.coarsest_stride(),
            ),
            backbone: ResNet::new(backbone, rng)?,
            pixel_decoder: PixelDecoder::new(config, backbone.channels(), rng),
            predictor: TransformerDecoder::new(config, classes, rng),
            width: config.width,
            classes,
        })
    }

    /// Number of object classes K.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Pictures -> one normalised map of 3 channels, padded with 0 at the right and at the bottom to a common size that is a
    /// multiple of the coarsest stride. Panics without a picture.
    pub fn normalise(&self, pictures: &[&Picture]) -> Map {
        self.normaliser.map(pictures)
    }

    /// images of [`Self::normalise`] -> res2, res3, res4, res5.
    pub fn backbone_features(&self, tape: &mut Tape, images: &Map) -> [Map; STAGES] {
        self.backbone.forward(tape, images)
    }

    /// images of [`Self::normalise`] -> the predictions of every layer.
    pub fn forward(&self, tape: &mut Tape, images: &Map) -> Predictions {
        let features = self.backbone_features(tape, images);
        let [_, res3, res4, res5] = &features;
        let scales = Scales::new([res3, res4, res5], self.width);
        let pixels = self.pixel_decoder.forward(tape, &features, &scales);
        self.predictor.forward(tape, &pixels, &scales)
    }
}

impl Parameters for Mask2Former {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        self.backbone.parameters(&join(prefix, "backbone"), visit);
        self.pixel_decoder
            .parameters(&join(prefix, "sem_seg_head.pixel_decoder"), visit);
        self.predictor
            .parameters(&join(prefix, "sem_seg_head.predictor"), visit);
    }
}
