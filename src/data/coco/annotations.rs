//! A file of COCO annotations, checked for training or for the evaluation.

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
        let lists_none = listed.is_empty();
        let mut images = image_records(listed, folder, rules, &mut problems, findings);
        let hint = format!(
            " (of images and categories; images are looked for in {})",
            folder.display()
        );
        problems.into_result(file, if lists_none { "" } else { &hint })?;

        let owners = Owners::new(&images, categories.iter().map(|category| &category.id));
        let with_objects = owners.of_objects(&annotations);
        let mut problems = Problems::default();
        let records = owners.place(annotations, rules, &mut problems, findings);
        problems.into_result(
            file,
            " (on-bad-annotation = \"skip\" goes on and tells their number)",
        )?;
        for place in with_objects {
            images[place].lists_object = true;
        }
        for (place, record) in records {
            images[place].annotations.push(record);
        }
        Ok(Self {
            file: file.to_path_buf(),
            images,
            categories,
        })
    }

    /// All categories, sorted by id.
    pub fn categories(&self) -> &[Category] {
        &self.categories
    }

    /// The categories with at least one object that is not a crowd, sorted by id.
    pub fn present(&self) -> Vec<Category> {
        let annotations = self.images.iter().flat_map(|image| &image.annotations);
        let singles = annotations.filter(|annotation| !annotation.crowd);
        let present: BTreeSet<usize> = singles.map(|annotation| annotation.category).collect();
        let category = |index: usize| self.categories[index].clone();
        present.into_iter().map(category).collect()
    }

    /// The reason why `other` cannot be evaluated with this file's classes: an id with two names.
    pub fn renamed_category(&self, other: &Self) -> Option<String> {
        let mut pairs = self.categories.iter().filter_map(|one| {
            let same = other.categories.iter().find(|same| same.id == one.id)?;
            (same.name != one.name).then_some((one, same))
        });
        let (one, same) = pairs.next()?;
        Some(format!(
            "category {} is `{}` in {} and `{}` in {}",
            one.id,
            one.name,
            self.file.display(),
            same.name,
            other.file.display()
        ))
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
            Field::Is(name) if !name.trim().is_empty() => name,
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
