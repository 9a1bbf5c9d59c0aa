//! The heads of a detector that looks at regions, for methods that compare what they say.
//!
//! Shapes: R regions, K classes, S pixels along a side of a region's mask.

use crate::ops::Bounds;
use crate::tensor::{Map, Tape, Tensor2};

// What the heads take and give is the same for every detector with regions.
pub use crate::graph::mask_rcnn::{HeadKind, RegionPredictions};
pub use crate::graph::regional::Region;

/// What a detector says of regions of a batch of images. Regions are constants: no gradient flows to them.
pub trait RegionHeads {
    /// Rows and columns of the image `image`, without the padding.
    fn size(&self, image: usize) -> (usize, usize);

    /// The regions of the image `image` in which detections are looked for, the best first.
    fn proposals(&self, image: usize) -> Vec<Bounds>;

    /// The detections of every image, the most probable first.
    fn detections(&self) -> Vec<Vec<RegionDetection>>;

    /// The classes and boxes of `regions`.
    fn predict(&self, tape: &mut Tape, regions: &[Region]) -> RegionPredictions;

    /// The mask logits of each of the `regions` for its class: `[R, S * S]`.
    ///
    /// Panics unless there is a class for every region.
    fn masks(&self, tape: &mut Tape, regions: &[Region], classes: &[usize]) -> Tensor2;

    /// S.
    fn mask_side(&self) -> usize;

    /// What a head reads of `regions`: a map of R images.
    fn bins(&self, tape: &mut Tape, regions: &[Region], head: HeadKind) -> Map;

    /// The logits of the classes, background last, that the auxiliary head `number` gives the bins of
    /// [`HeadKind::Box`]: `[R, K + 1]`.
    ///
    /// Panics if there is no such head.
    fn auxiliary_classes(&self, tape: &mut Tape, number: usize, bins: &Map) -> Tensor2;

    /// The mask logits that the auxiliary head `number` gives the bins of [`HeadKind::Mask`] for the class of each:
    /// `[R, S * S]`.
    ///
    /// Panics if there is no such head, or not a class for every region.
    fn auxiliary_masks(
        &self,
        tape: &mut Tape,
        number: usize,
        bins: &Map,
        classes: &[usize],
    ) -> Tensor2;
}

/// A detection in the terms of the heads.
#[derive(Clone, Debug, PartialEq)]
pub struct RegionDetection {
    /// Its rectangle in pixels of the input.
    pub bounds: Bounds,
    /// Its class.
    pub class: usize,
    /// The logits of its mask, S x S.
    pub mask: Vec<f32>,
}
