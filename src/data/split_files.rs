//! The two files of COCO annotations of a split, as other frameworks read them: the labelled images with their
//! annotations, and the unlabelled ones without any.
//!
//! If the dataset has a file of annotations, both are parts of it, with every field as it is written. Otherwise the
//! images and their masks are written as `data export` writes them.

use super::export::{category_ids, document, drawn_name, image_entry, object_entries};
use super::split::{Split, Unlabelled, percent_text};
use super::{Dataset, DatasetConfig};
use crate::coco::Written;
use anyhow::{Result, ensure};
use rayon::prelude::*;
use std::path::Path;

/// The annotations of the training images.
pub struct TrainAnnotations<'a> {
    dataset: &'a Dataset,
    /// The file; none if the dataset has no file of annotations.
    written: Option<Written>,
}

/// The names of the two files of `split`, whose seed is `seed`, in the dataset of `config`: for example
/// `instances_train2017.1@0.5.json` and `instances_train2017.1@0.5-unlabeled.json`; with other `unlabelled` images
/// than the rest, `instances_train2017.1@0.5-all-unlabeled.json`.
pub fn file_names(
    config: &dyn DatasetConfig,
    split: &Split,
    seed: u64,
    unlabelled: Unlabelled,
) -> [String; 2] {
    let stem = config.train_stem();
    let percent = percent_text(split.percent);
    let second = match unlabelled {
        Unlabelled::Rest => "-unlabeled",
        Unlabelled::All => "-all-unlabeled",
        Unlabelled::Extra => "-extra-unlabeled",
    };
    ["", second].map(|end| format!("{stem}.{seed}@{percent}{end}.json"))
}

impl<'a> TrainAnnotations<'a> {
    /// Those of `dataset`, which was made of `config`.
    ///
    /// # Errors
    /// The file of annotations cannot be read.
    pub fn read(dataset: &'a Dataset, config: &dyn DatasetConfig) -> Result<Self> {
        let file = config.train_annotations();
        let written = file.as_deref().map(Written::read).transpose()?;
        if let (Some(written), Some(file)) = (&written, &file) {
            ensure!(
                written.len() == dataset.train.len(),
                "{}: {} images; the dataset was read with {}",
                file.display(),
                written.len(),
                dataset.train.len()
            );
        }
        Ok(Self { dataset, written })
    }

    /// The text of both files. Further images of the dataset are in none of them.
    ///
    /// # Errors
    /// An image cannot be read.
    pub fn texts(&self, split: &Split) -> Result<[Vec<u8>; 2]> {
        let train = self.dataset.train.len();
        let unlabelled = split
            .unlabelled
            .iter()
            .copied()
            .filter(|image| *image < train);
        let unlabelled: Vec<usize> = unlabelled.collect();
        Ok(match &self.written {
            Some(written) => [
                written.part(&split.chosen)?,
                written.unlabelled_part(&unlabelled)?,
            ],
            None => [
                self.made(&split.chosen, true)?,
                self.made(&unlabelled, false)?,
            ],
        })
    }

    /// The text of a file of `images`, with their objects if these are wanted.
    fn made(&self, images: &[usize], objects: bool) -> Result<Vec<u8>> {
        let train = &*self.dataset.train;
        let ids = category_ids(&self.dataset.classes);
        let entry = |index: &usize| {
            let truth = train.truth(*index)?;
            let name = train
                .file(*index)
                .map_or(drawn_name("train", truth.image_id), with_folder);
            let image = image_entry(truth.image_id, &name, truth.height, truth.width);
            let objects = if objects {
                object_entries(&truth, &ids)
            } else {
                Vec::new()
            };
            Ok((image, objects))
        };
        let entries = images.par_iter().map(entry).collect::<Result<Vec<_>>>()?;
        let mut text = serde_json::to_vec(&document(self.dataset, entries))?;
        text.push(b'\n');
        Ok(text)
    }
}

/// The name of a file with that of its folder.
fn with_folder(path: &Path) -> String {
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    parts[parts.len().saturating_sub(2)..].join("/")
}
