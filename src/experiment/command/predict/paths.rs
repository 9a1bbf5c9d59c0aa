//! What a prediction reads and where its files go, checked before the work.

use crate::data::image_file::images_in;
use anyhow::{Context, Result, anyhow, bail, ensure};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The files, and the images of the folders, in the order of the arguments.
///
/// # Errors
/// Something that is not there; a folder without an image.
pub fn list(arguments: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for argument in arguments {
        if argument.is_dir() {
            paths.extend(images_in(argument)?);
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

/// Whether the results of `images` can go to `out` and their raw numbers to `raw`, as far as can be told before the work.
///
/// # Errors
/// A place where no file can be made; the same place twice; raw numbers of two images of one name, since they are found by it.
pub fn check(images: &[PathBuf], out: &Path, raw: Option<&Path>) -> Result<()> {
    let results = place(out)?;
    let Some(raw) = raw else {
        return Ok(());
    };
    ensure!(
        place(raw)? != results,
        "--out {} and --raw {} are one file; needed: two",
        out.display(),
        raw.display()
    );
    let mut seen: BTreeMap<&OsStr, &Path> = BTreeMap::new();
    for image in images {
        let name = image.file_name().unwrap_or_default();
        if let Some(other) = seen.insert(name, image) {
            bail!(
                "--raw tells images by their file names, and `{}` and `{}` have the same",
                other.display(),
                image.display()
            );
        }
    }
    Ok(())
}

/// The file `path` in the one true spelling of its folder.
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
        .ok_or_else(|| anyhow!("{}: is no file's name", path.display()))?;
    let folder = parent
        .canonicalize()
        .with_context(|| format!("{}: cannot be read", parent.display()))?;
    Ok(folder.join(name))
}
