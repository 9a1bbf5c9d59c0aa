//! The files of the user's data, as the recipe will name them, and the dataset that they make.

use super::OwnData;
use super::held_out::held_out;
use crate::coco::Written;
use crate::data::findings::{Findings, Part, Reason};
use crate::data::{Dataset, load};
use anyhow::{Context, Result, anyhow, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// The folder of the annotations that are written.
pub const ANNOTATIONS: &str = "annotations";
/// The annotations of the training pictures, if the evaluated ones are drawn from the same file.
pub const TRAIN: &str = "annotations/train.json";
/// Those of the evaluated pictures.
pub const VAL: &str = "annotations/val.json";

/// The files of a dataset. Paths from outside are absolute; those of the new folder begin in it.
pub struct Files {
    /// The folder in which relative paths begin while the files are read.
    root: PathBuf,
    /// Where the annotations come from, in words.
    pub source: String,
    pub train_annotations: String,
    pub train_images: String,
    pub val_annotations: String,
    pub val_images: String,
    /// True if the evaluated pictures were drawn from the file of the training pictures.
    pub is_drawn: bool,
}

impl Files {
    /// The files of `data`. If it has no evaluated pictures, a part of its pictures is kept for that: the two parts of
    /// the annotations are written into `folder`. No picture is copied.
    ///
    /// # Errors
    /// A file is missing or wrong, or its pictures are too few for two parts.
    pub fn new(data: &OwnData, folder: &Path) -> Result<Self> {
        let (annotations, images) = (text(&data.annotations)?, text(&data.images)?);
        let (val_annotations, val_images) = match &data.val {
            Some((annotations, images)) => (text(annotations)?, text(images)?),
            None => (annotations.clone(), images.clone()),
        };
        let given = Self {
            root: folder.to_path_buf(),
            source: annotations.clone(),
            train_annotations: annotations,
            train_images: images,
            val_annotations,
            val_images,
            is_drawn: data.val.is_none(),
        };
        if !given.is_drawn {
            return Ok(given);
        }
        let whole = given.load("all")?;
        let chosen = held_out(&*whole.train)
            .with_context(|| format!("--coco {}", data.annotations.display()))?;
        let written = Written::read(&data.annotations)?;
        fs::create_dir_all(folder.join(ANNOTATIONS))?;
        for (name, part) in [(TRAIN, &chosen.train), (VAL, &chosen.val)] {
            fs::write(folder.join(name), written.part(part)?)
                .with_context(|| format!("{name}: cannot be written"))?;
        }
        Ok(Self {
            train_annotations: TRAIN.into(),
            val_annotations: VAL.into(),
            ..given
        })
    }

    /// The dataset with `classes` of a recipe's table `[data]`. It has an object to train with.
    ///
    /// # Errors
    /// A file is wrong, or no annotation can be trained with. The error names the option.
    pub fn load(&self, classes: &str) -> Result<Dataset> {
        let text = |text: &str| Value::from(text);
        let table = Table::from_iter([
            ("name".into(), text("coco")),
            ("root".into(), text(&self.root.to_string_lossy())),
            ("train-annotations".into(), text(&self.train_annotations)),
            ("train-images".into(), text(&self.train_images)),
            ("val-annotations".into(), text(&self.val_annotations)),
            ("val-images".into(), text(&self.val_images)),
            ("unlabelled-images".into(), text("")),
            ("classes".into(), text(classes)),
            ("on-bad-annotation".into(), text("skip")),
            ("skip-in-truth".into(), false.into()),
            ("exif".into(), true.into()),
            ("check".into(), text("once")),
            ("cache".into(), 0.into()),
            ("area-bounds".into(), vec![1.0, 2.0].into()),
        ]);
        let dataset = load(table).map_err(|errors| {
            // If the evaluated pictures are drawn from the others, each mistake is in both.
            let twice = |key: &str| self.is_drawn && key.starts_with("val-");
            let told = errors.iter().filter(|error| !twice(&error.key));
            let lines = told.map(|error| match option(&error.key) {
                Some(option) => format!("{option}: {}", error.message),
                None => format!("{}: {}", error.key, error.message),
            });
            anyhow!(lines.collect::<Vec<_>>().join("\n"))
        })?;
        let train = &dataset.train;
        ensure!(
            (0..train.len()).any(|image| !train.is_background(image)),
            "--coco {}: no object can be trained with{}; needed: objects with outlines (polygons or RLE), because the \
             training learns masks",
            self.source,
            reasons(&dataset.findings)
        );
        Ok(dataset)
    }
}

/// The reasons why annotations of the training pictures are no objects, for a message.
fn reasons(findings: &Findings) -> String {
    let told = [Reason::LeftOut, Reason::Crowd]
        .into_iter()
        .filter_map(|reason| {
            let count = findings.count(Part::Train, reason);
            (count > 0).then(|| reason.sentence(count))
        });
    let told: Vec<String> = told.collect();
    match told.is_empty() {
        true => String::new(),
        false => format!(": {}", told.join(", ")),
    }
}

/// The option of the command that gives the value of a key of `[data]`.
fn option(key: &str) -> Option<&'static str> {
    Some(match key {
        "train-annotations" => "--coco",
        "train-images" => "--images",
        "val-annotations" => "--val-coco",
        "val-images" => "--val-images",
        _ => return None,
    })
}

/// The absolute path as text.
fn text(path: &Path) -> Result<String> {
    let absolute = std::path::absolute(path)?.into_os_string().into_string();
    absolute.map_err(|path| anyhow!("{}: a recipe needs a path that is text", path.display()))
}
