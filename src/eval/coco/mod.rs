//! The COCO metric of a network's detections on the images of a dataset.
//!
//! mAP is the mean over classes and over the IoU thresholds 0.50, 0.55 ... 0.95 of the precision interpolated
//! at 101 recalls, with the 100 best detections per image and class. A crowd is neither missed nor found:
//! detections on it are ignored.

mod errors;

use super::metric::{Curves, Pair};
use super::summary::{METRICS as NUMBERS, percent};
use super::{Evaluator, EvaluatorEntry, Found, FoundObject, Scores};
use crate::data::{Dataset, Truth};
use crate::metrics::Metrics;
use crate::structures::{Instance, InstanceSource, rle};
use anyhow::Result;
use hotcoco::{Annotation, COCO, Category, Image, IouType, Rle, Segmentation};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The metric that stands for all of them.
pub(super) const MEAN_AP: &str = "mAP";

/// mAP: the mean over classes and IoU 0.50:0.05:0.95; the same at IoU 0.50 and 0.75 alone; of objects up to
/// the first of the dataset's area bounds, between them, and from the second on.
const METRICS: &[&str] = &[MEAN_AP, "AP50", "AP75", "APs", "APm", "APl"];

/// The recalls among COCO's twelve numbers, AR1 to ARl: tables show them on request.
const RECALLS: std::ops::Range<usize> = 6..12;

/// `coco` in a recipe.
pub const ENTRY: EvaluatorEntry = EvaluatorEntry {
    name: "coco",
    about: "COCO's average precision of masks",
    metrics: METRICS,
    new: |dataset| Box::new(Coco::new(dataset)),
};

/// The metrics of `coco` with these values, in the order of its entry.
pub fn coco_metrics(values: [Option<f64>; 6]) -> Metrics {
    METRICS.iter().copied().zip(values).collect()
}

/// The annotations of the evaluated images as `hotcoco` reads them.
pub(super) struct Coco {
    truth: hotcoco::Dataset,
    area_bounds: [f64; 2],
}

impl Coco {
    pub(super) fn new(dataset: &Dataset) -> Self {
        let truth = hotcoco::Dataset {
            categories: categories(&dataset.classes),
            ..Default::default()
        };
        Self {
            truth,
            area_bounds: dataset.area_bounds,
        }
    }

    /// The annotations and the detections as they are compared.
    fn pair(&self, found: Found) -> Pair {
        let found = hotcoco::Dataset {
            images: self.truth.images.clone(),
            categories: self.truth.categories.clone(),
            annotations: (1..)
                .zip(found.0)
                .map(|(id, object)| result(id, object))
                .collect(),
            ..Default::default()
        };
        Pair {
            truth: Arc::new(COCO::from_dataset(self.truth.clone())),
            found: Arc::new(COCO::from_dataset(found)),
            zero: None,
        }
    }
}

impl Evaluator for Coco {
    fn annotate(&mut self, truth: &Truth) {
        self.truth.images.push(Image {
            id: truth.image_id,
            height: truth.height as u32,
            width: truth.width as u32,
            ..Default::default()
        });
        for (instance, area) in truth.instances.iter().zip(&truth.areas) {
            let id = self.truth.annotations.len() as u64 + 1;
            let annotation = annotation(id, truth.image_id, instance, *area);
            self.truth.annotations.push(annotation);
        }
    }

    fn evaluate(&self, found: Found) -> Result<Scores> {
        let pair = self.pair(found);
        let curves = Curves::new(&pair, IouType::Segm, self.area_bounds)?;
        let summary = curves.summary();
        let classes = self.truth.categories.iter();
        let per_class = classes.map(|class| percent(curves.category_precision(class.id)));
        Ok(Scores {
            metrics: coco_metrics([0, 1, 2, 3, 4, 5].map(|index| summary.percent(index))),
            per_class: BTreeMap::from([(MEAN_AP.to_string(), per_class.collect())]),
            more: RECALLS
                .map(|index| (NUMBERS[index].name, summary.percent(index)))
                .collect(),
        })
    }
}

fn categories(classes: &[String]) -> Vec<Category> {
    let category = |(class, name): (usize, &String)| Category {
        id: category(class),
        name: name.clone(),
        ..Default::default()
    };
    classes.iter().enumerate().map(category).collect()
}

/// COCO's category id of a class: they count from 1.
fn category(class: usize) -> u64 {
    class as u64 + 1
}

/// An annotated object; `area` decides its size range.
fn annotation(id: u64, image_id: u64, instance: &Instance, area: f64) -> Annotation {
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
fn result(id: u64, object: FoundObject) -> Annotation {
    let FoundObject {
        image_id,
        class,
        score,
        runs,
    } = object;
    Annotation {
        id,
        image_id,
        category_id: category(class),
        area: Some(hotcoco::mask::area(&runs) as f64),
        bbox: Some(hotcoco::mask::to_bbox(&runs)),
        segmentation: Some(segmentation(runs)),
        score: Some(f64::from(score)),
        ..Default::default()
    }
}

/// Runs as they stand in an annotation.
pub(super) fn segmentation(runs: Rle) -> Segmentation {
    Segmentation::UncompressedRle {
        size: [runs.h, runs.w],
        counts: runs.counts,
    }
}

#[cfg(test)]
mod tests;
