//! A file of COCO annotations, parsed and checked.

use super::geometry;
use super::problems::Problems;
use super::{Classes, OnBadAnnotation};
use crate::data::image_file::{Exif, header};
use anyhow::{Context, Result, anyhow};
use hotcoco::Segmentation;
use rayon::prelude::*;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

/// The parts of the file that are read. All three lists are required; a file without them is of another kind.
#[derive(Deserialize)]
struct Document {
    images: Vec<hotcoco::Image>,
    annotations: Vec<hotcoco::Annotation>,
    categories: Vec<hotcoco::Category>,
}

/// The checked content of a file.
pub struct AnnotationFile {
    file: PathBuf,
    pub images: Vec<ImageRecord>,
    /// Sorted by id.
    categories: Vec<Category>,
}

/// A category of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Category {
    pub id: u64,
    pub name: String,
}

/// One image and its annotations.
pub struct ImageRecord {
    pub id: u64,
    pub path: PathBuf,
    pub height: usize,
    pub width: usize,
    pub annotations: Vec<AnnotationRecord>,
}

/// An annotation with a valid outline.
pub struct AnnotationRecord {
    pub category: u64,
    pub crowd: bool,
    /// The file's `area`, which decides COCO's size range.
    pub area: Option<f64>,
    pub outline: Segmentation,
}

impl AnnotationFile {
    /// Reads `file`; its images are in `folder`.
    ///
    /// # Errors
    /// The file is not JSON or not COCO, ids occur twice, or images do not exist. Annotations without a valid
    /// outline are errors too, unless `on_bad` skips them.
    pub fn read(file: &Path, folder: &Path, on_bad: OnBadAnnotation, exif: Exif) -> Result<Self> {
        let document = parse(file)?;
        let mut problems = Problems::default();
        let categories = categories(document.categories, &mut problems);
        let mut images = images(document.images, folder, exif, &mut problems);
        let hint = format!(
            " (of images and categories; images are looked for in {})",
            folder.display()
        );
        problems.into_result(file, if images.is_empty() { "" } else { &hint })?;

        let mut problems = Problems::default();
        let places: BTreeMap<u64, usize> = images
            .iter()
            .enumerate()
            .map(|(place, image)| (image.id, place))
            .collect();
        let known: BTreeSet<u64> = categories.iter().map(|category| category.id).collect();
        let mut ids = BTreeSet::new();
        for annotation in document.annotations {
            let id = annotation.id;
            if !ids.insert(id) {
                problems.add(|| format!("annotation id {id} occurs twice"));
                continue;
            }
            let image = places
                .get(&annotation.image_id)
                .map(|place| &mut images[*place]);
            match record(annotation, image.as_deref(), &known) {
                Ok(record) => image
                    .expect("the record has an image")
                    .annotations
                    .push(record),
                Err(_) if on_bad == OnBadAnnotation::Skip => {}
                Err(error) => problems.add(|| format!("annotation {id}: {error}")),
            }
        }
        problems.into_result(
            file,
            " (on-bad-annotation = \"skip\" leaves bad outlines out)",
        )?;
        Ok(Self {
            file: file.to_path_buf(),
            images,
            categories,
        })
    }

    /// The categories that are classes, sorted by id.
    pub fn classes(&self, which: Classes) -> Vec<Category> {
        let annotations = self.images.iter().flat_map(|image| &image.annotations);
        let present: BTreeSet<u64> = annotations
            .filter(|annotation| !annotation.crowd)
            .map(|annotation| annotation.category)
            .collect();
        let kept = |category: &&Category| which == Classes::All || present.contains(&category.id);
        self.categories.iter().filter(kept).cloned().collect()
    }

    /// The reason why `other` cannot be evaluated with this file's classes; none if both have the same
    /// categories.
    pub fn differing_category(&self, other: &Self) -> Option<String> {
        let only = |a: &Self, b: &Self| {
            let category = a
                .categories
                .iter()
                .find(|category| !b.categories.contains(category))?;
            Some(format!(
                "category {} `{}` of {} is not in {}",
                category.id,
                category.name,
                a.file.display(),
                b.file.display()
            ))
        };
        only(self, other).or_else(|| only(other, self))
    }
}

fn parse(file: &Path) -> Result<Document> {
    let reader = BufReader::new(File::open(file).with_context(|| file.display().to_string())?);
    let mut json = serde_json::Deserializer::from_reader(reader);
    serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let place = error.path().to_string();
        let place = if place == "." {
            String::new()
        } else {
            format!("{place}: ")
        };
        anyhow!(
            "{}: not COCO's instance annotations: {place}{}",
            file.display(),
            error.inner()
        )
    })
}

fn categories(found: Vec<hotcoco::Category>, problems: &mut Problems) -> Vec<Category> {
    let mut categories = BTreeMap::new();
    for hotcoco::Category { id, name, .. } in found {
        if categories.insert(id, Category { id, name }).is_some() {
            problems.add(|| format!("category id {id} occurs twice"));
        }
    }
    if categories.is_empty() {
        problems.add(|| "`categories` is empty; needed: at least one".to_string());
    }
    categories.into_values().collect()
}

/// The error in the file of an image, judged by its first bytes; none for a missing file, which is reported
/// elsewhere.
fn wrong_file(image: &ImageRecord, exif: Exif) -> Option<String> {
    if !image.path.is_file() {
        return None;
    }
    let fits = header(&image.path, exif)
        .and_then(|header| header.check(&image.path, image.height, image.width));
    fits.err().map(|error| format!("{error:#}"))
}

fn images(
    found: Vec<hotcoco::Image>,
    folder: &Path,
    exif: Exif,
    problems: &mut Problems,
) -> Vec<ImageRecord> {
    let mut ids = BTreeSet::new();
    let mut images = Vec::with_capacity(found.len());
    for image in found {
        let (id, path) = (image.id, folder.join(&image.file_name));
        let (height, width) = (image.height as usize, image.width as usize);
        if !ids.insert(id) {
            problems.add(|| format!("image id {id} occurs twice"));
        } else if height == 0 || width == 0 {
            problems.add(|| {
                format!(
                    "image {id}: {width} x {height} pixels; needed: `width` and `height` above 0"
                )
            });
        } else if !path.is_file() {
            problems.add(|| format!("image {id}: no file `{}`", image.file_name));
        }
        images.push(ImageRecord {
            id,
            path,
            height,
            width,
            annotations: Vec::new(),
        });
    }
    let wrong: Vec<Option<String>> = images
        .par_iter()
        .map(|image| wrong_file(image, exif))
        .collect();
    for (image, wrong) in images.iter().zip(wrong) {
        if let Some(wrong) = wrong {
            problems.add(|| format!("image {}: {wrong}", image.id));
        }
    }
    if images.is_empty() {
        problems.add(|| "`images` is empty; needed: at least one".to_string());
    }
    images
}

fn record(
    annotation: hotcoco::Annotation,
    image: Option<&ImageRecord>,
    categories: &BTreeSet<u64>,
) -> Result<AnnotationRecord> {
    let image = image.with_context(|| format!("unknown image id {}", annotation.image_id))?;
    let category = annotation.category_id;
    if !categories.contains(&category) {
        return Err(anyhow!(
            "image {}: unknown category id {category}",
            image.id
        ));
    }
    geometry::check(annotation.segmentation.as_ref(), image.height, image.width)
        .map_err(|error| anyhow!("image {}: {error}", image.id))?;
    let outline = annotation.segmentation.expect("the check needs one");
    Ok(AnnotationRecord {
        category,
        crowd: annotation.iscrowd,
        area: annotation.area,
        outline,
    })
}
