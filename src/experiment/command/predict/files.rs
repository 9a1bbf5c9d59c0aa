//! The output of a prediction: COCO results, and the raw numbers in safetensors.

use super::Predicted;
use crate::coco::Id;
use crate::structures::{Detection, rle};
use anyhow::{Context, Result};
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};

/// COCO results (<https://cocodataset.org/#format-results>): one object per detection, with the name of the file beside
/// the id of the image. The box is the detector's own, or else that of the mask. `categories` are COCO's ids of the
/// classes.
pub fn results(images: &[Predicted], categories: &[Id]) -> Result<Vec<u8>> {
    let entry = |image: &Predicted, detection: &Detection| {
        let runs = rle::encode(&detection.mask);
        let bounds = match detection.bounds {
            Some([x1, y1, x2, y2]) => json!([x1, y1, x2 - x1, y2 - y1]),
            None => json!(hotcoco::mask::to_bbox(&runs)),
        };
        json!({
            "image_id": image.id,
            "file_name": image.name,
            "category_id": categories[detection.class],
            "segmentation": { "size": [runs.h, runs.w], "counts": hotcoco::mask::rle_to_string(&runs) },
            "bbox": bounds,
            "score": detection.score,
        })
    };
    let entries: Vec<Value> = images
        .iter()
        .flat_map(|image| image.detections.iter().map(|found| entry(image, found)))
        .collect();
    let mut text = serde_json::to_vec(&entries).context("results")?;
    text.push(b'\n');
    Ok(text)
}

/// An array: shape and values.
type Array = (Vec<usize>, Vec<f32>);

/// The arrays of all images. If all masks have one size, they are `class_logits` [B, Q, K + 1], `mask_logits`
/// [B, Q, h, w], `class_quality` [B, Q, K] and `mask_quality` [B, Q]. Otherwise each image has its own, under
/// `<name>.` with B = 1.
pub fn raw(images: &[Predicted]) -> Result<Vec<u8>> {
    let mut arrays: BTreeMap<String, Array> = BTreeMap::new();
    let size = |image: &Predicted| {
        image
            .raw
            .iter()
            .map(|(_, array)| array.0.clone())
            .collect::<Vec<_>>()
    };
    let same = images
        .windows(2)
        .all(|pair| size(&pair[0]) == size(&pair[1]));
    for image in images {
        for (name, (shape, values)) in &image.raw {
            let name = if same {
                name.to_string()
            } else {
                format!("{}.{name}", image.name)
            };
            let array = arrays.entry(name).or_insert_with(|| {
                let shape = std::iter::once(0).chain(shape.iter().copied());
                (shape.collect(), Vec::new())
            });
            array.0[0] += 1;
            array.1.extend_from_slice(values);
        }
    }
    let bytes: BTreeMap<&String, (&Vec<usize>, Vec<u8>)> = arrays
        .iter()
        .map(|(name, (shape, values))| {
            let bytes = values.iter().flat_map(|value| value.to_le_bytes());
            (name, (shape, bytes.collect()))
        })
        .collect();
    let views = bytes.iter().map(|(name, (shape, bytes))| {
        let view = TensorView::new(Dtype::F32, shape.to_vec(), bytes);
        Ok((*name, view.with_context(|| format!("`{name}`"))?))
    });
    let views = views.collect::<Result<Vec<_>>>()?;
    let names: Vec<&str> = images.iter().map(|image| image.name.as_str()).collect();
    let names = HashMap::from([("images".to_string(), serde_json::to_string(&names)?)]);
    safetensors::serialize(views, Some(names)).context("safetensors")
}
