//! Cityscapes as its authors publish it: pictures in `leftImg8bit`, annotations in `gtFine`
//! (<https://www.cityscapes-dataset.com>). Nothing is converted, and the masks are exact: every pixel of an object,
//! with its holes.
//!
//! The classes are the eight whose single objects are evaluated, in the order of their ids. A group, whose members are
//! not told apart, is a crowd. Caravans, trailers and void pixels are background for training and for COCO's metric;
//! the evaluator `cityscapes` knows the void pixels.

mod images;
mod part;

use super::findings::{Findings, Part, Reason};
use super::image_file::Exif;
use super::picture_cache::{PictureReader, check_cache};
use super::{CheckPictures, Dataset, DatasetConfig, Source};
use crate::cityscapes::{CLASSES, INSTANCES, PICTURES, frames_in, missing_of_val};
use crate::registry::{Check, Checked, ComponentError, ComponentErrors};
use images::{Annotated, Unannotated};
use part::{Pictures, annotated, pictures};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// The table `[data]` with `name = "cityscapes"`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CityscapesConfig {
    /// The folder with `leftImg8bit` and `gtFine`.
    pub root: PathBuf,
    /// The split of the training images. Pictures without annotations are unlabelled images.
    pub train: PathBuf,
    /// The split of the evaluated images.
    pub val: PathBuf,
    /// A split of further pictures whose annotations are not read, such as `train_extra`; empty if there is none.
    pub unlabelled_images: PathBuf,
    /// The origin of the masks.
    pub truth: TruthOrigin,
    /// The check of the pictures before a training.
    pub check: CheckPictures,
    /// The memory for decoded pictures in MiB, shared by all trials of the program; 0: none is kept. It changes no
    /// result.
    pub cache: usize,
    /// The upper bounds of COCO's area ranges `small` and `medium`, in pixels.
    pub area_bounds: [f64; 2],
}

/// The origin of the masks of Cityscapes. There is one so far; its name tells readers of a record that the numbers are
/// those of exact masks, and not of the polygons that Detectron2 evaluates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TruthOrigin {
    /// The pixels of `instanceIds.png`.
    Masks,
}

impl Checked for CityscapesConfig {
    fn check(&self, check: &mut Check) {
        super::check_area_bounds(check, self.area_bounds);
        check_cache(check, self.cache);
    }
}

impl DatasetConfig for CityscapesConfig {
    /// # Errors
    /// A folder or file is missing or wrong. The error names it.
    fn load(&self) -> Result<Dataset, ComponentErrors> {
        if !self.root.is_dir() {
            let message = format!("{}: no folder", self.root.display());
            return Err(ComponentError::new("root", message).into());
        }
        let mut findings = Findings::default();
        let train = self.pictures("train", &self.train);
        let val = self.pictures("val", &self.val);
        let extra = self.extra();
        // The errors of all parts are told together.
        let (train, val, extra) = match (train, val, extra) {
            (Ok(train), Ok(val), Ok(extra)) => (train, val, extra),
            (train, val, extra) => {
                let errors = [train.err(), val.err(), extra.err()];
                let errors = errors.into_iter().flatten().collect();
                return Err(ComponentErrors::of(errors).expect("at least one"));
            }
        };
        let lacking: Vec<String> = val
            .unannotated()
            .map(|(frame, _)| frame.to_string())
            .collect();
        if !lacking.is_empty() {
            let message = format!(
                "{}; needed for each: gtFine/{}/CITY/CITY_SEQUENCE_FRAME{}",
                part::some(
                    [
                        "picture without annotations",
                        "pictures without annotations"
                    ],
                    &lacking
                ),
                self.val.display(),
                INSTANCES.1
            );
            return Err(ComponentError::new("val", message).into());
        }
        let mut unlabelled = Vec::new();
        for (frame, path) in train.unannotated() {
            findings.add(Part::Train, Reason::NoTruth, || frame.to_string());
            unlabelled.push(path.clone());
        }
        unlabelled.extend(extra);
        for gap in missing_of_val(val.frames()) {
            for _ in 0..gap.missing {
                findings.add(Part::Val, Reason::MissingOfVal, || gap.to_string());
            }
        }
        let reader = PictureReader::new(Exif::Ignored, self.cache);
        let read = |key: &str, part: &Pictures| {
            annotated(part).map_err(|error| ComponentError::new(key, format!("{error:#}")))
        };
        let train = Annotated::new(read("train", &train)?, &reader);
        let val = Annotated::new(read("val", &val)?, &reader);
        tell(&train, &val, &mut findings)?;
        let extra = Unannotated::new(unlabelled, &reader);
        Ok(Dataset {
            classes: CLASSES.iter().map(|class| class.name.to_string()).collect(),
            train: Arc::new(train),
            extra_unlabelled: (!extra.is_empty()).then(|| Arc::new(extra) as Arc<dyn Source>),
            val: Arc::new(val),
            area_bounds: self.area_bounds,
            findings,
        })
    }

    fn val_key(&self) -> &'static str {
        "val"
    }

    /// As maskrcnn-benchmark's converter calls its file of a split, and all that came after it.
    fn train_stem(&self) -> String {
        let parts = self.train.components().filter_map(|part| match part {
            Component::Normal(part) => Some(part.to_string_lossy()),
            _ => None,
        });
        let parts: Vec<_> = parts.collect();
        format!("instancesonly_filtered_gtFine_{}", parts.join("-"))
    }

    fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut add = |(kind, ending): (&str, &str), split: &Path| {
            let found = frames_in(&self.root.join(kind).join(split), ending);
            files.extend(found.unwrap_or_default().into_values());
        };
        for split in [&self.train, &self.val] {
            add(PICTURES, split);
            add(INSTANCES, split);
        }
        if !self.unlabelled_images.as_os_str().is_empty() {
            add(PICTURES, &self.unlabelled_images);
        }
        files
    }

    fn checks_pictures(&self) -> bool {
        self.check == CheckPictures::Once
    }

    fn reads_slowly(&self) -> bool {
        true
    }
}

impl CityscapesConfig {
    fn pictures(&self, key: &str, split: &Path) -> Result<Pictures, ComponentError> {
        let found = pictures(&self.root, split);
        found.map_err(|error| ComponentError::new(key, format!("{error:#}")))
    }

    /// The pictures of the further split.
    fn extra(&self) -> Result<Vec<PathBuf>, ComponentError> {
        let split = &self.unlabelled_images;
        if split.as_os_str().is_empty() {
            return Ok(Vec::new());
        }
        let found = self.pictures("unlabelled-images", split)?;
        Ok(found.into_paths())
    }
}

/// Tells of classes that cannot be learnt or judged.
///
/// # Errors
/// No training image has an object.
fn tell(train: &Annotated, val: &Annotated, findings: &mut Findings) -> Result<(), ComponentError> {
    let classes = |source: &Annotated, of: fn(&Annotated, usize) -> Vec<usize>| {
        let images = 0..source.len();
        let classes: BTreeSet<usize> = images.flat_map(|image| of(source, image)).collect();
        classes
    };
    let trained = classes(train, Annotated::objects_of);
    if trained.is_empty() {
        let message = "no annotated picture has an object of a class; needed: at least one";
        return Err(ComponentError::new("train", message));
    }
    let grouped = &classes(train, Annotated::classes_of) - &trained;
    let unknown = &classes(val, Annotated::objects_of) - &trained;
    for (part, reason, classes) in [
        (Part::Train, Reason::CrowdsOnly, grouped),
        (Part::Val, Reason::NotTrained, unknown),
    ] {
        for class in classes {
            findings.add(part, reason, || format!("`{}`", CLASSES[class].name));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
