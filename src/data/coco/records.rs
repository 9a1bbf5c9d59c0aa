//! The images that a file of annotations lists, each with its file and its size.

use super::problems::Problems;
use super::rules::Rules;
use crate::cityscapes::{Frame, PICTURES};
use crate::coco::{Field, Id, Image, Outline};
use crate::data::findings::{Findings, Reason};
use crate::data::image_file::{Exif, header};
use rayon::prelude::*;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// One image and its annotations.
pub struct ImageRecord {
    /// The id in the file.
    pub id: Id,
    /// The id in the program: that of the file if all ids are whole numbers from 0, or else the place in their order,
    /// from 1.
    pub number: u64,
    pub path: PathBuf,
    pub height: usize,
    pub width: usize,
    /// True if the file lists an object in it that is not a crowd, whether it is used or not.
    pub lists_object: bool,
    pub annotations: Vec<AnnotationRecord>,
}

/// An annotation that is used.
pub struct AnnotationRecord {
    /// Index into the categories, sorted by id.
    pub category: usize,
    pub crowd: bool,
    /// True if a mask that covers a pixel can be made of the outline.
    pub has_mask: bool,
    /// The file's `area`, which decides COCO's size range.
    pub area: Option<f64>,
    pub outline: Outline,
}

/// The images of a file of annotations, in its order. Their files are in `folder`.
pub fn image_records(
    listed: Vec<Image>,
    folder: &Path,
    rules: Rules,
    problems: &mut Problems,
    findings: &mut Findings,
) -> Vec<ImageRecord> {
    if listed.is_empty() {
        problems.add(|| "`images` is empty; needed: at least one".to_string());
    }
    let mut ids = HashSet::new();
    for (index, image) in listed.iter().enumerate() {
        match image.id.need("id") {
            Err(error) => problems.add(|| format!("images[{index}]: {error}")),
            Ok(id) if !ids.insert(id) => problems.add(|| format!("image id {id} occurs twice")),
            Ok(_) => {}
        }
    }
    let found: Vec<Option<Result<Found, String>>> = listed
        .par_iter()
        .map(|image| Some(find(image.id.get()?, image, folder, rules.exif)))
        .collect();
    let mut records = Vec::with_capacity(found.len());
    for found in found.into_iter().flatten() {
        match found {
            Err(problem) => problems.add(|| problem),
            Ok(Found {
                record,
                has_backslashes,
                turned,
            }) => {
                // Findings are in the records, which are the same wherever the dataset lies.
                let name = || {
                    let path = record.path.strip_prefix(folder);
                    path.unwrap_or(&record.path).display().to_string()
                };
                if has_backslashes {
                    findings.add(rules.part, Reason::Backslash, name);
                }
                if turned {
                    findings.add(rules.part, Reason::Turned, name);
                }
                records.push(record);
            }
        }
    }
    number(&mut records);
    records
}

/// An image with its file.
struct Found {
    record: ImageRecord,
    /// True if the annotations write the path of the file with backslashes, and it was found with slashes.
    has_backslashes: bool,
    /// True if the picture is turned by its EXIF tag.
    turned: bool,
}

/// Looks for the file of an image and compares its size. The first bytes of the file tell it.
fn find(id: &Id, image: &Image, folder: &Path, exif: Exif) -> Result<Found, String> {
    let name = image.file_name.need("file_name");
    let name = name.map_err(|error| format!("image {id}: {error}"))?;
    let (path, has_backslashes) =
        file(folder, name).map_err(|error| format!("image {id}: {error}"))?;
    let side = |field: &Field<u32>, key| match field {
        Field::Absent => Ok(None),
        other => other.need(key).map(|side| Some(*side as usize)),
    };
    let told =
        side(&image.height, "height").and_then(|height| Ok((height, side(&image.width, "width")?)));
    let (height, width) = told.map_err(|error| format!("image {id}: {error}"))?;
    if height == Some(0) || width == Some(0) {
        let side = |side: Option<usize>| side.map_or("?".to_string(), |side| side.to_string());
        return Err(format!(
            "image {id}: {} x {} pixels; needed: `width` and `height` above 0",
            side(width),
            side(height)
        ));
    }
    let of_image = |error| format!("image {id}: {error:#}");
    let header = header(&path, exif).map_err(of_image)?;
    let told = (
        height.unwrap_or(header.height),
        width.unwrap_or(header.width),
    );
    header.check(&path, told.0, told.1).map_err(of_image)?;
    let record = ImageRecord {
        id: id.clone(),
        number: 0,
        path,
        height: header.height,
        width: header.width,
        lists_object: false,
        annotations: Vec::new(),
    };
    Ok(Found {
        record,
        has_backslashes,
        turned: header.turned,
    })
}

/// The file `name` in `folder`; true if it was found with slashes in place of backslashes.
fn file(folder: &Path, name: &str) -> Result<(PathBuf, bool), String> {
    let path = folder.join(name);
    if path.is_file() {
        return Ok((path, false));
    }
    if let Some(path) = in_its_city(folder, name) {
        return Ok((path, false));
    }
    if name.contains('\\') {
        let slashes = name.replace('\\', "/");
        let path = folder.join(&slashes);
        return match path.is_file() {
            true => Ok((path, true)),
            false => Err(format!(
                "no file `{name}` (its name is written with backslashes, as on Windows), and none `{slashes}`"
            )),
        };
    }
    Err(format!("no file `{name}`"))
}

/// The file of a picture of Cityscapes that lies in the folder of its city, where `name` has no city (as
/// maskrcnn-benchmark writes it) or begins in a folder of another machine (as Detectron2 writes it).
fn in_its_city(folder: &Path, name: &str) -> Option<PathBuf> {
    let file = Path::new(name).file_name()?;
    let city = Frame::of(name).filter(|_| name.ends_with(PICTURES.1))?.city;
    Some(folder.join(city).join(file)).filter(|path| path.is_file())
}

/// Numbers the images: by their ids if all are whole numbers from 0, or else from 1 in the order of the ids.
fn number(records: &mut [ImageRecord]) {
    let numbers: Option<Vec<u64>> = records.iter().map(|record| record.id.unsigned()).collect();
    if let Some(numbers) = numbers {
        records
            .iter_mut()
            .zip(numbers)
            .for_each(|(record, number)| record.number = number);
        return;
    }
    let mut sorted: Vec<&mut ImageRecord> = records.iter_mut().collect();
    sorted.sort_by(|a, b| a.id.cmp(&b.id));
    sorted
        .into_iter()
        .zip(1..)
        .for_each(|(record, number)| record.number = number);
}
