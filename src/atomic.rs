//! Writes files atomically: a temporary file in the same folder, then a rename.
//!
//! The name of the temporary file is unique across all writers and machines, and the file is locked while it
//! is written. So a clean-up can distinguish it from a file that a killed process has left.

use anyhow::{Context, Result};
use std::fs::{self, File, TryLockError};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// The suffix of the name of an unfinished file.
const TEMPORARY: &str = ".tmp";
/// Maximum number of attempts if another process removes the file between its creation and its locking. This
/// is a very short time, so it almost never happens.
const ATTEMPTS: usize = 5;

/// The events that a file must survive, besides the end of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// A power failure too: the call waits for the disk.
    Synced,
    /// Nothing else: after a power failure the file may be empty or missing. For files whose damage is
    /// detected and that are quick to make again.
    Cached,
}

/// Replaces the content of `path` so that it survives a power failure. The folder is created if needed. A
/// reader (and a kill at any moment) sees the old content or the new one, never a part. If `path` is a link,
/// its target is replaced. A pipe or a terminal cannot be replaced and is written to.
///
/// # Errors
/// The folder or file cannot be written. The error names it, and the old content is still there.
pub fn write_atomically(path: &Path, content: &[u8]) -> Result<()> {
    write_durably(path, content, Durability::Synced)
}

/// Does the same as [`write_atomically`], with the given durability.
///
/// # Errors
/// As for [`write_atomically`].
pub fn write_durably(path: &Path, content: &[u8], durability: Durability) -> Result<()> {
    let named = || format!("cannot write `{}`", path.display());
    let target = match fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => fs::canonicalize(path).with_context(named)?,
        _ => path.to_path_buf(),
    };
    if fs::metadata(&target).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        return fs::write(&target, content).with_context(named);
    }
    let taken = |error: &std::io::Error| {
        matches!(error.kind(), ErrorKind::NotFound | ErrorKind::WouldBlock)
    };
    let mut written = replace(&target, content, durability);
    for _ in 1..ATTEMPTS {
        if written.as_ref().err().is_some_and(taken) {
            written = replace(&target, content, durability);
        }
    }
    written.with_context(named)
}

/// Writes a temporary file and renames it to `target`.
fn replace(target: &Path, content: &[u8], durability: Durability) -> std::io::Result<()> {
    let temporary = temporary_beside(target);
    let write = || -> std::io::Result<()> {
        let mut file = create(&temporary)?;
        match file.try_lock() {
            // On a file system without locks, there is no clean-up.
            Ok(()) | Err(TryLockError::Error(_)) => {}
            Err(TryLockError::WouldBlock) => return Err(ErrorKind::WouldBlock.into()),
        }
        file.write_all(content)?;
        if durability == Durability::Synced {
            file.sync_all()?;
        }
        fs::rename(&temporary, target)
    };
    write().inspect_err(|_| drop(fs::remove_file(&temporary)))
}

/// Creates a new file, and its folder if needed.
fn create(path: &Path) -> std::io::Result<File> {
    match (File::create(path), path.parent()) {
        (Err(error), Some(folder)) if error.kind() == ErrorKind::NotFound => {
            fs::create_dir_all(folder)?;
            File::create(path)
        }
        (created, _) => created,
    }
}

/// Removes the unfinished files that killed processes left in `folder`, but no file that a process is
/// writing.
pub fn remove_unfinished(folder: &Path) {
    let unfinished = |name: &str| name.starts_with('.') && name.ends_with(TEMPORARY);
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if !unfinished(&entry.file_name().to_string_lossy()) {
            continue;
        }
        // A file that cannot be opened, locked or removed only costs disk space.
        if let Ok(file) = File::options().write(true).open(entry.path())
            && file.try_lock().is_ok()
        {
            drop(fs::remove_file(entry.path()));
        }
    }
}

/// Creates `folder` and writes a test file there, so that an unwritable folder is known before any training.
///
/// # Errors
/// The folder cannot be created or written. The error names it.
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

/// The name is random, so that two writers never have the same temporary file. Process numbers are not
/// unique: two containers on a shared folder may have the same ones.
fn temporary_beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // The hashers of the standard library start from random keys of the system, different for each instance.
    let chance = RandomState::new().build_hasher().finish();
    path.with_file_name(format!(".{name}.{chance:016x}{TEMPORARY}"))
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

    #[cfg(unix)]
    #[test]
    fn a_link_stays_one_and_a_device_is_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let (link, file) = (folder.path().join("link"), folder.path().join("file"));
        fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write_atomically(&link, b"new").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&file).unwrap(), b"new");
        let null = Path::new("/dev/null");
        write_atomically(null, b"gone").unwrap();
        assert!(!fs::metadata(null).unwrap().is_file());
    }

    #[test]
    fn what_a_killed_process_left_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        for name in [".table.csv.7.tmp", "table.csv", ".hidden", "x.tmp"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        remove_unfinished(folder.path());
        let left = fs::read_dir(folder.path()).unwrap();
        let mut left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [".hidden", "table.csv", "x.tmp"]);
        remove_unfinished(&folder.path().join("absent"));
    }

    #[test]
    fn what_is_being_written_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = temporary_beside(&folder.path().join("table.csv"));
        let file = File::create(&path).unwrap();
        file.try_lock().unwrap();
        remove_unfinished(folder.path());
        assert!(path.exists(), "somebody writes it");
        drop(file);
        remove_unfinished(folder.path());
        assert!(!path.exists());
    }

    #[test]
    fn who_tidies_up_disturbs_no_writer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.csv");
        let over = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(std::sync::atomic::Ordering::Relaxed) {
                    remove_unfinished(folder.path());
                }
            });
            let write = |text: String| write_durably(&path, text.as_bytes(), Durability::Cached);
            let written = (0..2000).try_for_each(|number| write(number.to_string()));
            over.store(true, std::sync::atomic::Ordering::Relaxed);
            written.unwrap();
        });
        assert_eq!(fs::read(&path).unwrap(), b"1999");
    }

    #[test]
    fn no_two_unfinished_files_have_one_name() {
        let path = Path::new("folder/table.csv");
        let names: std::collections::BTreeSet<_> =
            (0..1000).map(|_| temporary_beside(path)).collect();
        assert_eq!(names.len(), 1000);
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
