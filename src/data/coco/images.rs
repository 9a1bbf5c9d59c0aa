//! The annotated images of a file, decoded on demand.

use super::annotations::{AnnotationFile, Category};
use super::records::{AnnotationRecord, ImageRecord};
use crate::coco::{Outline, draw};
use crate::data::findings::{Findings, Part, Reason};
use crate::data::picture_cache::PictureReader;
use crate::data::{Sample, Source, Truth};
use crate::structures::{Instance, InstanceSource, Mask, rle};
use anyhow::{Result, ensure};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A [`Source`] with the content of a checked file.
pub struct Images {
    images: Vec<ImageRecord>,
    /// The class index of every category that is a class. Annotations of other categories are left out.
    classes: BTreeMap<usize, usize>,
    reader: PictureReader,
}

impl Images {
    /// The images of the part `part`, with the annotations of the categories that are `classes`, which are sorted
    /// by id.
    pub fn new(
        file: AnnotationFile,
        classes: &[Category],
        reader: &PictureReader,
        part: Part,
        findings: &mut Findings,
    ) -> Self {
        let class = |(index, category): (usize, &Category)| {
            let class = classes.binary_search_by(|class| class.id.cmp(&category.id));
            Some((index, class.ok()?))
        };
        let names = file.categories();
        let classes: BTreeMap<usize, usize> = names.iter().enumerate().filter_map(class).collect();
        for annotation in file.images.iter().flat_map(|image| &image.annotations) {
            if !classes.contains_key(&annotation.category) {
                findings.add(part, Reason::OtherCategory, || {
                    format!("`{}`", names[annotation.category].name)
                });
            }
        }
        let mut images = file.images;
        for image in &mut images {
            image
                .annotations
                .retain(|annotation| classes.contains_key(&annotation.category));
        }
        Self {
            images,
            classes,
            reader: reader.clone(),
        }
    }

    /// The classes with an annotation.
    pub fn all_classes(&self) -> BTreeSet<usize> {
        (0..self.len())
            .flat_map(|index| self.classes_of(index))
            .collect()
    }

    /// The classes with a single object.
    pub fn classes_of_objects(&self) -> BTreeSet<usize> {
        (0..self.len())
            .flat_map(|index| self.objects_of(index))
            .collect()
    }

    fn class(&self, annotation: &AnnotationRecord) -> usize {
        self.classes[&annotation.category]
    }

    fn instances(&self, image: &ImageRecord) -> Vec<Instance> {
        let instance = |annotation: &AnnotationRecord| Instance {
            class: self.class(annotation),
            mask: mask(&annotation.outline, image.height, image.width),
            source: match annotation.crowd {
                true => InstanceSource::Crowd,
                false => InstanceSource::Annotation,
            },
        };
        image.annotations.iter().map(instance).collect()
    }
}

/// The mask of an outline. An outline that cannot be drawn, or that has another size than its image, matches nothing:
/// its mask is empty. Only the truth of an evaluation holds such an outline.
fn mask(outline: &Outline, height: usize, width: usize) -> Mask {
    let size = [height as u32, width as u32];
    match draw(outline, Some(size)) {
        Ok(runs) if [runs.h, runs.w] == size => rle::decode(&runs),
        _ => Mask::new(height, width, vec![0; height * width]),
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

    fn has_mask(&self, index: usize) -> bool {
        let mut annotations = self.images[index].annotations.iter();
        annotations.any(|annotation| !annotation.crowd && annotation.has_mask)
    }

    fn is_listed_empty(&self, index: usize) -> bool {
        !self.images[index].lists_object
    }

    fn id(&self, index: usize) -> u64 {
        self.images[index].number
    }

    fn file(&self, index: usize) -> Option<&Path> {
        Some(&self.images[index].path)
    }

    fn size_of(&self, index: usize) -> Option<(usize, usize)> {
        let image = &self.images[index];
        Some((image.height, image.width))
    }

    fn load(&self, index: usize) -> Result<Sample> {
        let image = &self.images[index];
        let picture = self.reader.read(&image.path)?;
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
            image_id: image.number,
            picture,
            instances: self.instances(image),
        })
    }

    fn truth(&self, index: usize) -> Result<Truth> {
        let image = &self.images[index];
        let instances = self.instances(image);
        let areas = image.annotations.iter().zip(&instances);
        let areas = areas
            .map(|(annotation, instance)| annotation.area.unwrap_or(instance.mask.area() as f64))
            .collect();
        Ok(Truth {
            image_id: image.number,
            height: image.height,
            width: image.width,
            instances,
            areas,
            void: None,
        })
    }
}
