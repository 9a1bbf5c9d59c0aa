//! The detections' file.
//!
//! As pycocotools' `loadRes`, the first detection decides for all: if it has a box, every detection must have one, the box's area
//! places the detection in its size range, and a detection without a mask has that of its box. Otherwise every detection must
//! have a mask, which gives the area, and the box where there is none.

use super::id::Id;
use super::json::{self, Expected};
use super::outline::to_runs;
use super::truth::Truth;
use crate::eval::coco::segmentation;
use anyhow::{Context, Result, anyhow, bail, ensure};
use hotcoco::{Annotation, COCO, Dataset, Segmentation, mask};
use rayon::prelude::*;
use serde::Deserialize;
use std::path::Path;

#[derive(Deserialize)]
struct Record {
    image_id: Id,
    category_id: Id,
    score: f64,
    bbox: Option<Vec<f64>>,
    segmentation: Option<Segmentation>,
}

impl Record {
    fn has_box(&self) -> bool {
        self.bbox
            .as_ref()
            .is_some_and(|numbers| !numbers.is_empty())
    }
}

const EXPECTED: Expected = Expected {
    name: "COCO's results",
    opening: b'[',
    form: "a list of detections with `image_id`, `category_id`, `score` and `segmentation` or `bbox`",
};

/// Reads the detections in `file`, of images of `truth`.
///
/// # Errors
/// Not COCO's results; a detection of an unknown image, or without a mask or box.
pub fn read(file: &Path, truth: &Truth, warnings: &mut Vec<String>) -> Result<COCO> {
    let records: Vec<Record> = json::read(file, &EXPECTED)?;
    let name = file.display();
    for (index, record) in records.iter().enumerate() {
        ensure!(
            truth.images.contains_key(&record.image_id),
            "{name}: detection {} is of image {}, which the annotations do not list",
            index + 1,
            record.image_id
        );
    }
    let foreign = |record: &&Record| !truth.categories.contains_key(&record.category_id);
    let foreign = records.iter().filter(foreign).count();
    if foreign > 0 {
        warnings.push(format!(
            "{name}: {foreign} of {} detections are of categories that the annotations do not list; as in pycocotools, they are left out",
            records.len()
        ));
    }
    let by_box = records.first().is_some_and(Record::has_box);
    let annotations = records
        .par_iter()
        .enumerate()
        .filter_map(|(index, record)| {
            let category = *truth.categories.get(&record.category_id)?;
            let id = index as u64 + 1;
            let found = detection(id, record, category, truth, by_box);
            Some(found.with_context(|| format!("{name}: detection {id}")))
        })
        .collect::<Vec<_>>();
    // One by one: of several mistakes the first is told, whatever the threads.
    let annotations = annotations.into_iter().collect::<Result<Vec<_>>>()?;
    let resized = annotations
        .iter()
        .filter(|found| is_resized(found, truth))
        .count();
    if resized > 0 {
        warnings.push(format!(
            "{name}: {resized} masks are of another size than their image; as in pycocotools, they match nothing"
        ));
    }
    Ok(COCO::from_dataset(Dataset {
        images: truth.annotations.dataset.images.clone(),
        categories: truth.annotations.dataset.categories.clone(),
        annotations,
        ..Default::default()
    }))
}

fn detection(
    id: u64,
    record: &Record,
    category_id: u64,
    truth: &Truth,
    by_box: bool,
) -> Result<Annotation> {
    let (image_id, [height, width]) = truth.images[&record.image_id];
    let given: Option<[f64; 4]> = match record.bbox.as_deref() {
        None | Some([]) => None,
        Some(numbers) => Some(numbers.try_into().map_err(|_| {
            anyhow!(
                "a `bbox` of {} numbers; needed: x, y, width, height",
                numbers.len()
            )
        })?),
    };
    let outline = match (&record.segmentation, given) {
        (_, None) if by_box => bail!("no `bbox`, which the first detection has"),
        (Some(outline), _) => outline.clone(),
        (None, Some(numbers)) if by_box => Segmentation::Rect(numbers),
        (None, _) => bail!("no `segmentation`, and the first detection has no `bbox`"),
    };
    let runs = to_runs(&outline, height, width)?;
    let area = match given {
        Some([_, _, box_width, box_height]) if by_box => box_width * box_height,
        _ => mask::area(&runs) as f64,
    };
    Ok(Annotation {
        id,
        image_id,
        category_id,
        area: Some(area),
        bbox: Some(given.unwrap_or_else(|| mask::to_bbox(&runs))),
        segmentation: Some(segmentation(runs)),
        score: Some(record.score),
        ..Default::default()
    })
}

fn is_resized(found: &Annotation, truth: &Truth) -> bool {
    let image = truth.annotations.get_img(found.image_id);
    match (&found.segmentation, image) {
        (Some(Segmentation::UncompressedRle { size, .. }), Some(image)) => {
            *size != [image.height, image.width]
        }
        _ => false,
    }
}
