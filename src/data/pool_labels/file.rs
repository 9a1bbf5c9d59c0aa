//! The file of the pseudo-labels: COCO's annotations (<https://cocodataset.org/#format-data>) with masks as compressed
//! RLE.
//!
//! As in Noisy Boundaries (zhenyuw16/noisyboundaries 0c83823, `scripts/*/form_ann.py`), `bbox` is the detected
//! rectangle, not the one around the mask, and `area` is its area. Further fields: `index` of an image and
//! `image_index` of an annotation are the number of the image among the training images followed by the further ones,
//! because further images may have ids of training images; `score` is the class quality times the mask quality.

use super::{PoolImage, PoolLabels, PoolObject, source_of};
use crate::data::Dataset;
use crate::data::export::{category_ids, drawn_name};
use crate::data::supercategories::known;
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::path::Path;

#[derive(Serialize, Deserialize)]
struct File {
    images: Vec<ImageEntry>,
    annotations: Vec<AnnotationEntry>,
    categories: Vec<CategoryEntry>,
}

#[derive(Serialize, Deserialize)]
struct ImageEntry {
    id: u64,
    file_name: String,
    height: usize,
    width: usize,
    index: usize,
}

#[derive(Serialize, Deserialize)]
struct AnnotationEntry {
    id: usize,
    image_id: u64,
    image_index: usize,
    category_id: usize,
    iscrowd: u8,
    area: f32,
    bbox: [f32; 4],
    segmentation: Segmentation,
    score: f32,
    class_quality: f32,
    mask_quality: f32,
}

/// A mask as compressed RLE: rows and columns, and the runs.
#[derive(Serialize, Deserialize)]
struct Segmentation {
    size: [u32; 2],
    counts: String,
}

#[derive(Serialize, Deserialize)]
struct CategoryEntry {
    id: usize,
    name: String,
    supercategory: String,
}

impl PoolLabels {
    /// The text of the file, for images of `dataset`. The same labels give the same bytes.
    pub fn to_json(&self, dataset: &Dataset) -> Result<Vec<u8>> {
        let ids = category_ids(&dataset.classes);
        let (mut images, mut annotations) = (Vec::new(), Vec::new());
        for (index, image) in &self.images {
            images.push(ImageEntry {
                id: image.id,
                file_name: file_name(dataset, *index, image.id),
                height: image.size.0,
                width: image.size.1,
                index: *index,
            });
            for object in &image.objects {
                let [x1, y1, x2, y2] = object.bounds;
                let [class_quality, mask_quality] = object.qualities;
                annotations.push(AnnotationEntry {
                    id: annotations.len() + 1,
                    image_id: image.id,
                    image_index: *index,
                    category_id: ids[object.class],
                    iscrowd: 0,
                    area: (x2 - x1) * (y2 - y1),
                    bbox: [x1, y1, x2 - x1, y2 - y1],
                    segmentation: Segmentation {
                        size: [object.mask.h, object.mask.w],
                        counts: hotcoco::mask::rle_to_string(&object.mask),
                    },
                    score: class_quality * mask_quality,
                    class_quality,
                    mask_quality,
                });
            }
        }
        let groups = known(&dataset.classes);
        let categories = ids.iter().zip(&dataset.classes).enumerate();
        let categories = categories.map(|(class, (id, name))| CategoryEntry {
            id: *id,
            name: name.clone(),
            supercategory: match &groups {
                Some(groups) => groups[class].clone(),
                None => "object".into(),
            },
        });
        let file = File {
            categories: categories.collect(),
            images,
            annotations,
        };
        let mut text = serde_json::to_vec(&file)?;
        text.push(b'\n');
        Ok(text)
    }

    /// Reads the file at `path`, which was written for a dataset with these `classes`.
    ///
    /// # Errors
    /// The file cannot be read, or it is no such file. The error names it and the place.
    pub fn read(path: &Path, classes: &[String]) -> Result<Self> {
        let name = path.display();
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {name}"))?;
        let file: File = serde_json::from_slice(&bytes)
            .with_context(|| format!("{name}: no file of pseudo-labels"))?;
        let ids = category_ids(classes);
        let mut labels = Self::default();
        for image in file.images {
            let entry = PoolImage {
                id: image.id,
                size: (image.height, image.width),
                objects: Vec::new(),
            };
            labels.insert(image.index, entry);
        }
        for one in file.annotations {
            let place = || format!("{name}: annotation {}", one.id);
            let image = labels.images.get_mut(&one.image_index);
            let image = image
                .context("its image is not listed")
                .with_context(place)?;
            let class = ids.iter().position(|id| *id == one.category_id);
            let class = class.context("the dataset has no such category");
            let class = class.with_context(place)?;
            let [height, width] = one.segmentation.size;
            ensure!(
                (height as usize, width as usize) == image.size,
                "{}: its mask has another size than its image",
                place()
            );
            let mask = hotcoco::mask::rle_from_string(&one.segmentation.counts, height, width);
            let mask = mask.map_err(|error| anyhow::anyhow!("{error}"));
            let [x, y, w, h] = one.bbox;
            image.objects.push(PoolObject {
                class,
                qualities: [one.class_quality, one.mask_quality],
                bounds: [x, y, x + w, y + h],
                mask: mask.with_context(place)?,
            });
        }
        Ok(labels)
    }
}

/// The name of the picture's file; of a drawn picture the one that it would be exported with.
fn file_name(dataset: &Dataset, index: usize, id: u64) -> String {
    let source = source_of(dataset, index);
    let file = source.and_then(|(source, index)| source.file(index)?.file_name());
    file.map_or(drawn_name("train", id), |name| {
        name.to_string_lossy().into()
    })
}
