//! The mask head of Mask R-CNN (<https://arxiv.org/abs/1703.06870>, figure 4): convolutions, a doubling of the
//! resolution, and one mask for each class.
//!
//! Shapes: R regions of P x P bins -> logits of 2 P x 2 P for each of K classes.

use super::config::HeadConfig;
use super::mask_predictions::MaskPredictions;
use super::semantics::{Rules, Semantics};
use crate::graph::regional::DOUBLING;
use crate::nn::params::{Param, Parameters, join};
use crate::nn::{Conv2d, ConvTranspose2d, init};
use crate::rng::Stream;
use crate::tensor::{Map, Tape};

/// The deviation of the initial weights of detectron2's predictor.
const DEVIATION: f64 = 0.001;

/// Convolutions, doubling, predictor.
#[derive(Clone, Debug)]
pub(super) struct PlainMaskHead {
    convs: Vec<Conv2d>,
    deconv: ConvTranspose2d,
    predictor: Conv2d,
}

impl PlainMaskHead {
    pub(super) fn new(
        config: &HeadConfig,
        rules: &Rules,
        channels: usize,
        classes: usize,
        rng: &mut Stream,
    ) -> Self {
        let width = config.mask_width;
        let inputs = (0..config.mask_convs).map(|i| if i == 0 { channels } else { width });
        let convs = inputs.map(|from| Conv2d::with_bias(from, width, 3, rng));
        let convs = convs.collect();
        let mut deconv = ConvTranspose2d::new(width, width, DOUBLING, rng);
        let predictor = match rules.start {
            Semantics::Detectron2 => Conv2d::normal(width, classes, 1, DEVIATION, rng),
            Semantics::Mmdetection => Conv2d::with_bias(width, classes, 1, rng),
            Semantics::Torchvision => {
                deconv = deconv.with_default_bias(rng);
                // torchvision has a mask for the background, too; nothing reads it, but it widens the fan.
                let weight = init::kaiming_normal(classes + 1, width * classes, rng);
                let bias = init::default_uniform(width, classes, rng);
                Conv2d::from_values(width, classes, 1, 1, weight, Some(bias))
            }
        };
        Self {
            convs,
            deconv,
            predictor,
        }
    }

    /// Regions of P x P bins -> their masks.
    pub(super) fn forward(&self, tape: &mut Tape, regions: Map) -> MaskPredictions {
        let mut features = regions.clone();
        for conv in &self.convs {
            features = conv.forward_relu(tape, &features);
        }
        let x = self.deconv.forward_relu(tape, &features);
        MaskPredictions {
            logits: self.predictor.forward(tape, &x),
            coarse: None,
            regions,
            features,
        }
    }
}

impl Parameters for PlainMaskHead {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        for (number, conv) in (1..).zip(&mut self.convs) {
            conv.parameters(&join(prefix, &format!("mask_fcn{number}")), visit);
        }
        self.deconv.parameters(&join(prefix, "deconv"), visit);
        self.predictor.parameters(&join(prefix, "predictor"), visit);
    }
}
