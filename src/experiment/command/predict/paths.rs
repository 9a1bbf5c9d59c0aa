//! The input and output paths of a prediction, checked before the work.

use crate::data::image_list::images_below;
use anyhow::{Context, Result, anyhow, bail, ensure};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// An image of a prediction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The file.
    pub path: PathBuf,
    /// The name in the results: the path from the folder that was given, with slashes; of a file that was given, its
    /// own name.
    pub name: String,
}

impl Image {
    fn new(path: PathBuf, folder: &Path) -> Self {
        let below = path.strip_prefix(folder).unwrap_or(&path);
        let parts: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
        let name = parts.join("/");
        Self { path, name }
    }
}

/// The files, and the images of the folders and of all folders below them, in the order of the arguments. The folder
/// `but`, which drawings are written to, is passed over below another one.
///
/// # Errors
/// A path does not exist, or a folder contains no image.
pub fn list(arguments: &[PathBuf], but: Option<&Path>) -> Result<Vec<Image>> {
    let mut images = Vec::new();
    for argument in arguments {
        if argument.is_dir() {
            let found = images_below(argument, but)?.into_iter();
            images.extend(found.map(|path| Image::new(path, argument)));
        } else {
            ensure!(
                argument.is_file(),
                "{}: no such file or folder",
                argument.display()
            );
            let folder = argument.parent().unwrap_or(Path::new(""));
            images.push(Image::new(argument.clone(), folder));
        }
    }
    Ok(images)
}

/// Checks that the results of `images` can be written to `out` and their raw numbers to `raw`, as far as
/// possible before the work.
///
/// # Errors
/// No file can be written at a path, a path is that of an image, both paths are the same, or two images with raw
/// numbers have the same name, by which the numbers are stored.
pub fn check(images: &[Image], out: &Path, raw: Option<&Path>) -> Result<()> {
    let results = place(out)?;
    spare(images, "--out", [out])?;
    spare(images, "--raw", raw)?;
    let Some(raw) = raw else {
        return Ok(());
    };
    ensure!(
        place(raw)? != results,
        "--out {} and --raw {} are the same file; needed: two",
        out.display(),
        raw.display()
    );
    let mut seen: BTreeMap<&str, &Path> = BTreeMap::new();
    for Image { path, name } in images {
        if let Some(other) = seen.insert(name, path) {
            bail!(
                "--raw identifies images by their names, but `{}` and `{}` have the same",
                other.display(),
                path.display()
            );
        }
    }
    Ok(())
}

/// Refuses the files `written` by `option` if one of them is an image that is read.
///
/// # Errors
/// The image that would be replaced.
pub fn spare<'a>(
    images: &[Image],
    option: &str,
    written: impl IntoIterator<Item = &'a Path>,
) -> Result<()> {
    let read: BTreeSet<PathBuf> = images
        .iter()
        .flat_map(|image| image.path.canonicalize())
        .collect();
    for path in written {
        // A path that leads to nothing replaces nothing.
        let replaced = path.canonicalize().is_ok_and(|path| read.contains(&path));
        ensure!(
            !replaced,
            "{option} {}: would replace an image that is read; needed: another place",
            path.display()
        );
    }
    Ok(())
}

/// The file `path` with the canonical path of its folder.
fn place(path: &Path) -> Result<PathBuf> {
    ensure!(
        !path.is_dir(),
        "{}: is a folder; needed: a file",
        path.display()
    );
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    ensure!(parent.is_dir(), "{}: no such folder", parent.display());
    let name = path
        .file_name()
        .ok_or_else(|| anyhow!("{}: is not the name of a file", path.display()))?;
    let folder = parent
        .canonicalize()
        .with_context(|| format!("{}: cannot be read", parent.display()))?;
    Ok(folder.join(name))
}
