//! The box head, <https://arxiv.org/abs/1504.08083>: two fully connected layers, then the class and the box of a
//! region.
//!
//! Shapes: R regions of P x P bins with C channels, K classes. The first layer's weight is `[H, C * P * P]` in the
//! reference, whose regions have the channels first; the columns are reordered when a file is read.

use super::config::HeadConfig;
use super::semantics::{Rules, Semantics};
use crate::graph::regional::{as_rows, over_pixels};
use crate::nn::Linear;
use crate::nn::params::{Param, Parameters, join};
use crate::rng::Stream;
use crate::tensor::{Map, Tape, Tensor2};

/// Deviations of the initial weights of classes and deltas.
const CLASS_DEVIATION: f64 = 0.01;
const DELTA_DEVIATION: f64 = 0.001;

/// Two fully connected layers over all bins of a region.
#[derive(Clone, Debug)]
pub(super) struct HiddenLayers {
    fc1: Linear,
    fc2: Linear,
}

/// Two hidden layers and two predictors.
#[derive(Clone, Debug)]
pub(super) struct BoxHead {
    hidden: HiddenLayers,
    classes: Linear,
    deltas: Linear,
}

/// The predictions for some regions.
#[derive(Clone, Debug)]
pub struct RegionPredictions {
    /// Logits of the classes, background last, `[R, K + 1]`.
    pub classes: Tensor2,
    /// dx, dy, dw, dh of every class, `[R, 4 K]`.
    pub deltas: Tensor2,
}

impl HiddenLayers {
    pub(super) fn new(
        config: &HeadConfig,
        rules: &Rules,
        channels: usize,
        rng: &mut Stream,
    ) -> Self {
        let (side, hidden) = (config.box_side, config.width);
        let inputs = side * side * channels;
        let mut fully = |inputs: usize| match rules.start {
            Semantics::Torchvision => Linear::new(inputs, hidden, rng),
            Semantics::Detectron2 => Linear::caffe2_xavier(inputs, hidden, rng),
            Semantics::Mmdetection => Linear::projection(inputs, hidden, rng),
        };
        let (mut fc1, fc2) = (fully(inputs), fully(hidden));
        fc1.weight = over_pixels(fc1.weight, side, channels);
        Self { fc1, fc2 }
    }

    /// Regions of P x P bins -> `[R, H]`.
    pub(super) fn forward(&self, tape: &mut Tape, regions: &Map) -> Tensor2 {
        let rows = as_rows(tape, regions);
        let hidden = self.fc1.forward_relu(tape, &rows);
        self.fc2.forward_relu(tape, &hidden)
    }
}

impl Parameters for HiddenLayers {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        self.fc1.parameters(&join(prefix, "fc1"), visit);
        self.fc2.parameters(&join(prefix, "fc2"), visit);
    }
}

/// The predictor of the classes and of background.
pub(super) fn class_predictor(
    config: &HeadConfig,
    rules: &Rules,
    classes: usize,
    rng: &mut Stream,
) -> Linear {
    predictor(config, rules, classes + 1, CLASS_DEVIATION, rng)
}

fn predictor(
    config: &HeadConfig,
    rules: &Rules,
    outputs: usize,
    deviation: f64,
    rng: &mut Stream,
) -> Linear {
    match rules.start {
        Semantics::Torchvision => Linear::new(config.width, outputs, rng),
        Semantics::Detectron2 | Semantics::Mmdetection => {
            Linear::normal(config.width, outputs, deviation, rng)
        }
    }
}

impl BoxHead {
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
            deltas: predictor(config, rules, 4 * classes, DELTA_DEVIATION, rng),
        }
    }

    /// Regions of P x P bins -> their classes and boxes.
    pub(super) fn forward(&self, tape: &mut Tape, regions: &Map) -> RegionPredictions {
        let hidden = self.hidden.forward(tape, regions);
        RegionPredictions {
            classes: self.classes.forward(tape, &hidden),
            deltas: self.deltas.forward(tape, &hidden),
        }
    }
}

impl Parameters for BoxHead {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        self.hidden.parameters(&join(prefix, "box_head"), visit);
        self.classes
            .parameters(&join(prefix, "box_predictor.cls_score"), visit);
        self.deltas
            .parameters(&join(prefix, "box_predictor.bbox_pred"), visit);
    }
}
