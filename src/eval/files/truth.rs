//! The annotations' file.

use super::empty_mask;
use crate::coco::{self, Annotation, Id, draw, read_annotations};
use crate::eval::coco::segmentation;
use anyhow::{Context, Result, anyhow};
use hotcoco::{COCO, Category, Dataset, Image, mask};
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

/// The new id of every image, and its rows and columns where the file tells them.
type ImagesById = BTreeMap<Id, (u64, Option<[u32; 2]>)>;

/// The annotations, ready to be compared. Ids are counted anew, from 1, in the order of the file's own.
pub struct Truth {
    /// All that belong to a known image and category.
    pub annotations: COCO,
    /// True if one of the annotations has a mask, or if there is no annotation.
    pub has_masks: bool,
    /// The new id of the annotation that the file calls 0.
    pub zero: Option<u64>,
    /// The new id of every image, and its rows and columns where the file tells them.
    pub images: ImagesById,
    /// The new id of every category.
    pub categories: BTreeMap<Id, u64>,
}

/// An annotation with the fields that the metric needs.
struct Object {
    id: Id,
    image: Id,
    category: Id,
    record: Annotation,
}

/// Reads the annotations in `file`.
///
/// # Errors
/// Not COCO's annotations, or a record without an id.
pub fn read(file: &Path, warnings: &mut Vec<String>) -> Result<Truth> {
    let name = file.display();
    let mut content = read_annotations(file)?;
    let annotations = content.take_annotations(file)?;
    let categories = content.take_categories(file)?;
    let images = images(content.take_images(file)?).with_context(|| name.to_string())?;
    let ids = categories.iter().enumerate().map(|(index, category)| {
        let id = category.id.need("id");
        let id = id.with_context(|| format!("{name}: categories[{index}]"))?;
        Ok((id.clone(), 0))
    });
    let mut categories = ids.collect::<Result<BTreeMap<Id, u64>>>()?;
    categories
        .values_mut()
        .zip(1..)
        .for_each(|(category, id)| *category = id);

    let objects = annotations.into_iter().enumerate().map(|(index, record)| {
        object(record).map_err(|error| anyhow!("{name}: annotations[{index}]: {error}"))
    });
    let objects = objects.collect::<Result<Vec<_>>>()?;
    let chosen = chosen(&objects, &images, &categories);
    let distinct: HashSet<&Id> = objects.iter().map(|object| &object.id).collect();
    if distinct.len() < objects.len() {
        warnings.push(format!(
            "{name}: annotations with the id of another: {}; as in pycocotools, the last one stands for all of its id",
            objects.len() - distinct.len()
        ));
    }
    let zero = chosen.iter().position(|object| object.id == Id::Number(0));
    if zero.is_some() {
        warnings.push(format!(
            "{name}: the annotation with id 0 cannot be found: pycocotools takes 0 for \"no match\"; number them from 1",
        ));
    }
    let annotations: Vec<(hotcoco::Annotation, Option<String>)> = chosen
        .par_iter()
        .enumerate()
        .map(|(index, object)| annotation(index as u64 + 1, object, &images, &categories))
        .collect();
    let (annotations, faults): (Vec<_>, Vec<_>) = annotations.into_iter().unzip();
    let has_masks = tell_faults(&chosen, &faults, &name.to_string(), warnings);
    let dataset = Dataset {
        images: images
            .values()
            .map(|(id, size)| image(*id, size.unwrap_or_default()))
            .collect(),
        categories: categories.values().map(|id| category(*id)).collect(),
        annotations,
        ..Default::default()
    };
    Ok(Truth {
        annotations: COCO::from_dataset(dataset),
        has_masks,
        zero: zero.map(|index| index as u64 + 1),
        images,
        categories,
    })
}

/// The new id and the size of every image. Of images with the same id the last one counts.
fn images(listed: Vec<coco::Image>) -> Result<ImagesById> {
    let mut images = ImagesById::new();
    for (index, image) in listed.into_iter().enumerate() {
        let id = image.id.need("id");
        let id = id.map_err(|error| anyhow!("images[{index}]: {error}"))?;
        let size = image.height.get().zip(image.width.get());
        images.insert(
            id.clone(),
            (0, size.map(|(height, width)| [*height, *width])),
        );
    }
    images
        .values_mut()
        .zip(1..)
        .for_each(|(image, id)| image.0 = id);
    Ok(images)
}

fn object(record: Annotation) -> Result<Object> {
    Ok(Object {
        id: record.id.need("id")?.clone(),
        image: record.image_id.need("image_id")?.clone(),
        category: record.category_id.need("category_id")?.clone(),
        record,
    })
}

/// The annotations that are evaluated: those of known images and categories, image by image. Where several
/// share an id, each is the last of them.
fn chosen<'a>(
    objects: &'a [Object],
    images: &ImagesById,
    categories: &BTreeMap<Id, u64>,
) -> Vec<&'a Object> {
    let last: HashMap<&Id, &Object> = objects.iter().map(|object| (&object.id, object)).collect();
    let known = |object: &&Object| {
        images.contains_key(&object.image) && categories.contains_key(&object.category)
    };
    let mut listed: Vec<&Object> = objects.iter().filter(known).collect();
    listed.sort_by_key(|object| images[&object.image].0);
    listed
        .into_iter()
        .map(|object| last[&object.id])
        .filter(known)
        .collect()
}

/// The annotation, and the reason if no mask can be made of it.
fn annotation(
    id: u64,
    object: &Object,
    images: &ImagesById,
    categories: &BTreeMap<Id, u64>,
) -> (hotcoco::Annotation, Option<String>) {
    let (image_id, size) = images[&object.image];
    let (runs, fault) = match draw(&object.record.segmentation, size) {
        Ok(runs) => (runs, None),
        Err(error) => (
            empty_mask(size.unwrap_or_default()),
            Some(error.to_string()),
        ),
    };
    let record = &object.record;
    let area = record.area.get().copied();
    let bbox = record.bbox.get().copied();
    let annotation = hotcoco::Annotation {
        id,
        image_id,
        category_id: categories[&object.category],
        // As in pycocotools, an area that is NaN is inside of every range.
        area: Some(area.unwrap_or_else(|| mask::area(&runs) as f64)),
        bbox: Some(bbox.unwrap_or_else(|| mask::to_bbox(&runs))),
        segmentation: Some(segmentation(runs)),
        iscrowd: record.iscrowd.get() == Some(&true),
        ..Default::default()
    };
    (annotation, fault)
}

/// Warns of annotations without a mask. Returns false if none has one.
fn tell_faults(
    chosen: &[&Object],
    faults: &[Option<String>],
    file: &str,
    warnings: &mut Vec<String>,
) -> bool {
    let mut told = chosen
        .iter()
        .zip(faults)
        .filter_map(|(object, fault)| Some((object, fault.as_ref()?)));
    let count = told.clone().count();
    let Some((object, fault)) = told.next() else {
        return true;
    };
    let has_masks = count < chosen.len();
    let effect = match has_masks {
        true => "by masks they count as missed",
        false => "there are no numbers by masks",
    };
    warnings.push(format!(
        "{file}: {count} of {} annotations have no usable mask, so {effect} (annotation {}: {fault})",
        chosen.len(),
        object.id
    ));
    has_masks
}

fn image(id: u64, [height, width]: [u32; 2]) -> Image {
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
