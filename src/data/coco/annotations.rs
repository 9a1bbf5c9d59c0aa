//! A file of COCO annotations, checked for training or for the evaluation.

use super::Classes;
use super::owners::Owners;
use super::problems::Problems;
use super::records::{ImageRecord, image_records};
use super::rules::Rules;
use crate::coco::{self, Field, Id, read_annotations};
use crate::data::findings::{Findings, Part, Reason};
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The checked content of a file.
pub struct AnnotationFile {
    file: PathBuf,
    pub images: Vec<ImageRecord>,
    /// Sorted by id.
    categories: Vec<Category>,
}

/// A category of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Category {
    pub id: Id,
    pub name: String,
}

impl AnnotationFile {
    /// Reads `file`; its images are in `folder`. Oddities go into `findings`.
    ///
    /// # Errors
    /// The file is not JSON or not COCO, ids occur twice, or images do not exist. Annotations without a valid
    /// outline are errors too, unless `rules` allow them.
    pub fn read(file: &Path, folder: &Path, rules: Rules, findings: &mut Findings) -> Result<Self> {
        let mut content = read_annotations(file)?;
        let annotations = content.take_annotations(file)?;
        let mut problems = Problems::default();
        let categories = categories(
            content.take_categories(file)?,
            rules.part,
            &mut problems,
            findings,
        );
        let listed = content.take_images(file)?;
        let mut images = image_records(listed, folder, rules, &mut problems, findings);
        let hint = format!(
            " (of images and categories; images are looked for in {})",
            folder.display()
        );
        problems.into_result(file, if images.is_empty() { "" } else { &hint })?;

        let owners = Owners::new(&images, categories.iter().map(|category| &category.id));
        let mut problems = Problems::default();
        let records = owners.place(annotations, rules, &mut problems, findings);
        problems.into_result(
            file,
            " (on-bad-annotation = \"skip\" goes on and tells their number)",
        )?;
        for (place, record) in records {
            images[place].annotations.push(record);
        }
        Ok(Self {
            file: file.to_path_buf(),
            images,
            categories,
        })
    }

    /// The categories that are classes, sorted by id, as indices into all categories.
    pub fn classes(&self, which: Classes) -> Vec<usize> {
        let annotations = self.images.iter().flat_map(|image| &image.annotations);
        let present: BTreeSet<usize> = annotations
            .filter(|annotation| !annotation.crowd)
            .map(|annotation| annotation.category)
            .collect();
        let kept = |category: &usize| which == Classes::All || present.contains(category);
        (0..self.categories.len()).filter(kept).collect()
    }

    /// The name of a category.
    pub fn name(&self, category: usize) -> &str {
        &self.categories[category].name
    }

    /// The reason why `other` cannot be evaluated with this file's classes; none if both have the same
    /// categories.
    pub fn differing_category(&self, other: &Self) -> Option<String> {
        let only = |a: &Self, b: &Self| {
            let category = a
                .categories
                .iter()
                .find(|category| !b.categories.contains(category))?;
            Some(format!(
                "category {} `{}` of {} is not in {}",
                category.id,
                category.name,
                a.file.display(),
                b.file.display()
            ))
        };
        only(self, other).or_else(|| only(other, self))
    }
}

fn categories(
    found: Vec<coco::Category>,
    part: Part,
    problems: &mut Problems,
    findings: &mut Findings,
) -> Vec<Category> {
    let mut categories: BTreeMap<Id, Category> = BTreeMap::new();
    for (index, category) in found.into_iter().enumerate() {
        let id = match category.id.need("id") {
            Ok(id) => id.clone(),
            Err(error) => {
                problems.add(|| format!("categories[{index}]: {error}"));
                continue;
            }
        };
        let name = match category.name {
            Field::Is(name) if !name.is_empty() => name,
            _ => {
                findings.add(part, Reason::NoName, || format!("category {id}"));
                id.to_string()
            }
        };
        if let Some(same) = categories.values().find(|category| category.name == name) {
            findings.add(part, Reason::RepeatedName, || {
                format!("`{name}` (ids {} and {id})", same.id)
            });
        }
        let category = Category {
            id: id.clone(),
            name,
        };
        if categories.insert(id.clone(), category).is_some() {
            problems.add(|| format!("category id {id} occurs twice"));
        }
    }
    if categories.is_empty() {
        problems.add(|| "`categories` is empty; needed: at least one".to_string());
    }
    categories.into_values().collect()
}
