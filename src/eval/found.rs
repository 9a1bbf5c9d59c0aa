//! The detections of a network for the evaluators. Masks are run lengths, so that those of a whole dataset
//! fit into memory.

use crate::coco::Id;
use crate::structures::{Detection, rle};
use anyhow::Result;
use hotcoco::Rle;
use serde_json::{Value, json};

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

    /// The detections as COCO results (<https://cocodataset.org/#format-results>), whose boxes are those of the masks.
    /// `categories` are COCO's ids of the classes.
    ///
    /// # Errors
    /// A number cannot be written as JSON.
    pub fn results(&self, categories: &[Id]) -> Result<Vec<u8>> {
        let entry = |one: &FoundObject| {
            json!({
                "image_id": one.image_id,
                "category_id": categories[one.class],
                "segmentation": { "size": [one.runs.h, one.runs.w], "counts": hotcoco::mask::rle_to_string(&one.runs) },
                "bbox": hotcoco::mask::to_bbox(&one.runs),
                "score": one.score,
            })
        };
        let entries: Vec<Value> = self.0.iter().map(entry).collect();
        let mut text = serde_json::to_vec(&entries)?;
        text.push(b'\n');
        Ok(text)
    }
}
