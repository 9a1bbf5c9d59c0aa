//! Files that are there whole or not at all: a temporary file in the same folder, then a rename.

use anyhow::{Context, Result};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Replaces the content of `path`; its folder is made if needed. A reader (or a kill at any moment) meets the old content or
/// the new one, never a part.
///
/// # Errors
/// A folder or file that cannot be written, named; the old content is still there.
pub fn write_atomically(path: &Path, content: &[u8]) -> Result<()> {
    let temporary = temporary_beside(path);
    let write = || -> std::io::Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = File::create(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write()
        .inspect_err(|_| drop(fs::remove_file(&temporary)))
        .with_context(|| format!("cannot write `{}`", path.display()))
}

/// Makes `folder` and tries a file in it, so that an unwritable one is known before any training.
///
/// # Errors
/// A folder that cannot be made or written, named.
pub fn ensure_writable(folder: &Path) -> Result<()> {
    let probe = temporary_beside(&folder.join("probe"));
    fs::create_dir_all(folder)
        .and_then(|()| File::create(&probe))
        .and_then(|_| fs::remove_file(&probe))
        .with_context(|| {
            format!(
                "cannot write into the results folder `{}`",
                folder.display()
            )
        })
}

/// Named by the process, so that two runs into the same folder do not write one temporary file.
fn temporary_beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.tmp", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_is_replaced_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/table.csv");
        write_atomically(&path, b"first, longer").unwrap();
        write_atomically(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "kept").unwrap();
        let inside = file.join("results");
        let message = format!("{:#}", ensure_writable(&inside).unwrap_err());
        assert!(
            message.starts_with(&format!(
                "cannot write into the results folder `{}`: ",
                inside.display()
            )),
            "{message}"
        );
        let message = format!(
            "{:#}",
            write_atomically(&inside.join("a.csv"), b"").unwrap_err()
        );
        assert!(message.starts_with("cannot write `"), "{message}");
        assert_eq!(fs::read(&file).unwrap(), b"kept");
        ensure_writable(folder.path()).unwrap();
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            1,
            "the probe is gone"
        );
    }
}
