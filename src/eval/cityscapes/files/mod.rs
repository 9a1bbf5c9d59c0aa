//! The official metric of files: the images of ids of Cityscapes, and detections in the official script's text format
//! or in COCO's results format.
//!
//! Where the script stops with an exception, this program stops with a message, except that a class whose detections
//! are all ignored scores 0 (script: `IndexError`, its issue 89).

mod coco;
mod guess;
mod script;

use super::matching::{Frame, Object};
use super::pixels::Pixels;
use super::scores::Precisions;
use crate::cityscapes::{
    self, CLASSES, Gap, INSTANCES, IdImage, class_of_id, frames_in, is_void, missing_of_val,
};
use crate::eval::summary::seventeen_digits;
use anyhow::{Result, ensure};
use guess::{Order, Results};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The split that is evaluated where the folder of a whole dataset is given.
const SPLIT: &str = "val";

/// The numbers of a pair of ground truth and detections.
#[derive(Clone, Debug, PartialEq)]
pub struct CityscapesScores {
    precisions: Precisions,
    /// Possible mistakes in the files.
    pub warnings: Vec<String>,
}

/// Compares the detections in `results` with the ground truth below `root`: the folder of Cityscapes, of which the
/// split `val` is evaluated, or a folder of images of ids. `results` is a folder of the script's text files, or a file
/// of COCO results, whose ids are those of the COCO annotations `annotations` or else names of pictures and Cityscapes'
/// labels.
///
/// # Errors
/// A file that is missing, cannot be read, or is not what it should be. The error names it.
pub fn score_cityscapes(
    root: &Path,
    results: &Path,
    annotations: Option<&Path>,
) -> Result<CityscapesScores> {
    let folder = folder_of(root);
    let frames = frames_in(&folder, INSTANCES.1)?;
    ensure!(
        !frames.is_empty(),
        "{}: no ground truth; needed: CITY/CITY_SEQUENCE_FRAME{} for each picture",
        folder.display(),
        INSTANCES.1
    );
    let mut warnings = Vec::new();
    let missing = missing_of_val(frames.keys());
    if !missing.is_empty() {
        let cities: Vec<String> = missing.iter().map(Gap::to_string).collect();
        warnings.push(format!(
            "{}: pictures of Cityscapes' `val` are missing, so the numbers are not comparable with published ones: {}",
            folder.display(),
            cities.join(", ")
        ));
    }
    let found: Box<dyn Results> = match results.is_dir() {
        true => {
            ensure!(
                annotations.is_none(),
                "{}: text files name labels and pictures; needed: no --gt beside --cityscapes",
                results.display()
            );
            Box::new(script::TextFiles::list(results, frames.keys())?)
        }
        false => Box::new(coco::CocoResults::read(
            results,
            annotations,
            &frames,
            &mut warnings,
        )?),
    };
    let frames: Vec<(&cityscapes::Frame, &PathBuf)> = frames.iter().collect();
    let matches = frames.par_iter().map(|(frame, path)| {
        let ids = IdImage::read(path)?;
        let guesses = found.of(frame, [ids.height, ids.width])?;
        Ok(truth(&ids, found.order()).matches(&guesses))
    });
    // One by one: of several mistakes the first is told, whatever the threads.
    let matches: Vec<Result<_>> = matches.collect();
    let matches = matches.into_iter().collect::<Result<Vec<_>>>()?;
    Ok(CityscapesScores {
        precisions: Precisions::new(&matches, CLASSES.len()),
        warnings,
    })
}

/// The folder of the images of ids that `root` means.
fn folder_of(root: &Path) -> PathBuf {
    let inside = [root.join(INSTANCES.0).join(SPLIT), root.join(SPLIT)];
    let found = inside.into_iter().find(|folder| folder.is_dir());
    found.unwrap_or_else(|| root.to_path_buf())
}

/// The annotations of an image of ids, its pixels counted in `order`.
fn truth(ids: &IdImage, order: Order) -> Frame {
    let columns;
    let values = match order {
        Order::Rows => &ids.ids,
        Order::Columns => {
            columns = ids.columns();
            &columns
        }
    };
    let mut by_id: BTreeMap<u16, Pixels> = BTreeMap::new();
    let mut at = 0u32;
    for run in values.chunk_by(|a, b| a == b) {
        let end = at + run.len() as u32;
        if class_of_id(run[0]).is_some() {
            by_id.entry(run[0]).or_default().add(at, end);
        }
        at = end;
    }
    let objects = by_id.into_iter().filter_map(|(id, pixels)| {
        let (class, is_group) = class_of_id(id)?;
        Some(Object {
            class,
            is_group,
            pixels,
        })
    });
    Frame {
        objects: objects.collect(),
        void: Pixels::of_values(values, is_void),
    }
}

impl CityscapesScores {
    /// The numbers for people: one line for each class, and their average.
    pub fn text(&self) -> String {
        let cell =
            |value: Option<f64>| value.map_or("nan".to_string(), |value| format!("{value:.3}"));
        let line =
            |name: &str, all, half| format!("{name:<15}{:>10}{:>10}\n", cell(all), cell(half));
        let mut text = format!("{:<15}{:>10}{:>10}\n", "Cityscapes", "AP", "AP50");
        for (class, label) in CLASSES.iter().enumerate() {
            let (all, half) = (
                self.precisions.of_class(class),
                self.precisions.half_of_class(class),
            );
            text.push_str(&line(label.name, all, half));
        }
        let average = line("average", self.precisions.all(), self.precisions.half());
        text + average.trim_end()
    }

    /// `type,metric,value`, values with 17 significant digits, `nan` where nothing defines one: AP and AP50, those of
    /// each class, and each class at each threshold.
    pub fn csv(&self) -> String {
        let mut text = "type,metric,value\n".to_string();
        let mut add = |metric: &str, value: Option<f64>| {
            let value = value.map_or("nan".to_string(), seventeen_digits);
            let _ = writeln!(text, "cityscapes,{metric},{value}");
        };
        add("AP", self.precisions.all());
        add("AP50", self.precisions.half());
        for (class, label) in CLASSES.iter().enumerate() {
            add(
                &format!("AP:{}", label.name),
                self.precisions.of_class(class),
            );
            let half = self.precisions.half_of_class(class);
            add(&format!("AP50:{}", label.name), half);
        }
        for (class, threshold, value) in self.precisions.iter() {
            add(&format!("AP@{threshold:.2}:{}", CLASSES[class].name), value);
        }
        text
    }
}
