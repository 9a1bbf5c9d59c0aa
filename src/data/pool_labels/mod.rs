//! The pseudo-labels of all unlabelled images, made once before a student learns from them. Their file is in COCO's
//! format of annotations, so that other programs can read it.

mod file;

use super::{Dataset, Source};
use crate::structures::{Instance, InstanceSource, rle};
use hotcoco::Rle;
use std::collections::BTreeMap;

/// The unlabelled images with their pseudo-labels, by their numbers among the training images followed by the dataset's
/// further ones.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PoolLabels {
    images: BTreeMap<usize, PoolImage>,
}

/// An unlabelled image with its pseudo-labels.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolImage {
    /// Identifier in the dataset.
    pub id: u64,
    /// Rows and columns.
    pub size: (usize, usize),
    /// The pseudo-labels.
    pub objects: Vec<PoolObject>,
}

/// A pseudo-label at the resolution of its image.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolObject {
    /// Index into the dataset's class names.
    pub class: usize,
    /// Class quality and mask quality of the teacher's candidate, in [0, 1].
    pub qualities: [f32; 2],
    /// The rectangle that the teacher detected, or the one around the mask: x1, y1, x2, y2 in pixels.
    pub bounds: [f32; 4],
    /// The pixels.
    pub mask: Rle,
}

impl PoolLabels {
    /// Adds the image `index`.
    pub fn insert(&mut self, index: usize, image: PoolImage) {
        self.images.insert(index, image);
    }

    /// Returns true if image `index` has a pseudo-label.
    pub fn has(&self, index: usize) -> bool {
        !self.objects(index).is_empty()
    }

    /// The pseudo-labels of image `index`; none of an image that is not in the list.
    pub fn objects(&self, index: usize) -> &[PoolObject] {
        let image = self.images.get(&index);
        image.map_or(&[], |image| &image.objects)
    }

    /// The pseudo-labels of image `index` in the place of annotations. Their sources are their numbers.
    pub fn instances(&self, index: usize) -> Vec<Instance> {
        let objects = self.objects(index).iter().enumerate();
        let instance = |(number, object): (usize, &PoolObject)| Instance {
            class: object.class,
            mask: rle::decode(&object.mask),
            source: InstanceSource::Pseudo(number),
        };
        objects.map(instance).collect()
    }
}

/// Image `index` of the training images followed by the further ones, as a source and the index in it.
pub fn source_of(dataset: &Dataset, index: usize) -> Option<(&dyn Source, usize)> {
    let train = dataset.train.len();
    match index.checked_sub(train) {
        None => Some((&*dataset.train, index)),
        Some(further) => Some((dataset.extra_unlabelled.as_deref()?, further)),
    }
}

#[cfg(test)]
mod tests;
