//! The pictures of a prediction with what was found in them, as PNG files.

use super::paths::{self, Image};
use crate::atomic::write_atomically;
use crate::draw::{Object, drawn, png};
use crate::screen::counted;
use crate::structures::{Detection, Picture};
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The drawings of a list of images.
pub struct Drawings {
    folder: PathBuf,
    /// The file of every image.
    files: Vec<PathBuf>,
    /// The least score of a drawn detection.
    least: f32,
}

impl Drawings {
    /// Drawings of `images` in `folder`, which is made. Each is called like its image, in the same folders as it; if
    /// two images share a name, all drawings are in one folder, with their number in front of the name.
    ///
    /// # Errors
    /// The folder cannot be made, or a drawing would replace one of the images.
    pub fn new(folder: &Path, images: &[Image], least: f32) -> Result<Self> {
        let shown = folder.display();
        std::fs::create_dir_all(folder).with_context(|| format!("{shown}: cannot be made"))?;
        let files: Vec<PathBuf> = names(images)
            .into_iter()
            .map(|name| folder.join(name))
            .collect();
        paths::spare(images, "--draw", files.iter().map(PathBuf::as_path))?;
        Ok(Self {
            folder: folder.to_path_buf(),
            files,
            least,
        })
    }

    /// Draws the detections of the image with this place in the list. Returns their number.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(
        &self,
        image: usize,
        picture: &Picture,
        detections: &[Detection],
        labels: &[String],
    ) -> Result<usize> {
        let good = detections
            .iter()
            .filter(|detection| detection.score >= self.least);
        let objects: Vec<Object> = good
            .map(|detection| Object {
                class: detection.class,
                mask: &detection.mask,
                text: format!("{} {:.2}", labels[detection.class], detection.score),
            })
            .collect();
        let file = &self.files[image];
        if let Some(folder) = file.parent() {
            let made = std::fs::create_dir_all(folder);
            made.with_context(|| format!("{}: cannot be made", folder.display()))?;
        }
        write_atomically(file, &png(&drawn(picture, &objects))?)?;
        Ok(objects.len())
    }

    /// A line about all drawings, with `drawn` detections.
    pub fn summary(&self, drawn: usize) -> String {
        format!(
            "{} with a score of at least {} drawn: {}",
            counted(drawn, "detection"),
            self.least,
            self.folder.display()
        )
    }
}

/// The names of the drawings of `images`.
fn names(images: &[Image]) -> Vec<String> {
    let stem = |image: &Image| {
        let name = Path::new(&image.name);
        let stem = name.file_stem().unwrap_or_default();
        stem.to_string_lossy().into_owned()
    };
    let drawing = |image: &Image| {
        let folder = image.name.rsplit_once('/').map(|(folder, _)| folder);
        let folder = folder.map_or(String::new(), |folder| format!("{folder}/"));
        format!("{folder}{}.png", stem(image))
    };
    // Some file systems do not distinguish capital letters.
    let different: BTreeSet<String> = images
        .iter()
        .map(|image| drawing(image).to_lowercase())
        .collect();
    let are_numbered = different.len() < images.len();
    let name = |(number, image): (usize, &Image)| match are_numbered {
        true => format!("{number:04}-{}.png", stem(image)),
        false => drawing(image),
    };
    (1..).zip(images).map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::structures::Mask;

    fn image(path: PathBuf, name: &str) -> Image {
        Image {
            path,
            name: name.to_string(),
        }
    }

    #[test]
    fn every_image_has_a_drawing_of_its_own() {
        let named = |name: &str| image(PathBuf::new(), name);
        let images = ["1.png", "A.png", "2.jpeg"].map(named);
        assert_eq!(names(&images), ["1.png", "A.png", "2.png"]);
        let images = ["ulm/1.png", "bonn/1.jpg", "1.png"].map(named);
        assert_eq!(names(&images), ["ulm/1.png", "bonn/1.png", "1.png"]);
        let images = ["a/1.png", "a/1.jpg", "b/0001-1.png", "c/a.png"].map(named);
        let expected = ["0001-1.png", "0002-1.png", "0003-0001-1.png", "0004-a.png"];
        assert_eq!(names(&images), expected);
    }

    #[test]
    fn an_image_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("1.png");
        std::fs::write(&file, "an image").unwrap();
        let images = [image(file, "1.png")];
        let error = Drawings::new(folder.path(), &images, 0.5).err().unwrap();
        assert!(error.to_string().contains("would replace an image"));
        assert!(Drawings::new(&folder.path().join("drawn"), &images, 0.5).is_ok());
    }

    #[test]
    fn detections_below_the_least_score_are_not_drawn() {
        let folder = tempfile::tempdir().unwrap();
        let drawings =
            Drawings::new(folder.path(), &[image("x.jpg".into(), "x.jpg")], 0.5).unwrap();
        let picture = Picture::new(20, 20, vec![50; 1200]);
        let detection = |score| Detection {
            class: 0,
            score,
            bounds: None,
            mask: Mask::new(20, 20, vec![1; 400]),
        };
        let labels = ["cat".to_string()];
        let written = |scores: &[f32]| {
            let detections: Vec<Detection> = scores.iter().map(|score| detection(*score)).collect();
            let count = drawings.write(0, &picture, &detections, &labels).unwrap();
            (count, std::fs::read(folder.path().join("x.png")).unwrap())
        };
        let [none, one, low] = [&[][..], &[0.5], &[0.49]].map(written);
        assert_eq!([none.0, one.0, low.0], [0, 1, 0]);
        assert!(none.1 == low.1 && none.1 != one.1);
        assert!(one.1.starts_with(b"\x89PNG"));
    }
}
