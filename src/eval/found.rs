//! What a network found, as the evaluators read it: masks as run lengths, so that those of a whole dataset fit into
//! memory.

use crate::structures::{Detection, rle};
use hotcoco::Rle;

/// A detected object.
#[derive(Clone, Debug)]
pub struct FoundObject {
    /// The image that it is in.
    pub image_id: u64,
    /// Index into the dataset's classes.
    pub class: usize,
    /// Confidence.
    pub score: f32,
    /// Its mask, at the image's size.
    pub runs: Rle,
}

/// The detections of images, in the order in which they were added.
#[derive(Clone, Debug, Default)]
pub struct Found(pub(super) Vec<FoundObject>);

impl Found {
    /// Adds the detections of one image.
    pub(super) fn add(&mut self, image_id: u64, detections: &[Detection]) {
        let found = detections.iter().map(|detection| FoundObject {
            image_id,
            class: detection.class,
            score: detection.score,
            runs: rle::encode(&detection.mask),
        });
        self.0.extend(found);
    }
}
