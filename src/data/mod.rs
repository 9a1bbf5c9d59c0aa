//! Datasets, the labelled split, the weak and strong views, and the loader that turns them into batches.

pub mod augment;
pub mod coco;
pub mod export;
pub mod image_file;
pub mod loader;
pub mod scenes;
pub mod split;

use crate::registry::{self, ComponentError, ComponentErrors, Entry};
use crate::structures::{Instance, Picture};
use anyhow::Result;
use std::sync::Arc;

/// One decoded image with its annotations, at original size.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Identifier in the dataset (COCO's `id`).
    pub image_id: u64,
    /// The pixels.
    pub picture: Picture,
    /// All annotations, crowds included. Empty for images without any.
    pub instances: Vec<Instance>,
}

/// The annotations of one image without its pixels.
#[derive(Clone, Debug)]
pub struct Truth {
    /// Identifier in the dataset.
    pub image_id: u64,
    /// Rows of the image.
    pub height: usize,
    /// Columns of the image.
    pub width: usize,
    /// All annotations, crowds included.
    pub instances: Vec<Instance>,
    /// Area of every instance that decides its size range: the annotation's `area` where there is one, else its pixels.
    pub areas: Vec<f64>,
}

/// A list of images that can be read in any order from any thread.
pub trait Source: Send + Sync {
    /// Number of images.
    fn len(&self) -> usize;
    /// Whether there is no image.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Classes of the annotations of image `index`, crowds included, one per annotation; needs no decoding.
    fn classes_of(&self, index: usize) -> Vec<usize>;
    /// Classes of the single objects of image `index`, one per annotation that is no crowd: what training can learn from.
    fn objects_of(&self, index: usize) -> Vec<usize> {
        self.classes_of(index)
    }
    /// Whether every annotation of image `index` is a crowd or there is none: such an image trains nothing.
    fn is_background(&self, index: usize) -> bool {
        self.objects_of(index).is_empty()
    }
    /// Decodes image `index`.
    ///
    /// # Errors
    /// A missing or corrupt file, named.
    fn load(&self, index: usize) -> Result<Sample>;
    /// The annotations of image `index`; a source that can tell them without decoding the image does.
    ///
    /// # Errors
    /// As [`Self::load`].
    fn truth(&self, index: usize) -> Result<Truth> {
        let Sample {
            image_id,
            picture,
            instances,
        } = self.load(index)?;
        let areas = instances
            .iter()
            .map(|instance| instance.mask.area() as f64)
            .collect();
        Ok(Truth {
            image_id,
            height: picture.height,
            width: picture.width,
            instances,
            areas,
        })
    }
}

/// A dataset as the trainer sees it.
#[derive(Clone)]
pub struct Dataset {
    /// Class names; an instance's `class` indexes them.
    pub classes: Vec<String>,
    /// The training images; the split divides them into labelled and unlabelled.
    pub train: Arc<dyn Source>,
    /// Further images that are always unlabelled, if the recipe names any.
    pub extra_unlabelled: Option<Arc<dyn Source>>,
    /// The images that are evaluated.
    pub val: Arc<dyn Source>,
    /// Upper bounds in pixels of COCO's area ranges `small` and `medium` (32^2 and 96^2 for COCO).
    pub area_bounds: [f64; 2],
}

/// One augmented image, padded to the training size.
#[derive(Clone, Debug)]
pub struct View {
    /// The pixels after augmentation, 8 bit.
    pub picture: Picture,
    /// Its objects in the same geometry: crowds removed, objects emptied by the crop removed.
    pub instances: Vec<Instance>,
}

/// One unlabelled image in both views. Its geometry is shared, so the teacher's masks fit the student's image.
#[derive(Clone, Debug)]
pub struct UnlabelledViews {
    /// For the teacher.
    pub weak: Picture,
    /// For the student.
    pub strong: Picture,
    /// The annotations that the split has hidden. For the journal only: no loss, threshold or correction may read them.
    pub hidden_truth: Vec<Instance>,
}

/// What one training step reads. Batch `t` is a function of (recipe, seed, t) alone.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The labelled images: their weak views, then their strong views in the same order, or only those that the recipe trains on.
    pub labelled: Vec<View>,
    /// The unlabelled images; empty before the burn-in ends.
    pub unlabelled: Vec<UnlabelledViews>,
}

/// The table `[data]` of a recipe, read and checked: a dataset before it is loaded.
pub trait DatasetConfig {
    /// Loads the dataset.
    ///
    /// # Errors
    /// A value that is out of range, or a file that is missing or wrong; the error names the key.
    fn load(&self) -> Result<Dataset, ComponentErrors>;

    /// Whether the images are those of [`scenes`]: then more images of the same classes can be drawn.
    fn is_drawn(&self) -> bool {
        false
    }
}

/// The datasets that a recipe can name under `data.name`.
pub const DATASETS: &[Entry<Box<dyn DatasetConfig>>] = &[
    Entry {
        name: "scenes",
        about: "drawn scenes of ten classes, made from a seed",
        build: |table| Ok(Box::new(registry::options::<scenes::SceneConfig>(table)?)),
    },
    Entry {
        name: "coco",
        about: "images and annotations in COCO's format",
        build: |table| Ok(Box::new(registry::options::<coco::CocoConfig>(table)?)),
    },
];

/// Loads the dataset of the table `[data]`, which has the key `name`.
///
/// # Errors
/// An unknown name, or what the dataset refuses; the error names the key.
pub fn load(table: toml::Table) -> Result<Dataset, ComponentErrors> {
    registry::build(DATASETS, table)?.load()
}

/// Refuses area ranges that are not `0 < small < medium`.
fn check_area_bounds(bounds: [f64; 2]) -> Result<(), ComponentError> {
    let [small, medium] = bounds;
    if small > 0.0 && small < medium && medium.is_finite() {
        return Ok(());
    }
    let message = format!("[{small}, {medium}]; allowed: two areas in pixels, 0 < small < medium");
    Err(ComponentError::new("area-bounds", message))
}
