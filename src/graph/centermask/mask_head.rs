//! The mask head of CenterMask (section 3.3, figure 5): convolutions, spatial attention, a doubling of the resolution,
//! and one mask for each class.
//!
//! Shapes: R regions of P x P bins -> logits of 2 P x 2 P for each of K classes. Source: youngwanLEE/centermask2
//! 6adabd6, `sam.py`, with its initial values.

use super::attention::SpatialAttention;
use super::config::HeadConfig;
use crate::graph::regional::DOUBLING;
use crate::nn::params::{Param, Parameters, join};
use crate::nn::{Conv2d, ConvTranspose2d};
use crate::rng::Stream;
use crate::tensor::{Map, Tape};

/// The side of the kernels.
const KERNEL: usize = 3;
/// The deviation of the initial weights of the predictor.
const DEVIATION: f64 = 0.001;

/// Convolutions, attention, doubling, predictor.
#[derive(Clone, Debug)]
pub(super) struct MaskHead {
    convs: Vec<Conv2d>,
    attention: SpatialAttention,
    deconv: ConvTranspose2d,
    predictor: Conv2d,
}

impl MaskHead {
    pub(super) fn new(
        config: &HeadConfig,
        channels: usize,
        classes: usize,
        rng: &mut Stream,
    ) -> Self {
        let width = config.mask_width;
        let inputs = (0..config.mask_convs).map(|i| if i == 0 { channels } else { width });
        let convs = inputs.map(|from| Conv2d::with_bias(from, width, KERNEL, rng));
        Self {
            convs: convs.collect(),
            attention: SpatialAttention::new(rng),
            deconv: ConvTranspose2d::new(width, width, DOUBLING, rng),
            predictor: Conv2d::normal(width, classes, 1, DEVIATION, rng),
        }
    }

    /// Regions of P x P bins -> the logits of their masks, with a channel for each class.
    pub(super) fn forward(&self, tape: &mut Tape, regions: &Map) -> Map {
        let mut x = regions.clone();
        for conv in &self.convs {
            x = conv.forward_relu(tape, &x);
        }
        let x = self.attention.forward(tape, &x);
        let x = self.deconv.forward_relu(tape, &x);
        self.predictor.forward(tape, &x)
    }
}

impl Parameters for MaskHead {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        for (number, conv) in (1..).zip(&mut self.convs) {
            conv.parameters(&join(prefix, &format!("mask_fcn{number}")), visit);
        }
        self.attention
            .parameters(&join(prefix, "spatialAtt"), visit);
        self.deconv.parameters(&join(prefix, "deconv"), visit);
        self.predictor.parameters(&join(prefix, "predictor"), visit);
    }
}
