//! The official instance-level AP of Cityscapes, as `cityscapesScripts` computes it
//! (`evaluation/evalInstanceLevelSemanticLabeling.py`, commit 0bcc4a7).
//!
//! It differs from COCO's AP: an overlap must be above its threshold, not at it; of several detections of one object
//! the best one is right and all others are wrong; a detection that lies mostly on void pixels, on a group, or on
//! objects of less than 100 pixels is ignored, where the share must be above the threshold of the overlap itself; the
//! area below the curve has no envelope; all detections of an image count. Distances are not part of it: only the
//! official server knows them.
//!
//! In a recipe it judges any dataset: crowds are groups, and the pixels of [`Truth::void`] are void.

mod curve;
mod files;
mod matching;
mod pixels;
mod scores;

pub use files::{CityscapesScores, score_cityscapes};

use super::{Evaluator, EvaluatorEntry, Found, FoundObject, Scores};
use crate::data::{Dataset, Truth};
use crate::structures::{InstanceSource, rle};
use anyhow::Result;
use matching::{Frame, Guess, Object};
use pixels::Pixels;
use rayon::prelude::*;
use scores::Precisions;
use std::collections::BTreeMap;

/// AP over IoU 0.50:0.05:0.95, and at 0.50 alone.
const METRICS: &[&str] = &["AP (Cityscapes)", "AP50 (Cityscapes)"];

/// `cityscapes` in a recipe.
pub const ENTRY: EvaluatorEntry = EvaluatorEntry {
    name: "cityscapes",
    about: "the official instance-level AP of Cityscapes",
    metrics: METRICS,
    new: |dataset| Box::new(Cityscapes::new(dataset)),
};

/// The annotations of the evaluated images, by image id.
struct Cityscapes {
    classes: usize,
    frames: BTreeMap<u64, Frame>,
}

impl Cityscapes {
    fn new(dataset: &Dataset) -> Self {
        Self {
            classes: dataset.classes.len(),
            frames: BTreeMap::new(),
        }
    }
}

impl Evaluator for Cityscapes {
    fn annotate(&mut self, truth: &Truth) {
        let objects = truth.instances.iter().map(|instance| Object {
            class: instance.class,
            is_group: instance.source == InstanceSource::Crowd,
            pixels: Pixels::of_runs(&rle::encode(&instance.mask)),
        });
        let void = truth.void.as_ref().map(rle::encode);
        let frame = Frame {
            objects: objects.collect(),
            void: void.as_ref().map(Pixels::of_runs).unwrap_or_default(),
        };
        self.frames.insert(truth.image_id, frame);
    }

    fn evaluate(&self, found: Found) -> Result<Scores> {
        let mut by_image: BTreeMap<u64, Vec<FoundObject>> = BTreeMap::new();
        for object in found.0 {
            by_image.entry(object.image_id).or_default().push(object);
        }
        let frames: Vec<(&u64, &Frame)> = self.frames.iter().collect();
        let matches = frames.par_iter().map(|(image, frame)| {
            let found = by_image.get(image).map_or(&[][..], Vec::as_slice);
            let guesses: Vec<Guess> = found.iter().map(guess).collect();
            frame.matches(&guesses)
        });
        let precisions = Precisions::new(&matches.collect::<Vec<_>>(), self.classes);
        let percent = |value: Option<f64>| value.map(|value| 100.0 * value);
        let all = [precisions.all(), precisions.half()].map(percent);
        let classes = |of: fn(&Precisions, usize) -> Option<f64>| {
            let classes = 0..self.classes;
            classes
                .map(|class| percent(of(&precisions, class)))
                .collect()
        };
        let per_class = [
            classes(Precisions::of_class),
            classes(Precisions::half_of_class),
        ];
        Ok(Scores {
            metrics: METRICS.iter().copied().zip(all).collect(),
            per_class: METRICS
                .iter()
                .map(|name| name.to_string())
                .zip(per_class)
                .collect(),
            ..Scores::default()
        })
    }
}

fn guess(object: &FoundObject) -> Guess {
    Guess {
        class: object.class,
        score: f64::from(object.score),
        pixels: Pixels::of_runs(&object.runs),
    }
}

#[cfg(test)]
mod tests;
