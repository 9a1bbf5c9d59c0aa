//! States of a stage that more than one owner may write. An owner that lost the stage may still be about to put a file
//! in place, after it has looked whether the stage is its own. So each owner's file has the token of its lease in its
//! name, as `checkpoint.3.safetensors`, and the one with the largest token counts.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The end of the names.
const END: &str = ".safetensors";

/// The files of one kind in the folder of a stage.
#[derive(Clone, Copy, Debug)]
pub struct States<'a> {
    folder: &'a Path,
    kind: &'static str,
}

impl<'a> States<'a> {
    /// The files `kind.<token>.safetensors` in `folder`, which need not exist.
    pub fn new(folder: &'a Path, kind: &'static str) -> Self {
        Self { folder, kind }
    }

    /// The file of the owner with this token.
    pub fn of(&self, token: u64) -> PathBuf {
        self.folder.join(format!("{}.{token}{END}", self.kind))
    }

    /// The file that counts; none if there is none.
    pub fn newest(&self) -> Option<PathBuf> {
        self.all().max().map(|(_, path)| path)
    }

    /// Removes the files of owners before the one with this token.
    pub fn remove_before(&self, token: u64) {
        for (_, path) in self.all().filter(|(own, _)| *own < token) {
            // It only costs disk space if it stays.
            fs::remove_file(path).ok();
        }
    }

    /// Removes all files.
    ///
    /// # Errors
    /// A file cannot be removed.
    pub fn remove(&self) -> io::Result<()> {
        self.all()
            .try_for_each(|(_, path)| match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            })
    }

    /// The files with their tokens. One without a token in its name is of an earlier program, and older than all.
    fn all(&self) -> impl Iterator<Item = (u64, PathBuf)> + use<> {
        let kind = self.kind;
        let entries = fs::read_dir(self.folder).into_iter().flatten().flatten();
        entries.filter_map(move |entry| {
            let name = entry.file_name();
            let rest = name.to_str()?.strip_prefix(kind)?.strip_suffix(END)?;
            let token = match rest {
                "" => 0,
                rest => rest.strip_prefix('.')?.parse().ok()?,
            };
            Some((token, entry.path()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_token_counts_and_a_late_owner_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let states = States::new(folder.path(), "checkpoint");
        assert_eq!(states.newest(), None);
        let put = |path: &Path, text: &str| fs::write(path, text).unwrap();
        put(
            &folder.path().join("checkpoint.safetensors"),
            "before tokens",
        );
        put(&folder.path().join("best.9.safetensors"), "another kind");
        put(&folder.path().join("checkpoint.x.safetensors"), "no token");
        put(
            &folder.path().join(".checkpoint.7.safetensors.1.tmp"),
            "unfinished",
        );
        let newest = || fs::read_to_string(states.newest().unwrap()).unwrap();
        assert_eq!(newest(), "before tokens");
        put(&states.of(9), "nine");
        put(&states.of(10), "ten");
        assert_eq!(newest(), "ten", "numbers, not words");
        states.remove_before(10);
        put(&states.of(9), "nine, late");
        assert_eq!(newest(), "ten");
        states.remove().unwrap();
        let left = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!((states.newest(), left), (None, 3));
    }
}
