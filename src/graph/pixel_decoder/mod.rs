//! Pixel decoder of Mask2Former (`MSDeformAttnPixelDecoder`): multi-scale deformable attention over res5,
//! res4 and res3, and one step of a feature pyramid up to res2.
//!
//! Shapes: D width, F channels of the pyramid's output, M channels of the mask features. If F = D, the layers
//! are those of the reference. A smaller F makes the 3x3 convolution at the finest level cheaper: this is
//! `layer_1` from D to F, which does most of the work.

mod encoder;

use crate::graph::ModelConfig;
use crate::graph::backbone::STAGES;
use crate::graph::scales::{SCALES, Scales};
use crate::nn::params::{Param, Parameters, join};
use crate::nn::{Conv2d, GroupNorm};
use crate::ops;
use crate::rng::Stream;
use crate::tensor::{Map, Tape};

use encoder::Encoder;

/// The output of the pixel decoder, which the transformer decoder reads.
#[derive(Clone, Debug)]
pub struct PixelFeatures {
    /// The encoded maps, coarse to fine (res5, res4, res3), D channels.
    pub memory: [Map; SCALES],
    /// M channels at the size of res2.
    pub mask_features: Map,
}

/// The names and their order are those of the reference checkpoint.
#[derive(Clone, Debug)]
pub struct PixelDecoder {
    /// 1x1 convolution and norm for res5, res4, res3.
    input_proj: Vec<(Conv2d, GroupNorm)>,
    encoder: Encoder,
    /// Lateral 1x1 convolution for res2 and its norm.
    adapter: (Conv2d, GroupNorm),
    /// Output 3x3 convolution and its norm.
    layer: (Conv2d, GroupNorm),
    mask_features: Conv2d,
}

impl PixelDecoder {
    /// A decoder for a backbone with `channels` in res2 to res5.
    pub fn new(config: &ModelConfig, channels: [usize; STAGES], rng: &mut Stream) -> Self {
        let &ModelConfig {
            width,
            fpn_width,
            mask_width,
            norm_groups,
            ..
        } = config;
        let norm = |channels| GroupNorm::new(channels, norm_groups);
        let [finest, coarser @ ..] = channels;
        let input_proj = coarser
            .iter()
            .rev()
            .map(|&inputs| (Conv2d::projection(inputs, width, rng), norm(width)))
            .collect();
        Self {
            input_proj,
            encoder: Encoder::new(config, rng),
            adapter: (
                Conv2d::caffe2_xavier(finest, width, 1, false, rng),
                norm(width),
            ),
            layer: (
                Conv2d::caffe2_xavier(width, fpn_width, 3, false, rng),
                norm(fpn_width),
            ),
            mask_features: Conv2d::caffe2_xavier(fpn_width, mask_width, 1, true, rng),
        }
    }

    /// `features` of res2 to res5 -> the encoded maps and the mask features.
    pub fn forward(
        &self,
        tape: &mut Tape,
        features: &[Map; STAGES],
        scales: &Scales,
    ) -> PixelFeatures {
        let [finest, coarser @ ..] = features;
        let projected: Vec<Map> = coarser
            .iter()
            .rev()
            .zip(&self.input_proj)
            .map(|(map, (conv, norm))| {
                let y = conv.forward(tape, map);
                norm.forward(tape, &y, None, false)
            })
            .collect();
        let memory = self.encoder.forward(tape, &projected, scales);

        let (conv, norm) = &self.adapter;
        let lateral = conv.forward(tape, finest);
        let lateral = norm.forward(tape, &lateral, None, false);
        let merged = ops::resize_bilinear(
            tape,
            &memory[SCALES - 1],
            finest.height,
            finest.width,
            Some(&lateral),
        );
        let (conv, norm) = &self.layer;
        let merged = conv.forward(tape, &merged);
        let merged = norm.forward(tape, &merged, None, true);
        PixelFeatures {
            memory,
            mask_features: self.mask_features.forward(tape, &merged),
        }
    }
}

impl Parameters for PixelDecoder {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        for (i, (conv, norm)) in self.input_proj.iter_mut().enumerate() {
            conv.parameters(&join(prefix, &format!("input_proj.{i}.0")), visit);
            norm.parameters(&join(prefix, &format!("input_proj.{i}.1")), visit);
        }
        self.encoder.parameters(&join(prefix, "transformer"), visit);
        for (name, (conv, norm)) in [
            ("adapter_1", &mut self.adapter),
            ("layer_1", &mut self.layer),
        ] {
            let name = join(prefix, name);
            conv.parameters(&name, visit);
            norm.parameters(&join(&name, "norm"), visit);
        }
        self.mask_features
            .parameters(&join(prefix, "mask_features"), visit);
    }
}
