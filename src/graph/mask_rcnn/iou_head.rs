//! Heads that predict the IoU of a region's mask with its object.
//!
//! | kind | reads | predicts |
//! |---|---|---|
//! | `flat` (PAIS) | the features before the doubling of the mask head, as one row | a logit, whatever the class |
//! | `scoring` (Mask Scoring R-CNN) | the region's features and its mask ([`ScoringHead`]) | a number for each class |
//!
//! Shapes: R regions of P x P bins, masks of 2 P x 2 P, W channels of the mask head, H hidden features, K classes.
//! Source of `flat`: hujiecpp/PAIS 3f3e24d, `fcn_mask_head_iou.py`.

use super::config::HeadConfig;
use super::head_kinds::IouHeadKind;
use super::mask_predictions::MaskPredictions;
use crate::graph::regional::{IouPredictions, ScoringHead, as_rows, over_pixels};
use crate::nn::Linear;
use crate::nn::params::{Param, Parameters, join};
use crate::rng::Stream;
use crate::tensor::{Map, Tape, Tensor2};

/// A head of one of the two kinds.
#[derive(Clone, Debug)]
pub(super) enum IouHead {
    Flat(Box<FlatHead>),
    Scoring(Box<ScoringHead>),
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
                let head = ScoringHead::new(config.scoring(channels), classes, rng);
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
            Self::Scoring(head) => head.forward(tape, &masks.regions, own, classes),
        }
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
}
