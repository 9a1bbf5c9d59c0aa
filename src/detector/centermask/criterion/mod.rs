//! The losses of CenterMask for labels and pseudo-labels alike: three for locations, two for regions.
//!
//! `$$ L = L_{cls} + L_{box} + L_{centre} + L_{mask} + L_{iou} $$`
//!
//! each with its weight. Source: FCOS (<https://arxiv.org/abs/1904.01355>), eq. 2 and section 3.3, and CenterMask
//! (<https://arxiv.org/abs/1911.06667>), section 3.4, as youngwanLEE/centermask2 6adabd6 implements them. The regions
//! of an image that count are drawn anew in every step.
//!
//! An image without an object teaches its locations that they are background, or nothing
//! ([`EmptyImage`](crate::detector::EmptyImage)).

mod locations;
mod regions;
mod survey;

use super::forward::ForwardPass;
use super::loss::LossConfig;
use crate::detector::by_region::{BegunPart, SampleOrder};
use crate::detector::{Losses, Pending, Survey};
use crate::ops;
use crate::tensor::{Tape, Tensor2};
use survey::Counted;

/// The terms of the loss.
pub(super) const TERMS: [&str; 5] = ["class", "box", "centreness", "mask", "iou"];

/// The rules of the losses.
#[derive(Clone, Debug)]
pub(super) struct Criterion {
    /// Weights and samples.
    pub config: LossConfig,
    /// The order in which regions are sampled.
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
        self.begun.draw_from(survey::REGIONS);
        let [class, boxes, centreness] = self.location_losses(tape);
        let [mask, iou] = self.region_losses(tape);
        let losses = [class, boxes, centreness, mask, iou];
        let config = &self.criterion.config;
        let weights = [
            config.class,
            config.boxes,
            config.centreness,
            config.mask,
            config.iou,
        ];
        let weighted: Vec<(&Tensor2, f32)> = losses.iter().zip(weights).collect();
        let total = ops::weighted_sum(tape, &weighted);
        Losses {
            terms: TERMS.into_iter().zip(losses).collect(),
            weights: weights.into(),
            total,
        }
    }
}
