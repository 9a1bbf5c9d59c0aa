//! Auxiliary heads for regions: each has a class predictor and a mask head like those of the network, and learns to say
//! of perturbed regions what the network says of the same regions as they are. A test does not use them.
//!
//! Shapes: as for the box head and the mask head. Source: the auxiliary decoders of CCT
//! (<https://arxiv.org/abs/2003.09005>), which segments whole pictures; heads for regions are our definition. They
//! predict no boxes, because nothing would teach these.

use super::box_head::{HiddenLayers, class_predictor};
use super::config::HeadConfig;
use super::plain_mask_head::PlainMaskHead;
use super::semantics::Rules;
use crate::nn::Linear;
use crate::nn::params::{Param, Parameters, join};
use crate::rng::Stream;
use crate::tensor::{Map, Tape, Tensor2};

/// Hidden layers, a class predictor and a mask head.
#[derive(Clone, Debug)]
pub(super) struct AuxiliaryHead {
    hidden: HiddenLayers,
    classes: Linear,
    masks: PlainMaskHead,
}

impl AuxiliaryHead {
    pub(super) fn new(
        config: &HeadConfig,
        rules: &Rules,
        channels: usize,
        classes: usize,
        rng: &mut Stream,
    ) -> Self {
        Self {
            hidden: HiddenLayers::new(config, rules, channels, rng),
            classes: class_predictor(config, rules, classes, rng),
            masks: PlainMaskHead::new(config, rules, channels, classes, rng),
        }
    }

    /// Regions of P x P bins -> logits of their classes, background last, `[R, K + 1]`.
    pub(super) fn classes(&self, tape: &mut Tape, regions: &Map) -> Tensor2 {
        let hidden = self.hidden.forward(tape, regions);
        self.classes.forward(tape, &hidden)
    }

    /// Regions of P x P bins -> mask logits of 2 P x 2 P with a channel for each class.
    pub(super) fn masks(&self, tape: &mut Tape, regions: &Map) -> Map {
        self.masks.forward(tape, regions.clone()).logits
    }
}

impl Parameters for AuxiliaryHead {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        self.hidden.parameters(&join(prefix, "box_head"), visit);
        self.classes
            .parameters(&join(prefix, "box_predictor.cls_score"), visit);
        self.masks.parameters(&join(prefix, "mask_head"), visit);
    }
}
