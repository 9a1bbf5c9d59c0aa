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
use crate::detector::by_region::{SampleOrder, Taught, taught, taught_among};
use crate::detector::{Losses, Part, Pending, Piece, Survey};
use crate::ops;
use crate::rng::Stream;
use crate::tensor::{Tape, Tensor2};
use std::ops::Range;
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
    part: &'p Part<'p>,
    images: Vec<Taught<'p>>,
    draws: Stream,
    /// The places of the images, and what the pieces of the part count; none if it is whole.
    piece: Option<(Range<usize>, &'p Survey)>,
}

impl<'p> StartedPart<'p> {
    /// Panics if targets and images differ in number, or if the batch has fewer images.
    pub(super) fn new(
        pass: &'p ForwardPass,
        criterion: &'p Criterion,
        part: &'p Part<'p>,
        draws: Stream,
    ) -> Self {
        Self {
            pass,
            criterion,
            part,
            images: taught(part, pass.sizes.len()),
            draws,
            piece: None,
        }
    }

    /// A piece of `part`, whose images are the first ones of `pass`.
    pub(super) fn piece(
        pass: &'p ForwardPass,
        criterion: &'p Criterion,
        part: &'p Part<'p>,
        piece: Piece<'p>,
    ) -> Self {
        let Piece {
            images: places,
            draws,
            survey,
            ..
        } = piece;
        Self {
            pass,
            criterion,
            part,
            images: taught_among(part, places.clone(), 0, pass.sizes.len()),
            draws,
            piece: Some((places, survey)),
        }
    }

    /// What all pieces of the part count; none if it is whole.
    fn counted(&self) -> Option<Counted> {
        let (_, survey) = self.piece.as_ref()?;
        Some(Counted::of(survey))
    }
}

impl Pending for StartedPart<'_> {
    fn count(self: Box<Self>) -> Survey {
        self.surveyed()
    }

    fn losses(mut self: Box<Self>, tape: &mut Tape) -> Losses {
        self.draw_as_in_the_part();
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
