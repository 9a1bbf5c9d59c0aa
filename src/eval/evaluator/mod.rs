//! The COCO metric of a training's detections on its dataset's `val` images.
//!
//! mAP is the mean over classes and over the IoU thresholds 0.50, 0.55 ... 0.95 of the precision interpolated at 101 recalls, with
//! the 100 best detections per image and class. A crowd is neither missed nor found: detections on it are ignored.

use super::found::{Found, annotation, category, result};
use super::metric::{Curves, Pair};
use super::summary::percent;
use crate::data::{Dataset, Truth};
use crate::structures::Detection;
use anyhow::{Context, Result, ensure};
use hotcoco::{COCO, Category, Image, IouType};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Average precision in percent; `None` where no annotation defines it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct Metrics {
    /// Mean over classes and IoU 0.50:0.05:0.95.
    pub mean_ap: Option<f64>,
    /// At IoU 0.50.
    pub ap50: Option<f64>,
    /// At IoU 0.75.
    pub ap75: Option<f64>,
    /// Objects up to the first of the dataset's area bounds.
    pub ap_small: Option<f64>,
    /// Objects between the area bounds.
    pub ap_medium: Option<f64>,
    /// Objects from the second area bound on.
    pub ap_large: Option<f64>,
    /// `mean_ap` of every class of the dataset, by index.
    pub per_class: Vec<Option<f64>>,
}

/// The annotations of the evaluated images, ready to be compared with detections.
pub struct Evaluator {
    truth: Arc<COCO>,
    classes: usize,
    area_bounds: [f64; 2],
}

impl Evaluator {
    /// Reads the annotations of the dataset's `val` images.
    ///
    /// # Errors
    /// Annotations that cannot be read, named.
    pub fn new(dataset: &Dataset) -> Result<Self> {
        let mut truth = hotcoco::Dataset {
            categories: categories(&dataset.classes),
            ..Default::default()
        };
        for index in 0..dataset.val.len() {
            let Truth {
                image_id,
                height,
                width,
                instances,
                areas,
            } = dataset.val.truth(index)?;
            truth.images.push(Image {
                id: image_id,
                height: height as u32,
                width: width as u32,
                ..Default::default()
            });
            for (instance, area) in instances.iter().zip(areas) {
                let id = truth.annotations.len() as u64 + 1;
                truth
                    .annotations
                    .push(annotation(id, image_id, instance, area));
            }
        }
        let truth = Arc::new(COCO::from_dataset(truth));
        Ok(Self {
            truth,
            classes: dataset.classes.len(),
            area_bounds: dataset.area_bounds,
        })
    }

    /// Adds the detections of one image to `found`.
    ///
    /// # Errors
    /// An image that is not in the dataset; a mask of another size than its image; a score that is no number.
    pub fn add(&self, found: &mut Found, image_id: u64, detections: &[Detection]) -> Result<()> {
        self.check(image_id, detections)?;
        for detection in detections {
            let id = found.0.len() as u64 + 1;
            found.0.push(result(id, image_id, detection));
        }
        Ok(())
    }

    /// The metrics of what was found. Images without a detection count as images without any.
    ///
    /// # Errors
    /// The metric fails.
    pub fn evaluate(&self, found: Found) -> Result<Metrics> {
        let found = hotcoco::Dataset {
            images: self.truth.dataset.images.clone(),
            categories: self.truth.dataset.categories.clone(),
            annotations: found.0,
            ..Default::default()
        };
        let pair = Pair {
            truth: Arc::clone(&self.truth),
            found: Arc::new(COCO::from_dataset(found)),
            zero: None,
        };
        let curves = Curves::new(&pair, IouType::Segm, self.area_bounds)?;
        let summary = curves.summary();
        let of_class = |class| percent(curves.category_precision(category(class)));
        Ok(Metrics {
            mean_ap: summary.percent(0),
            ap50: summary.percent(1),
            ap75: summary.percent(2),
            ap_small: summary.percent(3),
            ap_medium: summary.percent(4),
            ap_large: summary.percent(5),
            per_class: (0..self.classes).map(of_class).collect(),
        })
    }

    /// The metric itself would count such detections as misses.
    fn check(&self, image_id: u64, detections: &[Detection]) -> Result<()> {
        let image = self.truth.get_img(image_id);
        let image = image.with_context(|| format!("detections of unknown image {image_id}"))?;
        let expected = (image.height as usize, image.width as usize);
        for Detection { class, score, mask } in detections {
            let size = (mask.height, mask.width);
            ensure!(
                size == expected,
                "image {image_id}: a mask of {size:?} pixels, the image has {expected:?}"
            );
            ensure!(
                !score.is_nan(),
                "image {image_id}: a score that is no number"
            );
            ensure!(
                *class < self.classes,
                "image {image_id}: class {class} of {}",
                self.classes
            );
        }
        Ok(())
    }
}

fn categories(classes: &[String]) -> Vec<Category> {
    let category = |(class, name): (usize, &String)| Category {
        id: category(class),
        name: name.clone(),
        ..Default::default()
    };
    classes.iter().enumerate().map(category).collect()
}

#[cfg(test)]
mod tests;
