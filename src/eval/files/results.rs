//! The detections' file.
//!
//! As pycocotools' `loadRes`, the first detection decides for all: if it has a box, every detection must have
//! one, the box's area places the detection in its size range, and a detection without a mask has that of its
//! box. Otherwise every detection must have a mask, which gives the area, and the box where there is none.

use super::empty_mask;
use super::truth::Truth;
use crate::coco::{Detection, Field, Id, Outline, draw, read_results};
use crate::eval::coco::segmentation;
use anyhow::{Context, Result, anyhow, bail, ensure};
use hotcoco::{Annotation, COCO, Dataset, Segmentation, mask};
use rayon::prelude::*;
use std::path::Path;

/// Reads the detections in `file`, of images of `truth`.
///
/// # Errors
/// Not COCO's results; a detection of an unknown image, or without a mask or box.
pub fn read(file: &Path, truth: &Truth, warnings: &mut Vec<String>) -> Result<COCO> {
    let records = read_results(file)?;
    let name = file.display();
    let mut foreign = 0;
    for (index, record) in records.iter().enumerate() {
        let place = || format!("{name}: detection {}", index + 1);
        let image = record.image_id.need("image_id").with_context(place)?;
        let category = record.category_id.need("category_id").with_context(place)?;
        ensure!(
            truth.images.contains_key(image),
            "{} is of image {image}, which the annotations do not list",
            place()
        );
        foreign += usize::from(!truth.categories.contains_key(category));
    }
    if foreign > 0 {
        warnings.push(format!(
            "{name}: {foreign} of {} detections are of categories that the annotations do not list; as in pycocotools, they are left out",
            records.len()
        ));
    }
    let by_box = records
        .first()
        .is_some_and(|record| !matches!(record.bbox, Field::Absent));
    let made = records
        .par_iter()
        .enumerate()
        .filter_map(|(index, record)| {
            let category = *truth.categories.get(record.category_id.get()?)?;
            let id = index as u64 + 1;
            let found = detection(id, record, category, truth, by_box);
            Some(found.with_context(|| format!("{name}: detection {id}")))
        })
        .collect::<Vec<_>>();
    // One by one: of several mistakes the first is told, whatever the threads.
    let made = made.into_iter().collect::<Result<Vec<_>>>()?;
    let (annotations, faults): (Vec<_>, Vec<_>) = made.into_iter().unzip();
    let mut told = faults.iter().flatten();
    if let Some(fault) = told.next() {
        warnings.push(format!(
            "{name}: detections with a box whose `segmentation` is no mask, so that by masks they match nothing: {} ({fault})",
            1 + told.count()
        ));
    }
    let resized = annotations
        .iter()
        .filter(|found| is_resized(found, truth))
        .count();
    if resized > 0 {
        warnings.push(format!(
            "{name}: masks of another size than their image, which match nothing, as in pycocotools: {resized}"
        ));
    }
    Ok(COCO::from_dataset(Dataset {
        images: truth.annotations.dataset.images.clone(),
        categories: truth.annotations.dataset.categories.clone(),
        annotations,
        ..Default::default()
    }))
}

/// The detection, and the reason if its `segmentation` is no mask.
fn detection(
    id: u64,
    record: &Detection,
    category_id: u64,
    truth: &Truth,
    by_box: bool,
) -> Result<(Annotation, Option<String>)> {
    let image: &Id = record.image_id.need("image_id")?;
    let (image_id, size) = truth.images[image];
    let score = *record.score.need("score")?;
    ensure!(
        !score.is_nan(),
        "a `score` that is NaN, which is not JSON; needed: a number"
    );
    let given: Option<[f64; 4]> = match &record.bbox {
        Field::Absent => None,
        other => Some(*other.need("bbox").map_err(|error| anyhow!("a {error}"))?),
    };
    let (runs, fault) = match (&record.segmentation, given) {
        (_, None) if by_box => bail!("no `bbox`, which the first detection has"),
        (Outline::Absent, Some(numbers)) if by_box => (of_box(numbers, size), None),
        (Outline::Absent, _) => bail!("no `segmentation`, and the first detection has no `bbox`"),
        (outline, _) => match draw(outline, size) {
            Ok(runs) => (runs, None),
            Err(error) if by_box => (
                empty_mask(size.unwrap_or_default()),
                Some(format!("detection {id}: {error}")),
            ),
            Err(error) => return Err(error),
        },
    };
    let area = match given {
        Some([_, _, box_width, box_height]) if by_box => box_width * box_height,
        _ => mask::area(&runs) as f64,
    };
    let annotation = Annotation {
        id,
        image_id,
        category_id,
        area: Some(area),
        bbox: Some(given.unwrap_or_else(|| mask::to_bbox(&runs))),
        segmentation: Some(segmentation(runs)),
        score: Some(score),
        ..Default::default()
    };
    Ok((annotation, fault))
}

/// The mask of a box; empty if its image has no size, because then there are no masks to compare it with.
fn of_box(numbers: [f64; 4], size: Option<[u32; 2]>) -> hotcoco::Rle {
    let size = size.unwrap_or_default();
    let drawn = mask::fr_bbox(&numbers, size[0], size[1]);
    drawn.unwrap_or_else(|_| empty_mask(size))
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
