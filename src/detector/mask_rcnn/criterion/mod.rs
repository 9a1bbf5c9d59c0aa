//! The losses of Mask R-CNN for labels and pseudo-labels alike: two for anchors, three for regions.
//!
//! `$$ L = L_{cls} + L_{box} + L_{mask} + L_{obj} + L_{rpn\,box} $$`
//!
//! each with its weight, and the losses of coarse masks and of an IoU head, if the network has them. Source: Faster
//! R-CNN, eq. 1 (<https://arxiv.org/abs/1506.01497>), Mask R-CNN, section 3 (<https://arxiv.org/abs/1703.06870>). The
//! anchors and regions of an image that count are drawn anew in every step.
//!
//! An image without an object teaches its anchors and regions that they are background, or nothing
//! ([`EmptyImage`](crate::detector::EmptyImage)): it is then left out of the samples and of all divisors.

mod anchors;
mod regions;
mod survey;

use super::forward::ForwardPass;
use super::loss::LossConfig;
use crate::detector::by_region::{BegunPart, SampleOrder};
use crate::detector::{Losses, Pending, Survey};
use crate::graph::mask_rcnn::MaskRcnnConfig;
use crate::ops;
use crate::tensor::{Tape, Tensor2};
use survey::Counted;

/// The terms of the loss of every network.
const TERMS: [&str; 5] = ["class", "box", "mask", "rpn-objectness", "rpn-box"];
/// The term of the coarse masks of a noise-tolerant mask head.
const COARSE: &str = "mask-coarse";
/// The term of an IoU head.
const IOU: &str = "iou";

/// The terms of the loss of the network of `config`.
pub(super) fn terms(config: &MaskRcnnConfig) -> Vec<&'static str> {
    let mut terms = TERMS.to_vec();
    if config.mask_head.is_coarse_too() {
        terms.push(COARSE);
    }
    if config.iou_head.is_there() {
        terms.push(IOU);
    }
    terms
}

/// The rules of the losses.
#[derive(Clone, Debug)]
pub(super) struct Criterion {
    /// Weights and samples.
    pub config: LossConfig,
    /// The order in which candidates are sampled.
    pub order: SampleOrder,
}

/// A part whose losses can be computed.
pub(super) struct StartedPart<'p> {
    pass: &'p ForwardPass,
    criterion: &'p Criterion,
    begun: BegunPart<'p>,
}

impl<'p> StartedPart<'p> {
    /// The part or piece that has `begun`, whose batch is that of `pass`.
    pub(super) fn new(
        pass: &'p ForwardPass,
        criterion: &'p Criterion,
        begun: BegunPart<'p>,
    ) -> Self {
        Self {
            pass,
            criterion,
            begun,
        }
    }

    /// What all pieces of the part count; none if it is whole.
    fn counted(&self) -> Option<Counted> {
        self.begun.survey().map(Counted::of)
    }
}

impl Pending for StartedPart<'_> {
    fn count(self: Box<Self>) -> Survey {
        self.surveyed()
    }

    fn losses(mut self: Box<Self>, tape: &mut Tape) -> Losses {
        self.begun.draw_from(survey::ANCHORS);
        let [objectness, rpn_box] = self.anchor_losses(tape);
        self.begun.draw_from(survey::REGIONS);
        let regions = self.region_losses(tape);
        let config = &self.criterion.config;
        let mut weights = vec![
            config.class,
            config.boxes,
            config.mask,
            config.rpn_objectness,
            config.rpn_box,
        ];
        let mut losses = vec![
            regions.class,
            regions.boxes,
            regions.mask,
            objectness,
            rpn_box,
        ];
        let of_heads = [
            (regions.coarse, config.mask_coarse),
            (regions.iou, config.iou),
        ];
        for (loss, weight) in of_heads {
            if let Some(loss) = loss {
                weights.push(weight);
                losses.push(loss);
            }
        }
        let weighted: Vec<(&Tensor2, f32)> = losses.iter().zip(weights.iter().copied()).collect();
        let total = ops::weighted_sum(tape, &weighted);
        let terms = terms(self.pass.model.config());
        Losses {
            terms: terms.into_iter().zip(losses).collect(),
            weights,
            total,
        }
    }
}

#[cfg(test)]
mod tests;
