//! Writes a dataset as COCO annotations and PNG files, so that other tools can read the drawn dataset.
//!
//! The files are `FOLDER/annotations/instances_{train,val}2017.json`, with masks as compressed RLE, and
//! `FOLDER/images/{train,val}_NNNNNN.png`.

use super::{Dataset, Sample, Source, Truth};
use crate::structures::{InstanceSource, rle};
use anyhow::{Context, Result, bail};
use rayon::prelude::*;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// The numbers of written images and annotations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// The number of images in both parts.
    pub images: usize,
    /// The number of annotations in both parts.
    pub annotations: usize,
}

/// Writes `dataset` to `folder`. The folder gets its name only when it is complete.
///
/// # Errors
/// `folder` exists and is not empty, or cannot be written, or an image cannot be read.
pub fn export(dataset: &Dataset, folder: &Path) -> Result<Exported> {
    if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) || folder.is_file() {
        bail!(
            "{}: exists already; needed: a new or an empty folder",
            folder.display()
        );
    }
    let name = folder
        .file_name()
        .with_context(|| format!("{}: not the name of a folder", folder.display()))?;
    let partial = folder.with_file_name(format!(
        ".{}.partial-{}",
        name.to_string_lossy(),
        std::process::id()
    ));
    let written = write(dataset, &partial).and_then(|exported| {
        fs::rename(&partial, folder)
            .with_context(|| format!("{}: cannot be written", folder.display()))?;
        Ok(exported)
    });
    if written.is_err() {
        // Only the first error is reported. A failure to remove the partial folder is not.
        let _ = fs::remove_dir_all(&partial);
    }
    written
}

/// The file name of the drawn image `id` of the part `part`, `train` or `val`.
pub fn drawn_name(part: &str, id: u64) -> String {
    format!("{part}_{id:06}.png")
}

fn write(dataset: &Dataset, folder: &Path) -> Result<Exported> {
    for part in ["annotations", "images"] {
        let part = folder.join(part);
        fs::create_dir_all(&part).with_context(|| format!("{}: cannot be made", part.display()))?;
    }
    let mut exported = Exported::default();
    for (part, source) in [("train", &dataset.train), ("val", &dataset.val)] {
        let document = write_part(dataset, &**source, part, folder, &mut exported)?;
        let file = folder.join(format!("annotations/instances_{part}2017.json"));
        let text = serde_json::to_string(&document)?;
        fs::write(&file, text).with_context(|| format!("{}: cannot be written", file.display()))?;
    }
    Ok(exported)
}

fn write_part(
    dataset: &Dataset,
    source: &dyn Source,
    part: &str,
    folder: &Path,
    exported: &mut Exported,
) -> Result<Value> {
    let entries = (0..source.len())
        .into_par_iter()
        .map(|index| write_image(source, index, part, folder))
        .collect::<Result<Vec<_>>>()?;
    exported.images += entries.len();
    exported.annotations += entries
        .iter()
        .map(|(_, objects)| objects.len())
        .sum::<usize>();
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
    let category = |(class, name): (usize, &String)| json!({ "id": class + 1, "name": name, "supercategory": "object" });
    let categories: Vec<Value> = dataset.classes.iter().enumerate().map(category).collect();
    json!({ "images": images, "annotations": annotations, "categories": categories })
}

/// The entry of the image and those of its annotations, which still lack their `id`.
fn write_image(
    source: &dyn Source,
    index: usize,
    part: &str,
    folder: &Path,
) -> Result<(Value, Vec<Value>)> {
    let Sample {
        image_id, picture, ..
    } = source.load(index)?;
    let truth = source.truth(index)?;
    let file_name = drawn_name(part, image_id);
    let path: PathBuf = folder.join("images").join(&file_name);
    let (width, height) = (picture.width as u32, picture.height as u32);
    image::save_buffer(
        &path,
        &picture.pixels,
        width,
        height,
        image::ColorType::Rgb8,
    )
    .with_context(|| format!("{}: cannot be written", path.display()))?;
    let image = image_entry(image_id, &file_name, picture.height, picture.width);
    Ok((image, object_entries(&truth)))
}

/// The entry of an image.
pub fn image_entry(image_id: u64, file_name: &str, height: usize, width: usize) -> Value {
    json!({ "id": image_id, "file_name": file_name, "height": height, "width": width })
}

/// The entries of the objects of an image. They lack their `id`.
pub fn object_entries(truth: &Truth) -> Vec<Value> {
    let objects = truth.instances.iter().zip(&truth.areas).map(|(instance, area)| {
        let runs = rle::encode(&instance.mask);
        json!({
            "id": 0,
            "image_id": truth.image_id,
            "category_id": instance.class + 1,
            "iscrowd": u8::from(instance.source == InstanceSource::Crowd),
            "area": area,
            "bbox": hotcoco::mask::to_bbox(&runs),
            "segmentation": { "size": [runs.h, runs.w], "counts": hotcoco::mask::rle_to_string(&runs) },
        })
    });
    objects.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{DATASETS, coco, load};

    #[test]
    fn what_is_exported_reads_back_the_same() {
        let table = "name = 'scenes'\nsize = 64\ntrain-images = 6\ntrain-seed = 1\nval-images = 3\nval-seed = 2\narea-bounds = [100.0, 324.0]";
        let drawn = load(table.parse().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("scenes");
        let exported = export(&drawn, &root).unwrap();
        assert_eq!(exported.images, 9);

        let files = ["train", "val"].map(|part| format!("annotations/instances_{part}2017.json"));
        let [train, val] = &files;
        let mut table = coco::tests::table(&root, [train, val], "images");
        table.insert("unlabelled-images".into(), "images".into());
        table.insert("area-bounds".into(), vec![100.0, 324.0].into());
        let read = load(table).unwrap();
        assert_eq!(read.classes, drawn.classes);
        assert_eq!(read.extra_unlabelled.as_ref().unwrap().len(), 9);
        for (a, b) in [(&drawn.train, &read.train), (&drawn.val, &read.val)] {
            assert_eq!(a.len(), b.len());
            for index in 0..a.len() {
                let (a_sample, b_sample) = (a.load(index).unwrap(), b.load(index).unwrap());
                assert_eq!(a_sample.image_id, b_sample.image_id);
                assert_eq!(a_sample.picture, b_sample.picture);
                assert_eq!(a_sample.instances, b_sample.instances);
                assert_eq!(a.truth(index).unwrap().areas, b.truth(index).unwrap().areas);
                assert_eq!(a.classes_of(index), b.classes_of(index));
            }
        }
        let again = export(&drawn, &root).unwrap_err().to_string();
        assert!(again.contains("exists already"), "{again}");
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            1,
            "nothing partial is left"
        );
    }

    #[test]
    fn the_registry_names_both_datasets() {
        let names: Vec<&str> = DATASETS.iter().map(|entry| entry.name).collect();
        assert_eq!(names[..2], ["scenes", "coco"]);
    }
}
