//! The annotated images of a file, decoded on demand.

use super::annotations::{AnnotationFile, AnnotationRecord, Category, ImageRecord};
use super::geometry;
use crate::data::image_file::{Exif, decode};
use crate::data::{Sample, Source, Truth};
use crate::structures::{Instance, InstanceSource};
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::path::Path;

/// A [`Source`] with the content of a checked file.
pub struct Images {
    images: Vec<ImageRecord>,
    /// The class index of every category that is a class. Annotations of other categories are left out.
    classes: BTreeMap<u64, usize>,
    exif: Exif,
}

impl Images {
    pub fn new(table: AnnotationFile, classes: &[Category], exif: Exif) -> Self {
        let classes: BTreeMap<u64, usize> = classes
            .iter()
            .enumerate()
            .map(|(class, category)| (category.id, class))
            .collect();
        let mut images = table.images;
        for image in &mut images {
            image
                .annotations
                .retain(|annotation| classes.contains_key(&annotation.category));
        }
        Self {
            images,
            classes,
            exif,
        }
    }

    fn class(&self, annotation: &AnnotationRecord) -> usize {
        self.classes[&annotation.category]
    }

    fn instances(&self, image: &ImageRecord) -> Result<Vec<Instance>> {
        let instance = |annotation: &AnnotationRecord| {
            let mask = geometry::to_mask(&annotation.outline, image.height, image.width)
                .with_context(|| format!("an annotation of image {}", image.id))?;
            let source = if annotation.crowd {
                InstanceSource::Crowd
            } else {
                InstanceSource::Annotation
            };
            Ok(Instance {
                class: self.class(annotation),
                mask,
                source,
            })
        };
        image.annotations.iter().map(instance).collect()
    }
}

impl Source for Images {
    fn len(&self) -> usize {
        self.images.len()
    }

    fn classes_of(&self, index: usize) -> Vec<usize> {
        self.images[index]
            .annotations
            .iter()
            .map(|annotation| self.class(annotation))
            .collect()
    }

    fn objects_of(&self, index: usize) -> Vec<usize> {
        let annotations = self.images[index].annotations.iter();
        annotations
            .filter(|annotation| !annotation.crowd)
            .map(|annotation| self.class(annotation))
            .collect()
    }

    fn file(&self, index: usize) -> Option<&Path> {
        Some(&self.images[index].path)
    }

    fn load(&self, index: usize) -> Result<Sample> {
        let image = &self.images[index];
        let picture = decode(&image.path, self.exif)?;
        ensure!(
            (picture.height, picture.width) == (image.height, image.width),
            "{}: {} x {} pixels (width x height); its annotations say {} x {}",
            image.path.display(),
            picture.width,
            picture.height,
            image.width,
            image.height
        );
        Ok(Sample {
            image_id: image.id,
            picture,
            instances: self.instances(image)?,
        })
    }

    fn truth(&self, index: usize) -> Result<Truth> {
        let image = &self.images[index];
        let instances = self.instances(image)?;
        let areas = image.annotations.iter().zip(&instances);
        let areas = areas
            .map(|(annotation, instance)| annotation.area.unwrap_or(instance.mask.area() as f64))
            .collect();
        Ok(Truth {
            image_id: image.id,
            height: image.height,
            width: image.width,
            instances,
            areas,
        })
    }
}
