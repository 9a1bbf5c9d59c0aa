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

    /// The images that the COCO file `file` lists, in its order; their files are in `folder`. Nothing else of the file
    /// is read: published lists of unlabelled images may have annotations, which no training may see.
    ///
    /// # Errors
    /// The file cannot be read or lists no image, or an image is missing or of another size.
    pub fn listed(
        file: &Path,
        folder: &Path,
        rules: Rules,
        reader: &PictureReader,
        findings: &mut Findings,
    ) -> Result<Self> {
        let mut problems = Problems::default();
        let records = image_records(read_images(file)?, folder, rules, &mut problems, findings);
        let hint = format!(" (images are looked for in {})", folder.display());
        problems.into_result(file, &hint)?;
        Ok(Self {
            images: records.into_iter().map(|record| record.path).collect(),
            reader: reader.clone(),
        })
    }
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
