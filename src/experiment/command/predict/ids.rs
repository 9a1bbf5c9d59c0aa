//! The numbers that COCO's formats know images and classes by.
//!
//! With an annotation file they are the file's: images by file name, classes by name. Without one an image whose name is a number
//! has this number (COCO's own names are), unless two share it or some name is none: then images count from 1; classes count from
//! 1 as well.

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Ids of images and classes, in their orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ids {
    /// Of every image.
    pub images: Vec<u64>,
    /// Of every class.
    pub categories: Vec<u64>,
}

/// What is read of an annotation file.
#[derive(Deserialize)]
struct Annotated {
    images: Vec<Image>,
    categories: Vec<Category>,
}

#[derive(Deserialize)]
struct Image {
    id: u64,
    file_name: String,
}

#[derive(Deserialize)]
struct Category {
    id: u64,
    name: String,
}

impl Ids {
    /// The ids of the images `paths` and of the classes `labels`.
    ///
    /// # Errors
    /// An annotation file that is missing or no COCO JSON; images or classes that it does not know.
    pub fn new(paths: &[PathBuf], labels: &[String], annotations: Option<&Path>) -> Result<Self> {
        match annotations {
            Some(file) => {
                let known = Annotated::read(file)?.ids(paths, labels);
                known.with_context(|| file.display().to_string())
            }
            None => Ok(Self {
                images: numbers(paths).unwrap_or_else(|| (1..=paths.len() as u64).collect()),
                categories: (1..=labels.len() as u64).collect(),
            }),
        }
    }
}

/// The names of the classes of an annotation file in ascending order of their ids, as a dataset has them.
///
/// # Errors
/// A file that is missing, no COCO JSON or without a class.
pub fn labels(annotations: &Path) -> Result<Vec<String>> {
    let mut categories = Annotated::read(annotations)?.categories;
    ensure!(
        !categories.is_empty(),
        "{}: holds no class",
        annotations.display()
    );
    categories.sort_by_key(|category| category.id);
    Ok(categories
        .into_iter()
        .map(|category| category.name)
        .collect())
}

impl Annotated {
    fn read(file: &Path) -> Result<Self> {
        let shown = file.display();
        let text = std::fs::read(file).with_context(|| format!("{shown}: cannot be read"))?;
        serde_json::from_slice(&text).with_context(|| format!("{shown}: no COCO annotations"))
    }

    fn ids(self, paths: &[PathBuf], labels: &[String]) -> Result<Ids> {
        let images = self
            .images
            .into_iter()
            .map(|image| (image.file_name, image.id));
        let images: BTreeMap<String, u64> = images.collect();
        let categories = self
            .categories
            .into_iter()
            .map(|category| (category.name, category.id));
        let categories: BTreeMap<String, u64> = categories.collect();
        let names: Vec<String> = paths.iter().map(|path| name(path)).collect();
        Ok(Ids {
            images: found("image", &names, &images)?,
            categories: found("category", labels, &categories)?,
        })
    }
}

/// The ids of `names`; all that are unknown are told at once.
fn found(kind: &str, names: &[String], known: &BTreeMap<String, u64>) -> Result<Vec<u64>> {
    let missing = names.iter().filter(|name| !known.contains_key(*name));
    let missing: Vec<String> = missing.map(|name| format!("`{name}`")).collect();
    if !missing.is_empty() {
        bail!("holds no {kind} {}", missing.join(", "));
    }
    Ok(names.iter().map(|name| known[name]).collect())
}

fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// The numbers that the files are named by, if each has one of its own.
fn numbers(paths: &[PathBuf]) -> Option<Vec<u64>> {
    let number = |path: &PathBuf| path.file_stem()?.to_str()?.parse().ok();
    let numbers: Vec<u64> = paths.iter().map(number).collect::<Option<_>>()?;
    let distinct: BTreeSet<u64> = numbers.iter().copied().collect();
    (distinct.len() == numbers.len()).then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(paths: &[&str], annotations: Option<&Path>) -> Result<Ids> {
        let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
        Ids::new(&paths, &["dog".into(), "cat".into()], annotations)
    }

    #[test]
    fn names_that_are_numbers_are_ids() {
        let found = ids(&["a/000000000139.jpg", "b/7.png"], None).unwrap();
        assert_eq!((found.images, found.categories), (vec![139, 7], vec![1, 2]));
        assert_eq!(ids(&["7.png", "x.png"], None).unwrap().images, [1, 2]);
        assert_eq!(ids(&["a/7.png", "b/7.png"], None).unwrap().images, [1, 2]);
    }

    #[test]
    fn an_annotation_file_gives_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("instances.json");
        let text = r#"{
            "images": [{ "id": 9, "file_name": "x.png", "width": 3 }],
            "categories": [{ "id": 17, "name": "cat" }, { "id": 18, "name": "dog" }]
        }"#;
        std::fs::write(&file, text).unwrap();
        let found = ids(&["a/x.png"], Some(&file)).unwrap();
        assert_eq!((found.images, found.categories), (vec![9], vec![18, 17]));
        let error = format!("{:#}", ids(&["y.png", "x.png"], Some(&file)).unwrap_err());
        assert!(
            error.ends_with("instances.json: holds no image `y.png`"),
            "{error}"
        );
        std::fs::write(&file, "[]").unwrap();
        let error = format!("{:#}", ids(&["x.png"], Some(&file)).unwrap_err());
        assert!(
            error.contains("instances.json: no COCO annotations"),
            "{error}"
        );
    }
}
