//! COCO annotations and PNG files: `FOLDER/annotations/instances_{train,val}2017.json`, with masks as compressed RLE,
//! and `FOLDER/images/{train,val}_NNNNNN.png`. Pictures that have a name of Cityscapes keep it:
//! `FOLDER/images/CITY/CITY_SEQUENCE_FRAME_leftImg8bit.png`, and Cityscapes' classes keep their ids.

use super::{Exported, write_picture};
use crate::cityscapes::{PICTURES, ids_of_classes};
use crate::data::supercategories::known;
use crate::data::{Dataset, Sample, Source, Truth};
use crate::structures::{InstanceSource, rle};
use anyhow::{Context, Result};
use rayon::prelude::*;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// Writes `dataset` to `folder`, which is new.
///
/// # Errors
/// A file cannot be read or written.
pub fn write(dataset: &Dataset, folder: &Path) -> Result<Exported> {
    for part in ["annotations", "images"] {
        let part = folder.join(part);
        fs::create_dir_all(&part).with_context(|| format!("{}: cannot be made", part.display()))?;
    }
    let mut exported = Exported::default();
    let ids = category_ids(&dataset.classes);
    for (part, source) in [("train", &dataset.train), ("val", &dataset.val)] {
        let document = write_part(dataset, &ids, &**source, part, folder, &mut exported)?;
        let file = folder.join(format!("annotations/instances_{part}2017.json"));
        let text = serde_json::to_string(&document)?;
        fs::write(&file, text).with_context(|| format!("{}: cannot be written", file.display()))?;
    }
    Ok(exported)
}

/// The category id of each class: Cityscapes' own, or else counted from 1.
pub fn category_ids(classes: &[String]) -> Vec<usize> {
    match ids_of_classes(classes) {
        Some(ids) => ids.map(usize::from).to_vec(),
        None => (1..=classes.len()).collect(),
    }
}

fn write_part(
    dataset: &Dataset,
    ids: &[usize],
    source: &dyn Source,
    part: &str,
    folder: &Path,
    exported: &mut Exported,
) -> Result<Value> {
    let entries = (0..source.len())
        .into_par_iter()
        .map(|index| write_image(source, index, ids, part, folder))
        .collect::<Result<Vec<_>>>()?;
    exported.images += entries.len();
    let objects = entries.iter().map(|(_, objects)| objects.len());
    exported.annotations += objects.sum::<usize>();
    Ok(document(dataset, entries))
}

/// COCO annotations of images, each with the entries of its objects, which get their `id` here.
pub fn document(dataset: &Dataset, entries: Vec<(Value, Vec<Value>)>) -> Value {
    let (mut images, mut annotations) = (Vec::new(), Vec::new());
    for (image, objects) in entries {
        images.push(image);
        for mut object in objects {
            object["id"] = json!(annotations.len() + 1);
            annotations.push(object);
        }
    }
    let ids = category_ids(&dataset.classes);
    let groups = known(&dataset.classes);
    let group = |class: usize| {
        groups
            .as_ref()
            .map_or("object", |groups| groups[class].as_str())
    };
    let classes = dataset.classes.iter().zip(&ids).enumerate();
    let categories: Vec<Value> = classes
        .map(|(class, (name, id))| json!({ "id": id, "name": name, "supercategory": group(class) }))
        .collect();
    json!({ "images": images, "annotations": annotations, "categories": categories })
}

/// The entry of the image and those of its annotations, which still lack their `id`.
fn write_image(
    source: &dyn Source,
    index: usize,
    ids: &[usize],
    part: &str,
    folder: &Path,
) -> Result<(Value, Vec<Value>)> {
    let Sample {
        image_id, picture, ..
    } = source.load(index)?;
    let truth = source.truth(index)?;
    let file_name = match source.frame(index) {
        Some(frame) => format!("{}/{frame}{}", frame.city, PICTURES.1),
        None => drawn_name(part, image_id),
    };
    write_picture(&picture, &folder.join("images").join(&file_name))?;
    let image = image_entry(image_id, &file_name, picture.height, picture.width);
    Ok((image, object_entries(&truth, ids)))
}

/// The file name of the drawn image `id` of the part `part`, `train` or `val`.
pub fn drawn_name(part: &str, id: u64) -> String {
    format!("{part}_{id:06}.png")
}

/// The entry of an image.
pub fn image_entry(image_id: u64, file_name: &str, height: usize, width: usize) -> Value {
    json!({ "id": image_id, "file_name": file_name, "height": height, "width": width })
}

/// The entries of the objects of an image, whose classes have the category `ids`. They lack their own `id`.
pub fn object_entries(truth: &Truth, ids: &[usize]) -> Vec<Value> {
    let objects = truth.instances.iter().zip(&truth.areas).map(|(instance, area)| {
        let runs = rle::encode(&instance.mask);
        json!({
            "id": 0,
            "image_id": truth.image_id,
            "category_id": ids[instance.class],
            "iscrowd": u8::from(instance.source == InstanceSource::Crowd),
            "area": area,
            "bbox": hotcoco::mask::to_bbox(&runs),
            "segmentation": { "size": [runs.h, runs.w], "counts": hotcoco::mask::rle_to_string(&runs) },
        })
    });
    objects.collect()
}
