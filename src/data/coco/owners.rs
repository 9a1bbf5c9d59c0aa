//! From the annotations of a file to the objects of its images.

use super::OnBadAnnotation;
use super::problems::Problems;
use super::records::{AnnotationRecord, ImageRecord};
use super::rules::Rules;
use crate::coco::{Annotation, Field, Id, Look, check};
use crate::data::findings::{Findings, Reason};
use anyhow::{Context, Result, anyhow};
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};

/// The images and categories of a file, found by id.
pub struct Owners<'a> {
    /// Image id to the place in the list, with the size.
    images: HashMap<Id, (usize, [u32; 2])>,
    /// Category id to the place in the list.
    categories: HashMap<&'a Id, usize>,
}

/// The image and the category of an annotation, and the use of its outline.
struct Seen {
    image: usize,
    category: usize,
    look: Result<Look>,
}

impl<'a> Owners<'a> {
    pub fn new(images: &[ImageRecord], categories: impl Iterator<Item = &'a Id>) -> Self {
        let image = |(place, image): (usize, &ImageRecord)| {
            let size = [image.height as u32, image.width as u32];
            (image.id.clone(), (place, size))
        };
        Self {
            images: images.iter().enumerate().map(image).collect(),
            categories: categories.zip(0..).collect(),
        }
    }

    /// The places of the images of all annotations that are not crowds, as often as they have one.
    pub fn of_objects(&self, annotations: &[Annotation]) -> Vec<usize> {
        let objects = annotations.iter();
        let objects = objects.filter(|annotation| annotation.iscrowd.get() != Some(&true));
        let places = objects.filter_map(|object| self.images.get(object.image_id.get()?));
        places.map(|(place, _)| *place).collect()
    }

    /// The annotations that are used, in the order of the file, each with the place of its image.
    pub fn place(
        &self,
        annotations: Vec<Annotation>,
        rules: Rules,
        problems: &mut Problems,
        findings: &mut Findings,
    ) -> Vec<(usize, AnnotationRecord)> {
        let seen: Vec<Result<Seen>> = annotations
            .par_iter()
            .enumerate()
            .map(|(index, annotation)| self.see(index, annotation))
            .collect();
        let mut ids = HashSet::new();
        let mut used = Vec::with_capacity(annotations.len());
        for (index, (annotation, seen)) in annotations.into_iter().zip(seen).enumerate() {
            let name = || match &annotation.id {
                Field::Is(id) => format!("annotation {id}"),
                _ => format!("annotations[{index}]"),
            };
            if let Field::Is(id) = &annotation.id
                && !ids.insert(id.clone())
            {
                match rules.on_bad {
                    OnBadAnnotation::Error => {
                        problems.add(|| format!("annotation id {id} occurs twice"));
                    }
                    OnBadAnnotation::Skip => findings.add(rules.part, Reason::RepeatedId, name),
                }
            }
            let left_out = match (&seen, rules.on_bad) {
                (Err(error), OnBadAnnotation::Error)
                | (
                    Ok(Seen {
                        look: Err(error), ..
                    }),
                    OnBadAnnotation::Error,
                ) => {
                    problems.add(|| format!("{}: {error}", name()));
                    continue;
                }
                (Err(_), OnBadAnnotation::Skip) => Some(Reason::Unlisted),
                (Ok(Seen { look: Err(_), .. }), _) if !rules.keeps_bad_masks => {
                    Some(Reason::LeftOut)
                }
                _ => None,
            };
            if let Some(reason) = left_out {
                findings.add(rules.part, reason, name);
                continue;
            }
            let Ok(Seen {
                image,
                category,
                look,
            }) = seen
            else {
                continue;
            };
            for reason in oddities(&annotation, &look) {
                findings.add(rules.part, reason, name);
            }
            let record = AnnotationRecord {
                category,
                crowd: annotation.iscrowd.get() == Some(&true),
                has_mask: look.is_ok(),
                area: annotation.area.get().copied(),
                outline: annotation.segmentation,
            };
            used.push((image, record));
        }
        used
    }

    fn see(&self, index: usize, annotation: &Annotation) -> Result<Seen> {
        let id = annotation.image_id.need("image_id")?;
        let (image, size) = *self
            .images
            .get(id)
            .with_context(|| format!("unknown image id {id} (annotations[{index}].image_id)"))?;
        let within = |error| anyhow!("image {id}: {error}");
        let category = annotation.category_id.need("category_id").map_err(within)?;
        let category = *self.categories.get(category).with_context(|| {
            format!("image {id}: unknown category id {category} (annotations[{index}].category_id)")
        })?;
        let look = check(&annotation.segmentation, size).map_err(within);
        Ok(Seen {
            image,
            category,
            look,
        })
    }
}

/// The oddities of an annotation that is used.
fn oddities(annotation: &Annotation, look: &Result<Look>) -> Vec<Reason> {
    let mut reasons = Vec::new();
    match look {
        Err(_) => reasons.push(Reason::EmptyMask),
        Ok(look) => {
            reasons.extend(look.is_clipped.then_some(Reason::Clipped));
            reasons.extend(look.has_bad_part.then_some(Reason::BadPart));
        }
    }
    match annotation.iscrowd.get() {
        Some(true) => reasons.push(Reason::Crowd),
        Some(false) => {}
        None => reasons.push(Reason::NoCrowdFlag),
    }
    reasons
}
