//! The files of a folder, always in the same order.

use super::frame::Frame;
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The files whose names end in `ending`, by their frames: those of `folder` itself and of the folders in it.
///
/// # Errors
/// The folder cannot be read, a name begins with no frame, or two files have the same frame.
pub fn frames_in(folder: &Path, ending: &str) -> Result<BTreeMap<Frame, PathBuf>> {
    let mut found: BTreeMap<Frame, PathBuf> = BTreeMap::new();
    let (mut files, folders) = entries(folder)?;
    for city in folders {
        files.extend(entries(&city)?.0);
    }
    for path in files {
        let name = path.file_name().and_then(|name| name.to_str());
        let is_wanted = name.is_some_and(|name| name.ends_with(ending) && !name.starts_with('.'));
        if !is_wanted {
            continue;
        }
        let Some(frame) = Frame::of_file(&path) else {
            bail!(
                "{}: no name of Cityscapes; needed: CITY_SEQUENCE_FRAME{ending}",
                path.display()
            );
        };
        if let Some(other) = found.insert(frame, path.clone()) {
            bail!(
                "{} and {}: two files of one frame",
                other.display(),
                path.display()
            );
        }
    }
    Ok(found)
}

/// The files in `folder` and in all folders below it, folder by folder. Links to folders are not followed.
///
/// # Errors
/// A folder cannot be read.
pub fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let (mut files, folders) = entries(folder)?;
    for folder in folders {
        if !folder.is_symlink() {
            files.extend(files_below(&folder)?);
        }
    }
    Ok(files)
}

/// The files and the folders directly in `folder`, each sorted by name.
fn entries(folder: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let place = || format!("{}: cannot be listed", folder.display());
    ensure!(folder.is_dir(), "{}: no folder", folder.display());
    let read = std::fs::read_dir(folder).with_context(place)?;
    let paths = read.map(|entry| entry.map(|entry| entry.path()));
    let mut paths = paths.collect::<Result<Vec<_>, _>>().with_context(place)?;
    paths.sort();
    Ok(paths.into_iter().partition(|path| !path.is_dir()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn frames_are_found_by_city_and_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir_all(path("ulm/deeper")).unwrap();
        fs::create_dir_all(path("aachen")).unwrap();
        for name in [
            "ulm/ulm_000001_000019_x.png",
            "ulm/ulm_000000_000019_x.png",
            "ulm/ulm_000000_000019_y.png",
            "ulm/deeper/ulm_000005_000019_x.png",
            "aachen/aachen_000003_000019_x.png",
            "aachen/._aachen_000003_000019_x.png",
        ] {
            fs::write(path(name), "").unwrap();
        }
        let found = frames_in(folder.path(), "_x.png").unwrap();
        let names: Vec<String> = found.keys().map(Frame::to_string).collect();
        let expected = [
            "aachen_000003_000019",
            "ulm_000000_000019",
            "ulm_000001_000019",
        ];
        assert_eq!(names, expected);
        assert_eq!(files_below(folder.path()).unwrap().len(), 6);
        fs::write(path("aachen/ulm_000000_000019_other_x.png"), "").unwrap();
        let twice = frames_in(folder.path(), "_x.png").unwrap_err().to_string();
        assert!(twice.contains("two files of one frame"), "{twice}");
        fs::remove_file(path("aachen/ulm_000000_000019_other_x.png")).unwrap();
        fs::write(path("ulm/picture_x.png"), "").unwrap();
        let unnamed = frames_in(folder.path(), "_x.png").unwrap_err().to_string();
        assert!(
            unnamed.contains("picture_x.png: no name of Cityscapes"),
            "{unnamed}"
        );
        assert!(frames_in(&path("none"), "_x.png").is_err());
    }
}
