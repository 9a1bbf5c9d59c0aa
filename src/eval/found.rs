//! Objects and detections as the metric reads them: masks as run lengths, so that those of a whole dataset fit into memory.

use crate::structures::{Detection, Instance, InstanceSource, rle};
use hotcoco::{Annotation, Rle, Segmentation};

/// Detections of images, their masks as run lengths.
#[derive(Debug, Default)]
pub struct Found(pub(super) Vec<Annotation>);

/// COCO's category id of a class: they count from 1.
pub fn category(class: usize) -> u64 {
    class as u64 + 1
}

/// An annotated object; `area` decides its size range.
pub fn annotation(id: u64, image_id: u64, instance: &Instance, area: f64) -> Annotation {
    let runs = rle::encode(&instance.mask);
    Annotation {
        id,
        image_id,
        category_id: category(instance.class),
        area: Some(area),
        bbox: Some(hotcoco::mask::to_bbox(&runs)),
        segmentation: Some(segmentation(runs)),
        iscrowd: instance.source == InstanceSource::Crowd,
        ..Default::default()
    }
}

/// A detected object.
pub fn result(id: u64, image_id: u64, detection: &Detection) -> Annotation {
    let runs = rle::encode(&detection.mask);
    Annotation {
        id,
        image_id,
        category_id: category(detection.class),
        area: Some(hotcoco::mask::area(&runs) as f64),
        bbox: Some(hotcoco::mask::to_bbox(&runs)),
        segmentation: Some(segmentation(runs)),
        score: Some(f64::from(detection.score)),
        ..Default::default()
    }
}

/// Runs as they stand in an annotation.
pub fn segmentation(runs: Rle) -> Segmentation {
    Segmentation::UncompressedRle {
        size: [runs.h, runs.w],
        counts: runs.counts,
    }
}
