//! The annotations' file.

use super::id::{Flag, Id};
use super::json::{self, Expected};
use super::outline::to_runs;
use crate::eval::coco::segmentation;
use anyhow::{Context, Result, ensure};
use hotcoco::{Annotation, COCO, Category, Dataset, Image, Segmentation, mask};
use rayon::prelude::*;
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

#[derive(Deserialize)]
struct Document {
    images: Vec<ImageRecord>,
    annotations: Vec<AnnotationRecord>,
    categories: Vec<CategoryRecord>,
}

#[derive(Deserialize)]
struct ImageRecord {
    id: Id,
    height: u32,
    width: u32,
}

#[derive(Deserialize)]
struct CategoryRecord {
    id: Id,
}

#[derive(Deserialize)]
struct AnnotationRecord {
    id: Id,
    image_id: Id,
    category_id: Id,
    segmentation: Option<Segmentation>,
    bbox: Option<[f64; 4]>,
    area: Option<f64>,
    iscrowd: Option<Flag>,
}

const EXPECTED: Expected = Expected {
    name: "COCO's annotations",
    opening: b'{',
    form: "an object with `images`, `annotations` and `categories`",
};

/// The annotations, ready to be compared. Ids are counted anew, from 1, in the order of the file's own.
pub struct Truth {
    /// All that belong to a known image and category.
    pub annotations: COCO,
    /// The new id of the annotation that the file calls 0.
    pub zero: Option<u64>,
    /// The new id of every image, and its rows and columns.
    pub images: BTreeMap<Id, (u64, [u32; 2])>,
    /// The new id of every category.
    pub categories: BTreeMap<Id, u64>,
}

/// Reads the annotations in `file`.
///
/// # Errors
/// Not COCO's annotations, or an annotation of which no mask can be made.
pub fn read(file: &Path, warnings: &mut Vec<String>) -> Result<Truth> {
    let document: Document = json::read(file, &EXPECTED)?;
    // Of images with the same id the last one counts.
    let mut images: BTreeMap<Id, (u64, [u32; 2])> = BTreeMap::new();
    for ImageRecord { id, height, width } in document.images {
        images.insert(id, (0, [height, width]));
    }
    images
        .values_mut()
        .zip(1..)
        .for_each(|(image, id)| image.0 = id);
    let ids = document
        .categories
        .into_iter()
        .map(|category| (category.id, 0));
    let mut categories: BTreeMap<Id, u64> = ids.collect();
    categories
        .values_mut()
        .zip(1..)
        .for_each(|(category, id)| *category = id);

    let records = &document.annotations;
    let chosen = chosen(records, &images, &categories);
    let distinct: HashSet<&Id> = records.iter().map(|record| &record.id).collect();
    if distinct.len() < records.len() {
        warnings.push(format!(
            "{}: {} annotations have the id of another; as in pycocotools, the last one stands for all of its id",
            file.display(),
            records.len() - distinct.len()
        ));
    }
    let zero = chosen.iter().position(|record| record.id == Id::Number(0));
    if zero.is_some() {
        warnings.push(format!(
            "{}: the annotation with id 0 cannot be found: pycocotools takes 0 for \"no match\"; number them from 1",
            file.display()
        ));
    }
    let annotations = chosen
        .par_iter()
        .enumerate()
        .map(|(index, record)| {
            let image = images[&record.image_id];
            annotation(
                index as u64 + 1,
                record,
                image,
                categories[&record.category_id],
            )
            .with_context(|| format!("{}: annotation {}", file.display(), record.id))
        })
        .collect::<Vec<_>>();
    // One by one: of several mistakes the first is told, whatever the threads.
    let annotations = annotations.into_iter().collect::<Result<Vec<_>>>()?;
    let dataset = Dataset {
        images: images
            .values()
            .map(|(id, [height, width])| image(*id, *height, *width))
            .collect(),
        categories: categories.values().map(|id| category(*id)).collect(),
        annotations,
        ..Default::default()
    };
    Ok(Truth {
        annotations: COCO::from_dataset(dataset),
        zero: zero.map(|index| index as u64 + 1),
        images,
        categories,
    })
}

/// The annotations that are evaluated: those of known images and categories, image by image. Where several share an id, each is
/// the last of them.
fn chosen<'a>(
    records: &'a [AnnotationRecord],
    images: &BTreeMap<Id, (u64, [u32; 2])>,
    categories: &BTreeMap<Id, u64>,
) -> Vec<&'a AnnotationRecord> {
    let last: HashMap<&Id, &AnnotationRecord> =
        records.iter().map(|record| (&record.id, record)).collect();
    let known = |record: &&AnnotationRecord| {
        images.contains_key(&record.image_id) && categories.contains_key(&record.category_id)
    };
    let mut listed: Vec<&AnnotationRecord> = records.iter().filter(known).collect();
    listed.sort_by_key(|record| images[&record.image_id].0);
    listed
        .into_iter()
        .map(|record| last[&record.id])
        .filter(known)
        .collect()
}

fn annotation(
    id: u64,
    record: &AnnotationRecord,
    (image_id, [height, width]): (u64, [u32; 2]),
    category_id: u64,
) -> Result<Annotation> {
    let outline = record.segmentation.as_ref();
    let outline = outline.context("no `segmentation`; needed: polygons or RLE")?;
    let runs = to_runs(outline, height, width)?;
    let area = record.area.unwrap_or_else(|| mask::area(&runs) as f64);
    ensure!(area.is_finite(), "an `area` that is no number");
    Ok(Annotation {
        id,
        image_id,
        category_id,
        area: Some(area),
        bbox: Some(record.bbox.unwrap_or_else(|| mask::to_bbox(&runs))),
        segmentation: Some(segmentation(runs)),
        iscrowd: record.iscrowd.as_ref().is_some_and(|crowd| crowd.0),
        ..Default::default()
    })
}

fn image(id: u64, height: u32, width: u32) -> Image {
    Image {
        id,
        height,
        width,
        ..Default::default()
    }
}

fn category(id: u64) -> Category {
    Category {
        id,
        name: id.to_string(),
        ..Default::default()
    }
}
