//! The ids of images and classes in COCO's formats.
//!
//! With an annotation file, they are those of the file: images by file name, classes by name. Without one, an
//! image whose name is a number has this number as its id, as COCO's own images do. If two images share a
//! number, or if a name is not a number, the images count from 1. The classes count from 1 too. Pictures of
//! Cityscapes have their names as ids, and its classes its labels: `harness eval --cityscapes` reads them.

use crate::cityscapes::{Frame, PICTURES, ids_of_classes};
use crate::coco::{Annotations, Id, read_annotations};
use anyhow::{Context, Result, anyhow, bail, ensure};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The ids of images and classes, in their orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ids {
    /// The ids of the images.
    pub images: Vec<Id>,
    /// The ids of the classes.
    pub categories: Vec<Id>,
}

impl Ids {
    /// The ids of the images `paths` and of the classes `labels`.
    ///
    /// # Errors
    /// The annotation file is missing or not COCO JSON, or it lacks images or classes.
    pub fn new(paths: &[PathBuf], labels: &[String], annotations: Option<&Path>) -> Result<Self> {
        let Some(file) = annotations else {
            return Ok(Self {
                images: frames(paths).unwrap_or_else(|| counted(paths)),
                categories: match ids_of_classes(labels) {
                    Some(ids) => ids.map(u64::from).map(Id::from).to_vec(),
                    None => (1..=labels.len() as u64).map(Id::from).collect(),
                },
            });
        };
        let mut content = read_annotations(file)?;
        let categories = categories(&mut content, file)?;
        let images = content.take_images(file)?;
        let images = images.into_iter().filter_map(|image| {
            Some((
                image.file_name.get()?.replace('\\', "/"),
                image.id.get()?.clone(),
            ))
        });
        let images = Images::new(images);
        let place = || file.display().to_string();
        Ok(Self {
            images: found("image", paths, |path| name(path), |path| images.id(path))
                .with_context(place)?,
            categories: of_labels(labels, &categories).with_context(place)?,
        })
    }
}

/// The names of the classes of an annotation file, sorted by id as in a dataset.
///
/// # Errors
/// The file is missing, not COCO JSON, or has no class.
pub fn labels(annotations: &Path) -> Result<Vec<String>> {
    let categories = categories(&mut read_annotations(annotations)?, annotations)?;
    ensure!(
        !categories.is_empty(),
        "{}: contains no class",
        annotations.display()
    );
    Ok(categories.into_values().collect())
}

/// The names of the categories by id. As in a dataset, the id stands for a name that is absent.
fn categories(content: &mut Annotations, file: &Path) -> Result<BTreeMap<Id, String>> {
    let categories = content.take_categories(file)?.into_iter().enumerate();
    let named = categories.map(|(index, category)| {
        let id = category.id.need("id");
        let id = id.map_err(|error| anyhow!("{}: categories[{index}]: {error}", file.display()))?;
        let name = category.name.get().filter(|name| !name.trim().is_empty());
        let name = name.cloned().unwrap_or_else(|| id.to_string());
        Ok((id.clone(), name))
    });
    named.collect()
}

/// The ids of the classes `labels`: in the order of the ids if the file has the same classes, or else by name.
fn of_labels(labels: &[String], categories: &BTreeMap<Id, String>) -> Result<Vec<Id>> {
    if categories.values().eq(labels) {
        return Ok(categories.keys().cloned().collect());
    }
    found("class", labels, String::clone, |label| {
        let mut same = categories.iter().filter(|(_, name)| *name == label);
        match (same.next(), same.next()) {
            (Some((id, _)), None) => Some(Ok(id.clone())),
            (Some((id, _)), Some((other, _))) => Some(Err(anyhow!(
                "the classes {id} and {other} have the same name `{label}`"
            ))),
            (None, _) => None,
        }
    })
}

/// The listed images, by the last part of their file names.
struct Images(BTreeMap<String, Vec<(PathBuf, Id)>>);

impl Images {
    fn new(listed: impl Iterator<Item = (String, Id)>) -> Self {
        let mut by_name: BTreeMap<String, Vec<(PathBuf, Id)>> = BTreeMap::new();
        for (path, id) in listed {
            let path = PathBuf::from(path);
            by_name.entry(name(&path)).or_default().push((path, id));
        }
        Self(by_name)
    }

    /// The id of the file `path`. The folders in the annotations decide between files of the same name. Of the same
    /// path the last one counts.
    fn id(&self, path: &Path) -> Option<Result<Id>> {
        let same = self.0.get(&name(path))?;
        let fits = same.iter().filter(|(listed, _)| path.ends_with(listed));
        let longest = fits.max_by_key(|(listed, _)| listed.components().count());
        let distinct: BTreeSet<&PathBuf> = same.iter().map(|(listed, _)| listed).collect();
        let only = same.last().filter(|_| distinct.len() == 1);
        Some(longest.or(only).map(|(_, id)| id.clone()).ok_or_else(|| {
            anyhow!(
                "several images `{}`, in other folders than {}",
                name(path),
                path.display()
            )
        }))
    }
}

/// The ids of `wanted`. One error lists all that are unknown.
fn found<T>(
    kind: &str,
    wanted: &[T],
    shown: impl Fn(&T) -> String,
    id: impl Fn(&T) -> Option<Result<Id>>,
) -> Result<Vec<Id>> {
    let (mut ids, mut missing) = (Vec::new(), Vec::new());
    for one in wanted {
        match id(one) {
            Some(id) => ids.push(id?),
            None => missing.push(format!("`{}`", shown(one))),
        }
    }
    if !missing.is_empty() {
        bail!("contains no {kind} {}", missing.join(", "));
    }
    Ok(ids)
}

fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// The names of pictures of Cityscapes, if all files are such and each has its own.
fn frames(paths: &[PathBuf]) -> Option<Vec<Id>> {
    let frame = |path: &PathBuf| Frame::of_file(path).filter(|_| name(path).ends_with(PICTURES.1));
    let frames: Vec<Frame> = paths.iter().map(frame).collect::<Option<_>>()?;
    let distinct: BTreeSet<&Frame> = frames.iter().collect();
    let text = |frame: &Frame| Id::Text(frame.to_string().into());
    (distinct.len() == frames.len()).then(|| frames.iter().map(text).collect())
}

/// The numbers in the names of the files, or else the places of the files.
fn counted(paths: &[PathBuf]) -> Vec<Id> {
    let numbers = numbers(paths).unwrap_or_else(|| (1..=paths.len() as u64).collect());
    numbers.into_iter().map(Id::from).collect()
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

    fn of(numbers: &[u64]) -> Vec<Id> {
        numbers.iter().copied().map(Id::from).collect()
    }

    fn ids(paths: &[&str], annotations: Option<&Path>) -> Result<Ids> {
        let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
        Ids::new(&paths, &["dog".into(), "cat".into()], annotations)
    }

    #[test]
    fn pictures_and_classes_of_cityscapes_have_its_names_and_labels() {
        let paths = [
            "val/ulm_000001_000019_leftImg8bit.png",
            "aachen_0_7_leftImg8bit.png",
        ];
        let texts = ["ulm_000001_000019", "aachen_0_7"];
        let found = ids(&paths, None).unwrap();
        assert_eq!(found.images, texts.map(|text| Id::Text(text.into())));
        assert_eq!(found.categories, of(&[1, 2]));
        assert_eq!(ids(&["a/b_c_d.png"], None).unwrap().images, of(&[1]));
        let classes = crate::cityscapes::CLASSES.map(|class| class.name.to_string());
        let found = Ids::new(&[], &classes, None).unwrap();
        assert_eq!(found.categories[..3], of(&[24, 25, 26]));
    }

    #[test]
    fn names_that_are_numbers_are_ids() {
        let found = ids(&["a/000000000139.jpg", "b/7.png"], None).unwrap();
        assert_eq!(
            (found.images, found.categories),
            (of(&[139, 7]), of(&[1, 2]))
        );
        assert_eq!(ids(&["7.png", "x.png"], None).unwrap().images, of(&[1, 2]));
        assert_eq!(
            ids(&["a/7.png", "b/7.png"], None).unwrap().images,
            of(&[1, 2])
        );
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
        assert_eq!((found.images, found.categories), (of(&[9]), of(&[18, 17])));
        let error = format!("{:#}", ids(&["y.png", "x.png"], Some(&file)).unwrap_err());
        assert!(
            error.ends_with("instances.json: contains no image `y.png`"),
            "{error}"
        );
        std::fs::write(&file, "[]").unwrap();
        let error = format!("{:#}", ids(&["x.png"], Some(&file)).unwrap_err());
        assert!(
            error.contains("instances.json: not COCO's annotations"),
            "{error}"
        );
    }

    #[test]
    fn folders_decide_between_images_of_one_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("instances.json");
        let text = r#"{
            "images": [{ "id": "a", "file_name": "one\\x.png" }, { "id": -3, "file_name": "two/x.png" },
                       { "id": 18446744073709551615, "file_name": "three/y.png" }],
            "categories": [{ "id": 1, "name": "dog" }, { "id": 2, "name": "cat" }]
        }"#;
        std::fs::write(&file, text).unwrap();
        let found = ids(&["in/one/x.png", "in/two/x.png", "y.png"], Some(&file)).unwrap();
        let written = serde_json::to_string(&found.images).unwrap();
        assert_eq!(written, r#"["a",-3,18446744073709551615]"#);
        let error = format!("{:#}", ids(&["in/x.png"], Some(&file)).unwrap_err());
        assert!(error.contains("several images `x.png`"), "{error}");
    }

    #[test]
    fn classes_of_one_name_are_told_apart_by_their_order() {
        let categories = |names: [&str; 3]| -> BTreeMap<Id, String> {
            (5..).map(Id::from).zip(names.map(String::from)).collect()
        };
        let labels = ["bolt", "bolt", "nut"].map(String::from);
        let found = of_labels(&labels, &categories(["bolt", "bolt", "nut"])).unwrap();
        assert_eq!(found, of(&[5, 6, 7]));
        let found = of_labels(&labels[2..], &categories(["bolt", "bolt", "nut"])).unwrap();
        assert_eq!(found, of(&[7]));
        let error = of_labels(&labels, &categories(["nut", "bolt", "bolt"])).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("6 and 7 have the same name `bolt`"),
            "{error}"
        );
    }
}
