//! Writes a dataset as files that other tools read: as COCO annotations, or in the layout of Cityscapes.

mod cityscapes;
mod coco;

pub use coco::{category_ids, document, drawn_name, image_entry, object_entries};

use super::Dataset;
use crate::structures::Picture;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;

/// The layout of the files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// COCO's JSON beside a folder of PNG files.
    #[default]
    Coco,
    /// Cityscapes' `leftImg8bit` and `gtFine`.
    Cityscapes,
}

impl Layout {
    /// Each with its name and one line for people.
    pub const ALL: [(&str, &str, Self); 2] = [
        ("coco", "COCO JSON and PNG", Self::Coco),
        (
            "cityscapes",
            "leftImg8bit and gtFine, as Cityscapes has them",
            Self::Cityscapes,
        ),
    ];
}

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// The number of images in both parts.
    pub images: usize,
    /// The number of annotations in both parts.
    pub annotations: usize,
    /// What the layout cannot hold, or holds under other names.
    pub notes: Vec<String>,
}

/// Writes `dataset` to `folder`. The folder gets its name only when it is complete.
///
/// # Errors
/// `folder` exists and is not empty, or cannot be written, or an image cannot be read.
pub fn export(dataset: &Dataset, folder: &Path, layout: Layout) -> Result<Exported> {
    if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) || folder.is_file() {
        bail!(
            "{}: exists already; needed: a new or an empty folder",
            folder.display()
        );
    }
    let name = folder
        .file_name()
        .with_context(|| format!("{}: not the name of a folder", folder.display()))?;
    let partial = folder.with_file_name(format!(
        ".{}.partial-{}",
        name.to_string_lossy(),
        std::process::id()
    ));
    let written = match layout {
        Layout::Coco => coco::write(dataset, &partial),
        Layout::Cityscapes => cityscapes::write(dataset, &partial),
    };
    let written = written.and_then(|exported| {
        fs::rename(&partial, folder)
            .with_context(|| format!("{}: cannot be written", folder.display()))?;
        Ok(exported)
    });
    if written.is_err() {
        // Only the first error is reported. A failure to remove the partial folder is not.
        let _ = fs::remove_dir_all(&partial);
    }
    written
}

/// Makes the folder of the file `path`.
fn make_folder_of(path: &Path) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new(""));
    fs::create_dir_all(folder).with_context(|| format!("{}: cannot be made", folder.display()))
}

/// Writes a picture as PNG.
fn write_picture(picture: &Picture, path: &Path) -> Result<()> {
    make_folder_of(path)?;
    let (width, height) = (picture.width as u32, picture.height as u32);
    let colours = image::ColorType::Rgb8;
    image::save_buffer(path, &picture.pixels, width, height, colours)
        .with_context(|| format!("{}: cannot be written", path.display()))
}

#[cfg(test)]
mod tests;
