//! The input and output paths of a prediction, checked before the work.

use crate::data::image_list::images_in;
use anyhow::{Context, Result, anyhow, bail, ensure};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The files, and the images of the folders, in the order of the arguments.
///
/// # Errors
/// A path does not exist, or a folder contains no image.
pub fn list(arguments: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for argument in arguments {
        if argument.is_dir() {
            paths.extend(images_in(argument)?.images);
        } else {
            ensure!(
                argument.is_file(),
                "{}: no such file or folder",
                argument.display()
            );
            paths.push(argument.clone());
        }
    }
    Ok(paths)
}

/// Checks that the results of `images` can be written to `out` and their raw numbers to `raw`, as far as
/// possible before the work.
///
/// # Errors
/// No file can be written at a path, a path is that of an image, both paths are the same, or two images with raw
/// numbers have the same file name, by which the numbers are stored.
pub fn check(images: &[PathBuf], out: &Path, raw: Option<&Path>) -> Result<()> {
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
    let mut seen: BTreeMap<&OsStr, &Path> = BTreeMap::new();
    for image in images {
        let name = image.file_name().unwrap_or_default();
        if let Some(other) = seen.insert(name, image) {
            bail!(
                "--raw identifies images by their file names, but `{}` and `{}` have the same",
                other.display(),
                image.display()
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
    images: &[PathBuf],
    option: &str,
    written: impl IntoIterator<Item = &'a Path>,
) -> Result<()> {
    let read: BTreeSet<PathBuf> = images
        .iter()
        .flat_map(|image| image.canonicalize())
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
