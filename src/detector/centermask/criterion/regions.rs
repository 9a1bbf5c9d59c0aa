//! The losses of the heads for regions.
//!
//! `$$ L_{mask} = \frac1{|F| S^2} \sum_{r \in F} \sum_i w_{ri}\,\mathrm{BCE}(z_{r y_r i}, m_{ri}) $$`
//!
//! F are the sampled regions that have to find an object, among the network's own boxes and the objects' own
//! rectangles; y is its class. Only the mask of that class counts. w is 1, or the weight of a pseudo-mask. The loss of
//! the predicted IoU is that of a scoring head ([`iou_loss`]). Regions of background teach nothing.

use super::StartedPart;
use crate::detector::by_region::{MaskTargets, Pair, iou_loss, zero};
use crate::graph::regional::Region;
use crate::ops::{Bounds, iou_matrix};
use crate::tensor::{Tape, Tensor2};

/// The sampled regions of a part that have to find an object.
#[derive(Default)]
pub(super) struct Sampled {
    pub regions: Vec<Region>,
    /// The class of each.
    pub classes: Vec<usize>,
    /// The mask of each object in the region.
    pub masks: MaskTargets,
    /// The share of the object that lies in the region.
    pub shares: Vec<f32>,
}

impl Sampled {
    /// Every object in its region beside its predicted mask among `logits` `[F * side * side]`.
    pub fn pairs<'a>(&'a self, logits: &'a [f32], side: usize) -> impl Iterator<Item = Pair<'a>> {
        let objects = self.masks.masks.chunks_exact(side * side);
        let both = logits.chunks_exact(side * side).zip(objects);
        both.zip(&self.shares)
            .map(|((logits, object), share)| Pair {
                logits,
                object,
                share: *share,
            })
    }
}

impl StartedPart<'_> {
    /// The losses of masks and of their IoU.
    pub(super) fn region_losses(&mut self, tape: &mut Tape) -> [Tensor2; 2] {
        let sampled = self.sampled_regions();
        if sampled.regions.is_empty() {
            return [zero(), zero()];
        }
        let side = self.pass.model.mask_side();
        let own = self.pass.masks(tape, &sampled.regions, &sampled.classes);
        let logits = own.logits.host_values();
        let (pairs, counted) = (sampled.pairs(&logits, side), self.counted());
        let iou = iou_loss(tape, &own.iou, pairs, counted.map(|all| all.ious as f32));
        let rule = &self.begun.part.mask_loss;
        let sums = counted.map(|all| (all.regions, all.mask_weights));
        let mask = sampled.masks.loss(tape, &own.logits, side, rule, sums);
        [mask, iou]
    }

    /// Draws the regions among the network's own boxes and the objects' own rectangles.
    pub(super) fn sampled_regions(&mut self) -> Sampled {
        let numbers = self.begun.numbers();
        let kept = self.pass.model.config().detections.kept_train;
        let boxes = self.pass.boxes(&numbers, kept).into_iter();
        let candidates = boxes.map(|found| found.iter().map(|one| one.bounds).collect());
        self.sampled(candidates.collect())
    }

    /// Draws the regions of every image that teaches something from its candidates and its objects' own rectangles.
    fn sampled(&mut self, candidates: Vec<Vec<Bounds>>) -> Sampled {
        let criterion = self.criterion;
        let config = &criterion.config;
        let (matcher, size) = (config.region_matcher(), config.region_sample());
        let side = self.pass.model.mask_side();
        let mut sampled = Sampled::default();
        for (taught, mut candidates) in self.begun.images.iter().zip(candidates) {
            let objects = &taught.objects;
            candidates.extend(&objects.bounds);
            let iou = iou_matrix(&objects.bounds, &candidates);
            let matches = matcher.of(&iou, candidates.len());
            let sample = size.draw(&matches, criterion.order, &mut self.begun.draws);
            let in_regions: Vec<(usize, Bounds)> = sample
                .objects
                .iter()
                .map(|(index, object)| (*object, candidates[*index]))
                .collect();
            for (object, bounds) in &in_regions {
                sampled.classes.push(objects.class(*object));
                sampled.regions.push(Region {
                    image: taught.image,
                    bounds: *bounds,
                });
            }
            let masks = objects.masks(&in_regions, side, true);
            let weights = objects.weights(&in_regions, side);
            sampled.masks.extend(masks, weights);
            sampled.shares.extend(objects.shares(&in_regions));
        }
        sampled
    }
}
