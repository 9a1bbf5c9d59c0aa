//! Real images: COCO's instance annotations (<https://cocodataset.org/#format-data>) beside folders of JPEG
//! or PNG files.
//!
//! Everything that can be checked without decoding an image is checked when the dataset is made. Images are
//! decoded on demand, in the thread that needs them.

mod annotations;
mod folder;
mod images;
mod owners;
mod problems;
mod records;
mod rules;

use super::findings::{Findings, Part, Reason};
use super::image_file::Exif;
use super::picture_cache::{PictureReader, check_cache};
use super::{CheckPictures, Dataset, DatasetConfig, Source, supercategories};
use crate::coco::read_annotations;
use crate::registry::{Check, Checked, ComponentError, ComponentErrors};
use annotations::{AnnotationFile, Category};
use folder::ImageFolder;
use images::Images;
use rules::Rules;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The table `[data]` with `name = "coco"`. Paths are relative to `root`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CocoConfig {
    /// The folder of the dataset.
    pub root: PathBuf,
    /// The JSON file with the annotations of the training images.
    pub train_annotations: PathBuf,
    /// The folder of the training images.
    pub train_images: PathBuf,
    /// The JSON file with the annotations of the evaluated images.
    pub val_annotations: PathBuf,
    /// The folder of the evaluated images.
    pub val_images: PathBuf,
    /// The folder of further images without annotations, or a COCO file that lists them, of which nothing but `images`
    /// is read and whose files are in `train-images`, or in a folder beside it whose name is part of the file's;
    /// empty if there are none.
    pub unlabelled_images: PathBuf,
    /// The categories that are classes.
    pub classes: Classes,
    /// The treatment of an annotation without a valid outline.
    pub on_bad_annotation: OnBadAnnotation,
    /// True if `on-bad-annotation = "skip"` leaves annotations out of the evaluated images too. False: there they stay,
    /// as objects that no detection finds.
    pub skip_in_truth: bool,
    /// True if a picture is turned as its EXIF tag demands, before its annotations are compared with it.
    pub exif: bool,
    /// The check of the pictures before a training.
    pub check: CheckPictures,
    /// The memory for decoded pictures in MiB, shared by all trials of the program; 0: none is kept. It changes no
    /// result.
    pub cache: usize,
    /// The upper bounds of the area ranges `small` and `medium`, in pixels.
    pub area_bounds: [f64; 2],
}

/// The categories that are classes, sorted by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Classes {
    /// All categories in the files of the training and of the evaluated images.
    All,
    /// The categories with at least one object in the training images that is not a crowd. Annotations of
    /// other categories are left out.
    Present,
}

/// The treatment of an annotation without a usable mask, or of an unknown image or category.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnBadAnnotation {
    /// The dataset is refused with a list of them.
    Error,
    /// They are left out of training.
    Skip,
}

impl Checked for CocoConfig {
    fn check(&self, check: &mut Check) {
        super::check_area_bounds(check, self.area_bounds);
        check_cache(check, self.cache);
    }
}

impl DatasetConfig for CocoConfig {
    /// # Errors
    /// A folder or file is missing, a file is not COCO, or images or annotations are wrong. The first ten are
    /// listed.
    fn load(&self) -> Result<Dataset, ComponentErrors> {
        let root = &self.root;
        require("root", root, Path::is_dir, "a folder")?;
        let train_folder = root.join(&self.train_images);
        let val_folder = root.join(&self.val_images);
        require("train-images", &train_folder, Path::is_dir, "a folder")?;
        require("val-images", &val_folder, Path::is_dir, "a folder")?;

        let mut findings = Findings::default();
        let exif = Exif::new(self.exif);
        let reader = PictureReader::new(exif, self.cache);
        let rules = |part| Rules {
            part,
            on_bad: self.on_bad_annotation,
            keeps_bad_masks: part == Part::Val && !self.skip_in_truth,
            exif,
        };
        let mut read = |part, key: &str, file: &Path, folder: &Path| {
            let file = root.join(file);
            require(key, &file, Path::is_file, "a file")?;
            AnnotationFile::read(&file, folder, rules(part), &mut findings)
                .map_err(|error| ComponentError::new(key, format!("{error:#}")))
        };
        let train = read(
            Part::Train,
            "train-annotations",
            &self.train_annotations,
            &train_folder,
        );
        let val = read(
            Part::Val,
            "val-annotations",
            &self.val_annotations,
            &val_folder,
        );
        let unlabelled = self.unlabelled(
            &train_folder,
            rules(Part::Unlabelled),
            &reader,
            &mut findings,
        );
        // The errors of all parts are told together.
        let (train, val, extra_unlabelled) = match (train, val, unlabelled) {
            (Ok(train), Ok(val), Ok(unlabelled)) => (train, val, unlabelled),
            (train, val, unlabelled) => {
                let errors = [train.err(), val.err(), unlabelled.err()];
                let errors = errors.into_iter().flatten().collect();
                return Err(ComponentErrors::of(errors).expect("at least one"));
            }
        };
        if let Some(message) = train.renamed_category(&val) {
            return Err(ComponentError::new("val-annotations", message).into());
        }
        let classes = self.classes(&train, &val);
        if classes.is_empty() {
            let message = "no category has an object in the training images; allowed: at least one";
            return Err(ComponentError::new("train-annotations", message).into());
        }
        let names: Vec<String> = classes.iter().map(|class| class.name.clone()).collect();
        let train = Images::new(train, &classes, &reader, Part::Train, &mut findings);
        let val = Images::new(val, &classes, &reader, Part::Val, &mut findings);
        let mut tell = |part, reason, classes: BTreeSet<usize>| {
            for class in classes {
                findings.add(part, reason, || format!("`{}`", names[class]));
            }
        };
        let (trained, evaluated) = (train.classes_of_objects(), val.classes_of_objects());
        tell(
            Part::Train,
            Reason::CrowdsOnly,
            &train.all_classes() - &trained,
        );
        tell(Part::Val, Reason::NotTrained, &evaluated - &trained);
        Ok(Dataset {
            classes: names,
            train: Arc::new(train),
            extra_unlabelled,
            val: Arc::new(val),
            area_bounds: self.area_bounds,
            findings,
        })
    }

    fn val_key(&self) -> &'static str {
        "val-annotations"
    }

    fn files(&self) -> Vec<PathBuf> {
        let mut files = vec![&self.train_annotations, &self.val_annotations];
        if !self.unlabelled_images.as_os_str().is_empty() {
            files.push(&self.unlabelled_images);
        }
        let files = files.into_iter().map(|file| self.root.join(file));
        files.collect()
    }

    fn train_annotations(&self) -> Option<PathBuf> {
        Some(self.root.join(&self.train_annotations))
    }

    fn checks_pictures(&self) -> bool {
        self.check == CheckPictures::Once
    }

    /// Those of the file of the evaluated images, or else those that are known by the names of the classes.
    fn supercategories(&self, classes: &[String]) -> Option<Vec<String>> {
        let file = self.root.join(&self.val_annotations);
        let listed = read_annotations(&file).and_then(|mut read| read.take_categories(&file));
        let listed = listed.unwrap_or_default();
        let own = |class: &String| match listed.iter().find(|one| one.name.get() == Some(class)) {
            Some(found) => found.supercategory.get().cloned(),
            // Nothing that is evaluated is of a class of the training images alone.
            None => Some(class.clone()),
        };
        let own: Option<Vec<String>> = classes.iter().map(own).collect();
        own.filter(|_| !listed.is_empty())
            .or_else(|| supercategories::known(classes))
    }
}

impl CocoConfig {
    /// The classes, sorted by id.
    fn classes(&self, train: &AnnotationFile, val: &AnnotationFile) -> Vec<Category> {
        match self.classes {
            Classes::Present => train.present(),
            Classes::All => {
                let both = train.categories().iter().chain(val.categories());
                let by_id: BTreeMap<_, _> = both.map(|class| (&class.id, class)).collect();
                by_id.into_values().cloned().collect()
            }
        }
    }

    /// The further images without annotations, if there is a folder of them.
    fn unlabelled(
        &self,
        train_folder: &Path,
        rules: Rules,
        reader: &PictureReader,
        findings: &mut Findings,
    ) -> Result<Option<Arc<dyn Source>>, ComponentError> {
        if self.unlabelled_images.as_os_str().is_empty() {
            return Ok(None);
        }
        let (key, place) = ("unlabelled-images", self.root.join(&self.unlabelled_images));
        let images = match place.is_file() {
            true => ImageFolder::listed(&place, train_folder, rules, reader, findings),
            false => {
                require(
                    key,
                    &place,
                    Path::is_dir,
                    "a folder, or a file of COCO's images",
                )?;
                ImageFolder::read(&place, reader, findings)
            }
        };
        let images = images.map_err(|error| ComponentError::new(key, format!("{error:#}")))?;
        Ok(Some(Arc::new(images)))
    }
}

/// Refuses a path that is not of the kind that `key` needs.
fn require(
    key: &str,
    path: &Path,
    is: fn(&Path) -> bool,
    what: &str,
) -> Result<(), ComponentError> {
    if is(path) {
        return Ok(());
    }
    let found = if path.exists() {
        "something else"
    } else {
        "nothing"
    };
    Err(ComponentError::new(
        key,
        format!("{}: {found} there; needed: {what}", path.display()),
    ))
}

#[cfg(test)]
pub(crate) mod tests;
