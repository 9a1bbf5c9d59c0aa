//! Datasets, the labelled split, the weak and strong views, and the loader that turns them into batches.

pub mod augment;
pub mod census;
mod check_pictures;
pub mod cityscapes;
pub mod coco;
pub mod digest;
mod evaluated;
pub mod export;
pub mod findings;
pub mod image_file;
pub mod image_list;
#[cfg(test)]
pub mod listed;
pub mod loader;
mod picture_cache;
pub mod pool_labels;
pub mod scenes;
pub mod split;
pub mod split_files;
pub mod stamp;
pub mod state;
pub mod supercategories;

pub use check_pictures::CheckPictures;

use crate::cityscapes::Frame;
use crate::registry::{self, Check, ComponentErrors, Entry};
use crate::structures::{Instance, Mask, Picture, Resampling};
use anyhow::Result;
use findings::Findings;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One decoded image with its annotations, at original size.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Identifier in the dataset (COCO's `id`).
    pub image_id: u64,
    /// The pixels.
    pub picture: Picture,
    /// All annotations, including crowds; empty for images without any.
    pub instances: Vec<Instance>,
}

/// The annotations of one image without its pixels.
#[derive(Clone, Debug)]
pub struct Truth {
    /// Identifier in the dataset.
    pub image_id: u64,
    /// The number of rows of the image.
    pub height: usize,
    /// The number of columns of the image.
    pub width: usize,
    /// All annotations, including crowds.
    pub instances: Vec<Instance>,
    /// The area of every instance, which decides its size range: the annotation's `area` if it has one, or
    /// else the number of its pixels.
    pub areas: Vec<f64>,
    /// The pixels that nobody has labelled, which the evaluator `cityscapes` does not judge; none if the dataset tells
    /// of none.
    pub void: Option<Mask>,
}

/// A list of images that any thread can read in any order.
pub trait Source: Send + Sync {
    /// The number of images.
    fn len(&self) -> usize;
    /// Returns true if there is no image.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The classes of the annotations of image `index`, including crowds, one per annotation. It does not
    /// decode the image.
    fn classes_of(&self, index: usize) -> Vec<usize>;
    /// The classes of the single objects of image `index`, one per annotation that is not a crowd. Training
    /// can learn only from these.
    fn objects_of(&self, index: usize) -> Vec<usize> {
        self.classes_of(index)
    }
    /// Returns true if image `index` has no annotation other than crowds. Such an image trains nothing.
    fn is_background(&self, index: usize) -> bool {
        self.objects_of(index).is_empty()
    }
    /// Returns true if a single object of image `index` has a mask. Only the truth of an evaluation may have objects
    /// without one.
    fn has_mask(&self, index: usize) -> bool {
        !self.is_background(index)
    }
    /// Returns true if the annotations list no object of image `index` other than crowds, usable or not. Lists of
    /// published splits pass over such images.
    fn is_listed_empty(&self, index: usize) -> bool {
        self.is_background(index)
    }
    /// Identifier of image `index` in the dataset: that of its [`Sample`].
    fn id(&self, index: usize) -> u64 {
        index as u64
    }
    /// The file of image `index`; none if the image is drawn.
    fn file(&self, _index: usize) -> Option<&Path> {
        None
    }

    /// Rows and columns of image `index`, if they are known without decoding it.
    fn size_of(&self, _index: usize) -> Option<(usize, usize)> {
        None
    }

    /// The name that Cityscapes' files give image `index`; none for an image of another origin.
    fn frame(&self, _index: usize) -> Option<Frame> {
        None
    }

    /// Decodes image `index`.
    ///
    /// # Errors
    /// A file is missing or corrupt. The error names it.
    fn load(&self, index: usize) -> Result<Sample>;
    /// The annotations of image `index`. The image is not decoded unless the source needs it.
    ///
    /// # Errors
    /// As for [`Self::load`].
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
            void: None,
        })
    }
}

/// A dataset for the trainer.
#[derive(Clone)]
pub struct Dataset {
    /// The class names; an instance's `class` is an index into them.
    pub classes: Vec<String>,
    /// The training images. The split divides them into labelled and unlabelled ones.
    pub train: Arc<dyn Source>,
    /// Further images that are always unlabelled, if the recipe names any.
    pub extra_unlabelled: Option<Arc<dyn Source>>,
    /// The images for the evaluation.
    pub val: Arc<dyn Source>,
    /// The upper bounds in pixels of COCO's area ranges `small` and `medium` (32^2 and 96^2 for COCO).
    pub area_bounds: [f64; 2],
    /// The oddities that were found while the dataset was read.
    pub findings: Findings,
}

/// One augmented image, padded to the training size.
#[derive(Clone, Debug)]
pub struct View {
    /// The pixels after augmentation, 8 bits.
    pub picture: Picture,
    /// The objects in the same geometry. Crowds and objects without pixels left by the crop are removed.
    pub instances: Vec<Instance>,
}

/// One unlabelled image in both views.
#[derive(Clone, Debug)]
pub struct UnlabelledViews {
    /// The view for the teacher.
    pub weak: Picture,
    /// The view for the student.
    pub strong: Picture,
    /// What takes the teacher's masks to the student's view; none if both views have the same geometry.
    pub moved: Option<Resampling>,
    /// The annotations that the split hides, in the teacher's view. They are only for the journal: no loss, threshold
    /// or correction may read them.
    pub hidden_truth: Vec<Instance>,
}

/// One image with pseudo-labels that were made before the training.
#[derive(Clone, Debug)]
pub struct PseudoView {
    /// The student's view with the pseudo-labels that it still shows.
    pub view: View,
    /// The class quality and the mask quality of each of them.
    pub qualities: Vec<[f32; 2]>,
    /// The rectangle of each of them, x1, y1, x2, y2 in pixels of the view: the smallest upright one around the
    /// detected rectangle in the view's geometry.
    pub bounds: Vec<[f32; 4]>,
}

/// The data of one training step. Batch `t` depends only on (recipe, seed, t).
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The labelled images: their weak views, then their strong views in the same order, or only the views
    /// that the recipe uses.
    pub labelled: Vec<View>,
    /// The unlabelled images; empty before the burn-in ends.
    pub unlabelled: Vec<UnlabelledViews>,
    /// The unlabelled images of a training whose pseudo-labels were made before it; `unlabelled` is then empty.
    pub pseudo: Vec<PseudoView>,
}

/// The table `[data]` of a recipe, parsed and checked: a dataset before it is loaded.
pub trait DatasetConfig {
    /// Loads the dataset. Call [`loaded`] instead, which also finds what is odd in a dataset of any kind.
    ///
    /// # Errors
    /// A value is out of range, or a file is missing or wrong. The error names the key.
    fn load(&self) -> Result<Dataset, ComponentErrors>;

    /// Returns true if the images are those of [`scenes`]. Then more images of the same classes can be drawn.
    fn has_scene_classes(&self) -> bool {
        false
    }

    /// The files and folders whose content decides the dataset, besides its pictures.
    fn files(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    /// The key of the table `[data]` that decides the evaluated images.
    fn val_key(&self) -> &'static str {
        "val-images"
    }

    /// The file with the COCO annotations of the training images; none if there is no such file.
    fn train_annotations(&self) -> Option<PathBuf> {
        None
    }

    /// The stem of the files of annotations that are made of parts of the training images: that of their own file, or
    /// of the one that `data export` writes of a drawn dataset.
    fn train_stem(&self) -> String {
        let file = self.train_annotations();
        let stem = file.as_deref().and_then(Path::file_stem);
        stem.map_or("instances_train2017".into(), |stem| {
            stem.to_string_lossy().into_owned()
        })
    }

    /// The supercategory of each of `classes`, which are those of the dataset. Classes of one supercategory are
    /// similar. None if nothing tells them.
    fn supercategories(&self, classes: &[String]) -> Option<Vec<String>> {
        supercategories::known(classes)
    }

    /// Returns true if every picture is to be decoded once before a training.
    fn checks_pictures(&self) -> bool {
        false
    }

    /// Returns true if a command that needs no picture does better to read a digest, even of a small dataset.
    fn reads_slowly(&self) -> bool {
        false
    }
}

/// The datasets that a recipe can name under `data.name`.
pub const DATASETS: &[Entry<Box<dyn DatasetConfig>>] = &[
    Entry {
        name: "scenes",
        about: "drawn scenes of ten classes, made from a seed",
        build: |table| Ok(Box::new(registry::read::<scenes::SceneConfig>(table)?)),
    },
    Entry {
        name: "coco",
        about: "images and annotations in COCO's format",
        build: |table| Ok(Box::new(registry::read::<coco::CocoConfig>(table)?)),
    },
    Entry {
        name: "cityscapes",
        about: "Cityscapes' own files: leftImg8bit and gtFine",
        build: |table| {
            Ok(Box::new(registry::read::<cityscapes::CityscapesConfig>(
                table,
            )?))
        },
    },
];

/// Loads the dataset of the table `[data]`, which has the key `name`.
///
/// # Errors
/// The name is unknown, or the dataset refuses a value. The error names the key.
pub fn load(table: toml::Table) -> Result<Dataset, ComponentErrors> {
    loaded(&*registry::build(DATASETS, table)?)
}

/// Loads the dataset of `config`, and finds what is odd in a dataset of any kind.
///
/// # Errors
/// As for [`DatasetConfig::load`].
pub fn loaded(config: &dyn DatasetConfig) -> Result<Dataset, ComponentErrors> {
    let mut dataset = config.load()?;
    evaluated::tell_evaluated(&mut dataset);
    Ok(dataset)
}

/// Refuses area ranges that are not `0 < small < medium`.
fn check_area_bounds(check: &mut Check, [small, medium]: [f64; 2]) {
    let fits = small > 0.0 && small < medium && medium.is_finite();
    let found = format!("[{small}, {medium}]");
    let allowed = "two areas in pixels, 0 < small < medium";
    check.require(fits, "area-bounds", found, allowed);
}
