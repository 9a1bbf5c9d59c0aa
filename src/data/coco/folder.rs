//! A folder of images without annotations.

use crate::data::image_file::{decode, images_in, size};
use crate::data::{Sample, Source};
use anyhow::Result;
use rayon::prelude::*;
use std::path::{Path, PathBuf};

/// The images of a folder in the order of their names; an image's id is its place in it, from 1.
pub struct ImageFolder(Vec<PathBuf>);

impl ImageFolder {
    /// Lists the images directly inside `folder`.
    ///
    /// # Errors
    /// A folder that cannot be read or has no image; a file in it that is none.
    pub fn read(folder: &Path) -> Result<Self> {
        let images = images_in(folder)?;
        images
            .par_iter()
            .try_for_each(|path| size(path).map(drop))?;
        Ok(Self(images))
    }
}

impl Source for ImageFolder {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn classes_of(&self, _: usize) -> Vec<usize> {
        Vec::new()
    }

    fn load(&self, index: usize) -> Result<Sample> {
        let picture = decode(&self.0[index])?;
        Ok(Sample {
            image_id: index as u64 + 1,
            picture,
            instances: Vec::new(),
        })
    }
}
