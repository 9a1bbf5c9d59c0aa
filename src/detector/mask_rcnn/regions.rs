//! The heads of Mask R-CNN for methods that compare what they say of regions.

use super::forward::{ForwardPass, Stage};
use crate::detector::{HeadKind, Region, RegionDetection, RegionHeads, RegionPredictions};
use crate::graph::mask_rcnn::Branch;
use crate::graph::regional::of_own_class;
use crate::ops::{self, Bounds};
use crate::tensor::{Map, Tape, Tensor2};

impl RegionHeads for ForwardPass {
    fn size(&self, image: usize) -> (usize, usize) {
        self.sizes[image]
    }

    fn proposals(&self, image: usize) -> Vec<Bounds> {
        self.proposals_of(Stage::Test, image)
    }

    fn detections(&self) -> Vec<Vec<RegionDetection>> {
        let images = self.found(usize::MAX).into_iter();
        let of_image = |found: Vec<_>| found.into_iter().map(RegionDetection::from).collect();
        images.map(of_image).collect()
    }

    fn predict(&self, tape: &mut Tape, regions: &[Region]) -> RegionPredictions {
        self.model
            .region_predictions(tape, &self.levels, regions, Branch::Strong)
    }

    fn masks(&self, tape: &mut Tape, regions: &[Region], classes: &[usize]) -> Tensor2 {
        let own = self.own_masks(tape, regions, classes, Branch::Strong);
        a_row_each(tape, &own.logits, regions.len())
    }

    fn mask_side(&self) -> usize {
        self.model.mask_side()
    }

    fn bins(&self, tape: &mut Tape, regions: &[Region], head: HeadKind) -> Map {
        self.model.pooled(tape, &self.levels, regions, head)
    }

    fn auxiliary_classes(&self, tape: &mut Tape, number: usize, bins: &Map) -> Tensor2 {
        self.model.auxiliary_classes(tape, number, bins)
    }

    fn auxiliary_masks(
        &self,
        tape: &mut Tape,
        number: usize,
        bins: &Map,
        classes: &[usize],
    ) -> Tensor2 {
        let masks = self.model.auxiliary_masks(tape, number, bins);
        let own = of_own_class(tape, &masks, classes);
        a_row_each(tape, &own, classes.len())
    }
}

/// `[R * S * S, 1]` -> `[R, S * S]`.
fn a_row_each(tape: &mut Tape, masks: &Tensor2, regions: usize) -> Tensor2 {
    let pixels = masks.len().checked_div(regions).unwrap_or(0);
    ops::reshape(tape, masks, regions, pixels)
}
