//! The ids of images and classes in COCO's formats.
//!
//! With an annotation file, they are those of the file: images by file name, classes by name. Without one, an
//! image whose name is a number has this number as its id, as COCO's own images do. If two images share a
//! number, or if a name is not a number, the images count from 1. The classes count from 1 too.

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The ids of images and classes, in their orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ids {
    /// The ids of the images.
    pub images: Vec<u64>,
    /// The ids of the classes.
    pub categories: Vec<u64>,
}

/// The part of an annotation file that is read.
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
    /// The annotation file is missing or not COCO JSON, or it lacks images or classes.
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

/// The names of the classes of an annotation file, sorted by id as in a dataset.
///
/// # Errors
/// The file is missing, not COCO JSON, or has no class.
pub fn labels(annotations: &Path) -> Result<Vec<String>> {
    let mut categories = Annotated::read(annotations)?.categories;
    ensure!(
        !categories.is_empty(),
        "{}: contains no class",
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
        serde_json::from_slice(&text).with_context(|| format!("{shown}: not COCO annotations"))
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

/// The ids of `names`. One error lists all unknown names.
fn found(kind: &str, names: &[String], known: &BTreeMap<String, u64>) -> Result<Vec<u64>> {
    let missing = names.iter().filter(|name| !known.contains_key(*name));
    let missing: Vec<String> = missing.map(|name| format!("`{name}`")).collect();
    if !missing.is_empty() {
        bail!("contains no {kind} {}", missing.join(", "));
    }
    Ok(names.iter().map(|name| known[name]).collect())
}

fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// The numbers in the names of the files, if each has its own.
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
            error.ends_with("instances.json: contains no image `y.png`"),
            "{error}"
        );
        std::fs::write(&file, "[]").unwrap();
        let error = format!("{:#}", ids(&["x.png"], Some(&file)).unwrap_err());
        assert!(
            error.contains("instances.json: not COCO annotations"),
            "{error}"
        );
    }
}
