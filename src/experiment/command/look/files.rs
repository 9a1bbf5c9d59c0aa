//! The files of `harness data look`: a PNG for every picture, and a page that shows all of them.

use crate::atomic::{Durability, write_durably};
use crate::draw::{embedded, png};
use crate::report::page::{ShownPicture, ViewPart, ViewRow, Views, views_page};
use crate::screen::counted;
use crate::structures::Picture;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// The file that shows all pictures.
const INDEX: &str = "index.html";

/// A picture to show: the end of its file's name, its caption, its pixels.
pub type Shot = (&'static str, &'static str, Picture);

/// An image with its views.
pub struct Shots {
    /// The image in words.
    pub title: String,
    /// Its views.
    pub shots: Vec<Shot>,
}

/// A kind of images.
pub struct Part {
    /// The beginning of the names of its files.
    pub name: String,
    /// Its heading.
    pub title: String,
    /// What its images are, in a sentence.
    pub about: String,
    /// The images.
    pub images: Vec<Shots>,
}

/// Writes the pictures of `parts` and the page `views` with them into `folder`, the page last. Returns a summary.
///
/// # Errors
/// A picture cannot be packed, or the folder is not writable.
pub fn write(folder: &Path, parts: Vec<Part>, mut views: Views) -> Result<String> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("{}: cannot be made", folder.display()))?;
    let mut files = 0;
    for part in parts {
        let mut rows = Vec::new();
        for (number, image) in (1..).zip(part.images) {
            let mut pictures = Vec::new();
            for (end, caption, picture) in image.shots {
                let file: PathBuf = folder.join(format!("{}-{number:02}-{end}.png", part.name));
                write_durably(&file, &png(&picture)?, Durability::Cached)?;
                files += 1;
                let (media, bytes) = embedded(&picture)?;
                pictures.push(ShownPicture {
                    caption: caption.to_string(),
                    media,
                    bytes,
                });
            }
            rows.push(ViewRow {
                title: image.title,
                pictures,
            });
        }
        views.parts.push(ViewPart {
            title: part.title,
            about: part.about,
            rows,
        });
    }
    let index = folder.join(INDEX);
    write_durably(&index, views_page(&views).as_bytes(), Durability::Cached)?;
    Ok(format!(
        "{}: {}",
        index.display(),
        counted(files, "picture")
    ))
}
