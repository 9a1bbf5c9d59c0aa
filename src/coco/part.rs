//! A part of a file of annotations as a file of its own: some of its images, with their annotations.
//!
//! The records are copied as they are written, with the fields that no command here reads. So another tool reads the
//! part as it reads the whole file.

use super::field::Field;
use super::id::Id;
use super::json;
use super::text::restored;
use super::{ANNOTATIONS, Image};
use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

/// A file of annotations, its records as they are written.
#[derive(Debug)]
pub struct Written {
    file: PathBuf,
    images: Vec<Box<RawValue>>,
    annotations: Vec<Box<RawValue>>,
    /// The other keys of the file, such as `categories`.
    others: BTreeMap<String, Box<RawValue>>,
}

/// The field of an annotation that names its image.
#[derive(Deserialize)]
struct OfImage {
    #[serde(default)]
    image_id: Field<Id>,
}

impl Written {
    /// Reads `file`.
    ///
    /// # Errors
    /// The file cannot be read, is not JSON, or has no lists of images and annotations. The error names it.
    pub fn read(file: &Path) -> Result<Self> {
        let mut others: BTreeMap<String, Box<RawValue>> = json::read(file, &ANNOTATIONS)?;
        let mut list = |key: &str| -> Result<Vec<Box<RawValue>>> {
            let place = || format!("{}: `{key}`; needed: a list", file.display());
            let text = others.remove(key).with_context(place)?;
            serde_json::from_str(text.get()).with_context(place)
        };
        Ok(Self {
            file: file.to_path_buf(),
            images: list("images")?,
            annotations: list("annotations")?,
            others,
        })
    }

    /// The number of images.
    pub fn len(&self) -> usize {
        self.images.len()
    }

    /// Returns true if there is no image.
    pub fn is_empty(&self) -> bool {
        self.images.is_empty()
    }

    /// The JSON text of a file with those images whose places in the list are in `chosen`, and their annotations.
    /// The categories and all other keys stay.
    ///
    /// # Errors
    /// A chosen image has no id. The error names the file.
    pub fn part(&self, chosen: &[usize]) -> Result<Vec<u8>> {
        let of_file = || self.file.display().to_string();
        let mut ids: HashSet<Id> = HashSet::new();
        for &place in chosen {
            let image: Image = serde_json::from_str(self.images[place].get())?;
            ids.insert(image.id.need("id").with_context(of_file)?.clone());
        }
        let mut annotations = Vec::new();
        for annotation in &self.annotations {
            let owner: OfImage = serde_json::from_str(annotation.get()).with_context(of_file)?;
            if owner.image_id.get().is_some_and(|id| ids.contains(id)) {
                annotations.push(&**annotation);
            }
        }
        self.text(chosen, &annotations)
    }

    /// The same as [`Self::part`] without any annotation: the list of them is empty.
    ///
    /// # Errors
    /// A key of the file is not text.
    pub fn unlabelled_part(&self, chosen: &[usize]) -> Result<Vec<u8>> {
        self.text(chosen, &[])
    }

    /// The text of a file with the images at the places `chosen` and these `annotations`.
    fn text(&self, chosen: &[usize], annotations: &[&RawValue]) -> Result<Vec<u8>> {
        let images: Vec<&RawValue> = chosen.iter().map(|place| &*self.images[*place]).collect();
        let mut text = String::from("{\n");
        for (key, value) in &self.others {
            let key = serde_json::to_string(key)?;
            text.push_str(&format!("{key}: {},\n", value.get()));
        }
        let list = |records: &[&RawValue]| {
            let records: Vec<&str> = records.iter().map(|record| record.get()).collect();
            records.join(",\n")
        };
        text.push_str(&format!("\"images\": [\n{}\n],\n", list(&images)));
        text.push_str(&format!(
            "\"annotations\": [\n{}\n]\n}}\n",
            list(annotations)
        ));
        Ok(restored(text.into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coco::read_annotations;

    #[test]
    fn a_part_has_its_images_their_annotations_and_every_field() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("all.json");
        let text = r#"{"info": {"year": 2026}, "images": [
            {"id": "x", "file_name": "a b.png", "extra": [1,  2]}, {"id": 7, "file_name": "b.png"}],
            "annotations": [{"image_id": 7.0, "score": NaN, "category_id": 1}, {"image_id": "x", "category_id": 1},
            {"image_id": 8}, {}], "categories": [{"id": 1, "name": "ä"}]}"#;
        std::fs::write(&file, text).unwrap();
        let written = Written::read(&file).unwrap();
        let part = |chosen: &[usize]| String::from_utf8(written.part(chosen).unwrap()).unwrap();
        let first = part(&[0]);
        assert!(first.contains(r#"{"id": "x", "file_name": "a b.png", "extra": [1,  2]}"#));
        assert!(first.contains(r#"{"year": 2026}"#) && first.contains("ä"));
        assert!(!first.contains("b.png\"}") && first.matches("image_id").count() == 1);
        let second = part(&[1]);
        assert!(second.contains(r#"{"image_id": 7.0, "score": NaN, "category_id": 1}"#));
        let bare = String::from_utf8(written.unlabelled_part(&[1]).unwrap()).unwrap();
        assert!(bare.contains("b.png\"}") && !bare.contains("image_id") && bare.contains("ä"));
        std::fs::write(&file, second).unwrap();
        let read = read_annotations(&file).unwrap();
        assert_eq!(read.images.unwrap().len(), 1);
        assert_eq!(read.annotations.unwrap().len(), 1);
    }

    #[test]
    fn a_file_without_lists_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("all.json");
        for text in [r#"{"images": []}"#, r#"{"images": 3, "annotations": []}"#] {
            std::fs::write(&file, text).unwrap();
            let message = format!("{:#}", Written::read(&file).unwrap_err());
            assert!(message.contains("all.json") && message.contains("needed: a list"));
        }
    }
}
