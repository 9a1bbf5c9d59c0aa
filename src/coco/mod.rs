//! Files in COCO's formats: annotations (<https://cocodataset.org/#format-data>) and results
//! (<https://cocodataset.org/#format-results>). Training, `eval`, `predict` and `data export` all read them here, so
//! that one file means the same everywhere.
//!
//! The reader is tolerant: a field that a command does not need may hold anything. Each record keeps its fields as
//! [`Field`]s, and a command asks for those that it needs. Masks are made as pycocotools 2.0.11 makes them.

mod drawing;
mod field;
mod id;
mod json;
mod outline;
mod part;
mod records;
mod text;
mod value;

pub use drawing::{Look, check, draw};
pub use field::Field;
pub use id::Id;
pub use json::{Expected, read as read_json};
pub use outline::Outline;
pub use part::Written;
pub use records::{Annotation, Annotations, Category, Detection, Image};
pub use text::in_utf8;

use anyhow::Result;
use records::Images;
use std::path::Path;

const ANNOTATIONS: Expected = Expected {
    name: "COCO's annotations",
    opening: b'{',
    form: "an object with `images`, `annotations` and `categories`",
};

const RESULTS: Expected = Expected {
    name: "COCO's results",
    opening: b'[',
    form: "a list of detections with `image_id`, `category_id`, `score` and `segmentation` or `bbox`",
};

/// Reads a file of annotations.
///
/// # Errors
/// The file cannot be read, is not JSON, or is not made of lists of objects. The error names the file and the place.
pub fn read_annotations(file: &Path) -> Result<Annotations> {
    json::read(file, &ANNOTATIONS)
}

/// Reads the images of a file of annotations and nothing else of it: it may lack annotations and categories.
///
/// # Errors
/// As for [`read_annotations`], or there is no list of images.
pub fn read_images(file: &Path) -> Result<Vec<Image>> {
    let mut content: Images = json::read(file, &ANNOTATIONS)?;
    content.take_images(file)
}

/// Reads a file of results.
///
/// # Errors
/// As for [`read_annotations`].
pub fn read_results(file: &Path) -> Result<Vec<Detection>> {
    json::read(file, &RESULTS)
}

#[cfg(test)]
mod tests;
