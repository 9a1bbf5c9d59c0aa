//! The pictures of a split, and the check of their annotations.

use super::images::Record;
use crate::cityscapes::{Frame, INSTANCES, IdImage, PICTURES, class_of_id, frames_in};
use crate::data::image_file::{Exif, header};
use anyhow::{Result, bail, ensure};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The number of names that a message writes out.
const SPELLED_OUT: usize = 3;

/// The pictures of a split and their images of ids, by frame.
pub struct Pictures {
    pictures: BTreeMap<Frame, PathBuf>,
    /// Each is of one of the pictures.
    ids: BTreeMap<Frame, PathBuf>,
}

/// Lists the files of `split` below `root`. There may be no annotations at all.
///
/// # Errors
/// There is no picture, or an image of ids without its picture.
pub fn pictures(root: &Path, split: &Path) -> Result<Pictures> {
    let folder = root.join(PICTURES.0).join(split);
    let pictures = frames_in(&folder, PICTURES.1)?;
    ensure!(
        !pictures.is_empty(),
        "{}: no picture; needed: CITY/CITY_SEQUENCE_FRAME{}",
        folder.display(),
        PICTURES.1
    );
    let annotations = root.join(INSTANCES.0).join(split);
    let ids = match annotations.is_dir() {
        true => frames_in(&annotations, INSTANCES.1)?,
        false => BTreeMap::new(),
    };
    let alone = ids.keys().filter(|frame| !pictures.contains_key(frame));
    let alone: Vec<String> = alone.map(Frame::to_string).collect();
    if !alone.is_empty() {
        bail!(
            "{}; their pictures are looked for in {}",
            some(
                [
                    "annotation without a picture",
                    "annotations without a picture"
                ],
                &alone
            ),
            folder.display()
        );
    }
    Ok(Pictures { pictures, ids })
}

/// The number of `names`, and the first of them, in the words for `one` and for `several`.
pub fn some([one, several]: [&str; 2], names: &[String]) -> String {
    let what = if names.len() == 1 { one } else { several };
    let more = if names.len() > SPELLED_OUT {
        ", ..."
    } else {
        ""
    };
    let first = &names[..names.len().min(SPELLED_OUT)];
    format!("{} {what}: {}{more}", names.len(), first.join(", "))
}

impl Pictures {
    /// The frames of all pictures.
    pub fn frames(&self) -> impl Iterator<Item = &Frame> {
        self.pictures.keys()
    }

    /// The pictures without annotations.
    pub fn unannotated(&self) -> impl Iterator<Item = (&Frame, &PathBuf)> {
        let all = self.pictures.iter();
        all.filter(|(frame, _)| !self.ids.contains_key(frame))
    }

    /// The files of all pictures.
    pub fn into_paths(self) -> Vec<PathBuf> {
        self.pictures.into_values().collect()
    }
}

/// Reads the annotations of all pictures that have some.
///
/// # Errors
/// A file cannot be read, or is of another size than its picture. Of several errors the first is told.
pub fn annotated(part: &Pictures) -> Result<Vec<Record>> {
    let files: Vec<(&Frame, &PathBuf)> = part.ids.iter().collect();
    let records = files
        .par_iter()
        .map(|(frame, ids)| record(frame, &part.pictures[frame], ids))
        .collect::<Vec<_>>();
    records.into_iter().collect()
}

fn record(frame: &Frame, picture: &Path, ids: &Path) -> Result<Record> {
    let size = header(picture, Exif::Ignored)?;
    let image = IdImage::read(ids)?;
    ensure!(
        (image.height, image.width) == (size.height, size.width),
        "{}: {} x {} pixels (width x height); its picture has {} x {}",
        ids.display(),
        image.width,
        image.height,
        size.width,
        size.height
    );
    let counts = image.counts().into_iter();
    let objects = counts.filter(|(id, _)| class_of_id(*id).is_some());
    Ok(Record {
        frame: frame.clone(),
        picture: picture.to_path_buf(),
        ids: ids.to_path_buf(),
        objects: objects.map(|(id, _)| id).collect(),
        size: (image.height, image.width),
    })
}
