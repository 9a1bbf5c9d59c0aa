//! Images without annotations: those of a folder, or those that a file lists.

use super::problems::Problems;
use super::records::image_records;
use super::rules::Rules;
use crate::coco::read_images;
use crate::data::findings::{Findings, Part, Reason};
use crate::data::image_file::header;
use crate::data::image_list::{ImageList, images_in};
use crate::data::picture_cache::PictureReader;
use crate::data::{Sample, Source};
use anyhow::Result;
use rayon::prelude::*;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// The images, of a folder sorted by name. The id of an image is its position, counted from 1.
pub struct ImageFolder {
    images: Vec<PathBuf>,
    reader: PictureReader,
}

impl ImageFolder {
    /// Lists the images directly inside `folder`, which `reader` reads. Oddities go into `findings`.
    ///
    /// # Errors
    /// The folder cannot be read or has no image, or a file in it is not an image.
    pub fn read(folder: &Path, reader: &PictureReader, findings: &mut Findings) -> Result<Self> {
        let name = |path: &Path| path.file_name().unwrap_or_default().display().to_string();
        let ImageList { images, hidden } = images_in(folder)?;
        for path in &hidden {
            findings.add(Part::Unlabelled, Reason::Hidden, || name(path));
        }
        let headers = images.par_iter().map(|path| header(path, reader.exif()));
        let headers = headers.collect::<Result<Vec<_>>>()?;
        for (path, header) in images.iter().zip(headers) {
            if header.turned {
                findings.add(Part::Unlabelled, Reason::Turned, || name(path));
            }
        }
        Ok(Self {
            images,
            reader: reader.clone(),
        })
    }

    /// The images that the COCO file `file` lists, in its order. Their files are in `train_folder`; or in a folder
    /// beside it whose name is part of the file's name, as `unlabeled2017` of `image_info_unlabeled2017.json`.
    /// Nothing else of the file is read: published lists of unlabelled images may have annotations, which no
    /// training may see.
    ///
    /// # Errors
    /// The file cannot be read or lists no image, or an image is missing or of another size.
    pub fn listed(
        file: &Path,
        train_folder: &Path,
        rules: Rules,
        reader: &PictureReader,
        findings: &mut Findings,
    ) -> Result<Self> {
        let mut problems = Problems::default();
        let images = read_images(file)?;
        let first = images.first().and_then(|image| image.file_name.get());
        let has_first = |folder: &PathBuf| first.is_some_and(|name| folder.join(name).is_file());
        let mut folders = vec![train_folder.to_owned()];
        folders.extend(folders_beside(train_folder, file));
        let found = folders.iter().find(|folder| has_first(folder));
        let folder = found.unwrap_or(&folders[0]);
        let records = image_records(images, folder, rules, &mut problems, findings);
        let hint = format!(
            " (images are looked for in {}; name their folder in place of this file if they are elsewhere)",
            folder.display()
        );
        problems.into_result(file, &hint)?;
        Ok(Self {
            images: records.into_iter().map(|record| record.path).collect(),
            reader: reader.clone(),
        })
    }
}

/// The folders beside `train_folder` whose names are part of the name of `file`, sorted by name.
fn folders_beside(train_folder: &Path, file: &Path) -> Vec<PathBuf> {
    let text = |name: Option<&OsStr>| name.unwrap_or_default().to_string_lossy().into_owned();
    let stem = text(file.file_stem());
    let beside = train_folder
        .parent()
        .and_then(|place| fs::read_dir(place).ok());
    let entries = beside.into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir() && stem.contains(&text(path.file_name())))
        .collect();
    folders.sort();
    folders
}

impl Source for ImageFolder {
    fn len(&self) -> usize {
        self.images.len()
    }

    fn classes_of(&self, _: usize) -> Vec<usize> {
        Vec::new()
    }

    fn id(&self, index: usize) -> u64 {
        index as u64 + 1
    }

    fn file(&self, index: usize) -> Option<&Path> {
        Some(&self.images[index])
    }

    fn load(&self, index: usize) -> Result<Sample> {
        let picture = self.reader.read(&self.images[index])?;
        Ok(Sample {
            image_id: self.id(index),
            picture,
            instances: Vec::new(),
        })
    }
}
