//! Heads that predict the IoU of a region's mask with its object.
//!
//! | kind | reads | predicts |
//! |---|---|---|
//! | `flat` (PAIS) | the features before the doubling of the mask head, as one row | a logit, whatever the class |
//! | `scoring` (Mask Scoring R-CNN, <https://arxiv.org/abs/1903.00241>) | the region's features, and the probabilities of its mask as one channel more | a number for each class |
//!
//! Shapes: R regions of P x P bins, masks of 2 P x 2 P, W channels of the mask head, H hidden features, K classes.
//! Sources: hujiecpp/PAIS 3f3e24d, `fcn_mask_head_iou.py`; youngwanLEE/centermask2 6adabd6, `maskiou_head.py`. The
//! gradient of a prediction reaches the mask that it is about in `scoring`, as it does there.

use super::channels::joined_channels;
use super::config::HeadConfig;
use super::head_kinds::IouHeadKind;
use super::mask_predictions::{DOUBLING, MaskPredictions};
use crate::nn::params::{Param, ParamKind, Parameters, join};
use crate::nn::{Conv2d, Linear, init};
use crate::ops::{self, Window};
use crate::rng::Stream;
use crate::tensor::{Map, Tape, Tensor2};

/// The number of convolutions of the scoring head; the last one halves both sides.
pub(super) const SCORING_CONVS: usize = 4;
/// The deviation of the initial weights of the scoring head's predictor.
const DEVIATION: f64 = 0.01;
/// The pool that brings a mask to the bins of its region.
const HALVING: Window = Window {
    kernel: DOUBLING,
    stride: DOUBLING,
    padding: 0,
};
/// The side of the scoring head's kernels.
const KERNEL: usize = 3;

/// A head of one of the two kinds.
#[derive(Clone, Debug)]
pub(super) enum IouHead {
    Flat(Box<FlatHead>),
    Scoring(Box<ScoringHead>),
}

/// The predicted IoU of the masks of some regions.
#[derive(Clone, Debug)]
pub enum IouPredictions {
    /// Logits, `[R, 1]`: the IoU is their sigmoid.
    Logits(Tensor2),
    /// The numbers for each region's own class, `[R, 1]`, of which only those in [0, 1] can be an IoU.
    Values(Tensor2),
}

impl IouHead {
    /// A head for regions of `channels` channels; none without a kind.
    pub(super) fn new(
        kind: IouHeadKind,
        config: &HeadConfig,
        channels: usize,
        classes: usize,
        rng: &mut Stream,
    ) -> Option<Self> {
        match kind {
            IouHeadKind::None => None,
            IouHeadKind::Flat => Some(Self::Flat(Box::new(FlatHead::new(config, rng)))),
            IouHeadKind::Scoring => {
                let head = ScoringHead::new(config, channels, classes, rng);
                Some(Self::Scoring(Box::new(head)))
            }
        }
    }

    /// The IoU of the masks `own` `[R * 2P * 2P, 1]` of the regions' own `classes`, from what the mask head saw.
    pub(super) fn forward(
        &self,
        tape: &mut Tape,
        masks: &MaskPredictions,
        own: &Tensor2,
        classes: &[usize],
    ) -> IouPredictions {
        match self {
            Self::Flat(head) => IouPredictions::Logits(head.forward(tape, &masks.features)),
            Self::Scoring(head) => {
                let logits = &masks.logits;
                let probabilities = ops::logistic(tape, own);
                let mask = Map::new(probabilities, logits.batch, logits.height, logits.width);
                let mask = ops::max_pool(tape, &mask, HALVING);
                let all = head.forward(tape, &masks.regions, &mask);
                let rows: Vec<usize> = (0..classes.len()).collect();
                IouPredictions::Values(ops::pick(tape, &all, &rows, classes, 1))
            }
        }
    }
}

impl IouPredictions {
    /// The predicted IoU of every region, in [0, 1].
    pub fn values(&self) -> Vec<f32> {
        let value = |found: f32| match self {
            Self::Logits(_) => ops::sigmoid(found),
            Self::Values(_) => found.clamp(0.0, 1.0),
        };
        let (Self::Logits(found) | Self::Values(found)) = self;
        found.host_values().iter().copied().map(value).collect()
    }
}

impl Parameters for IouHead {
    /// `prefix`: that of all heads for regions.
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        match self {
            Self::Flat(head) => head.parameters(&join(prefix, "mask_head"), visit),
            Self::Scoring(head) => head.parameters(&join(prefix, "maskiou_head"), visit),
        }
    }
}

/// Two linear layers on `[R, P * P * W]`.
#[derive(Clone, Debug)]
pub(super) struct FlatHead {
    hidden: Linear,
    predictor: Linear,
}

impl FlatHead {
    /// The initial values are PyTorch's, as in the source.
    fn new(config: &HeadConfig, rng: &mut Stream) -> Self {
        let (side, width) = (config.mask_side, config.mask_width);
        let mut hidden = Linear::new(side * side * width, config.width, rng);
        hidden.weight = over_pixels(hidden.weight, side, width);
        Self {
            hidden,
            predictor: Linear::new(config.width, 1, rng),
        }
    }

    fn forward(&self, tape: &mut Tape, features: &Map) -> Tensor2 {
        let rows = as_rows(tape, features);
        let hidden = self.hidden.forward_relu(tape, &rows);
        self.predictor.forward(tape, &hidden)
    }
}

impl Parameters for FlatHead {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        self.hidden
            .parameters(&join(prefix, "fc_iou_before"), visit);
        self.predictor.parameters(&join(prefix, "fc_iou"), visit);
    }
}

/// Four convolutions, two linear layers, and a predictor.
#[derive(Clone, Debug)]
pub(super) struct ScoringHead {
    convs: Vec<Conv2d>,
    hidden: [Linear; 2],
    predictor: Linear,
}

impl ScoringHead {
    /// The initial values are those of the source.
    fn new(config: &HeadConfig, channels: usize, classes: usize, rng: &mut Stream) -> Self {
        let (width, outputs) = (config.mask_width, config.width);
        let convs = (1..=SCORING_CONVS).map(|number| {
            let inputs = if number == 1 { channels + 1 } else { width };
            let stride = if number == SCORING_CONVS { DOUBLING } else { 1 };
            let area = KERNEL * KERNEL;
            let weight = init::kaiming_normal(area * width, area * inputs * width, rng);
            let bias = Some(vec![0.0; width]);
            Conv2d::from_values(inputs, width, KERNEL, stride, weight, bias)
        });
        let convs = convs.collect();
        let side = scoring_side(config);
        let mut fully = |inputs: usize| {
            let weight = init::kaiming_normal(outputs, inputs * outputs, rng);
            Linear::from_values(inputs, outputs, weight, vec![0.0; outputs])
        };
        let mut hidden = [fully(side * side * width), fully(outputs)];
        hidden[0].weight = over_pixels(hidden[0].weight.clone(), side, width);
        Self {
            convs,
            hidden,
            predictor: Linear::normal(outputs, classes, DEVIATION, rng),
        }
    }

    /// Regions and their masks of as many bins, with one channel -> a number for each class, `[R, K]`.
    fn forward(&self, tape: &mut Tape, regions: &Map, masks: &Map) -> Tensor2 {
        let mut x = joined_channels(tape, regions, masks);
        for conv in &self.convs {
            x = conv.forward_relu(tape, &x);
        }
        let mut rows = as_rows(tape, &x);
        for layer in &self.hidden {
            rows = layer.forward_relu(tape, &rows);
        }
        self.predictor.forward(tape, &rows)
    }
}

impl Parameters for ScoringHead {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        for (number, conv) in (1..).zip(&mut self.convs) {
            conv.parameters(&join(prefix, &format!("maskiou_fcn{number}")), visit);
        }
        for (number, layer) in (1..).zip(&mut self.hidden) {
            layer.parameters(&join(prefix, &format!("maskiou_fc{number}")), visit);
        }
        self.predictor.parameters(&join(prefix, "maskiou"), visit);
    }
}

/// Pixels along a side after the convolutions of the scoring head.
pub(super) fn scoring_side(config: &HeadConfig) -> usize {
    config.mask_side.div_ceil(DOUBLING)
}

/// The weight of a linear layer over all pixels of a map, whose channels come first in files.
fn over_pixels(weight: Param, side: usize, channels: usize) -> Param {
    let values = weight.value.values().to_vec();
    let (outputs, inputs) = (weight.value.rows(), weight.value.columns());
    let shape = [outputs, channels, side, side];
    Param::new(ParamKind::Weight, values, outputs, inputs, &shape)
}

/// One row for each image of a map.
fn as_rows(tape: &mut Tape, map: &Map) -> Tensor2 {
    ops::reshape(tape, &map.data, map.batch, map.pixels() * map.channels())
}

#[cfg(test)]
mod tests {
    use super::super::region_heads::tests::{CLASSES_OF_REGIONS, compared, heads, regions};
    use super::*;
    use crate::ops::check::on_every_place;

    on_every_place! {
        fn the_iou_and_its_gradients_parity_with_pytorch(place) {
            for (case, kind) in [("flat", IouHeadKind::Flat), ("scoring", IouHeadKind::Scoring)] {
                let heads = heads(case, |config| config.iou_head = kind, place);
                let regions = regions(case, place);
                compared(case, heads, &regions, |heads, tape, own, masks| {
                    let head = heads.iou_head.as_ref().expect("the head of the recipe");
                    let found = head.forward(tape, masks, own, &CLASSES_OF_REGIONS);
                    let (IouPredictions::Logits(found) | IouPredictions::Values(found)) = found;
                    ("iou", found)
                });
            }
        }
    }

    #[test]
    fn a_prediction_is_an_iou() {
        let found = || Tensor2::constant(vec![-3.0, 0.0, 0.4, 7.0], 4, 1);
        assert_eq!(
            IouPredictions::Values(found()).values(),
            [0.0, 0.0, 0.4, 1.0]
        );
        let logits = IouPredictions::Logits(found()).values();
        assert_eq!(logits[1], 0.5);
        assert!(logits[0] < 0.05 && logits[3] > 0.99, "{logits:?}");
    }
}
