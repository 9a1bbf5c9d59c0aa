//! A result that stays aside while its stage runs again.

use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// The result of a stage, moved aside. When it is dropped, it moves back unless a new result has taken its place.
#[derive(Debug)]
pub struct ResultAside {
    place: PathBuf,
    aside: PathBuf,
}

impl ResultAside {
    /// Moves the result file `place` aside. It stays beside its place as `<name>.earlier`.
    ///
    /// # Errors
    /// The file is absent or the folder is not writable.
    pub fn new(place: &Path) -> Result<Self> {
        let mut aside = place.as_os_str().to_owned();
        aside.push(".earlier");
        let aside = PathBuf::from(aside);
        fs::rename(place, &aside).with_context(|| format!("cannot move {}", place.display()))?;
        Ok(Self {
            place: place.to_path_buf(),
            aside,
        })
    }
}

impl Drop for ResultAside {
    fn drop(&mut self) {
        // If the folder is not writable any more, the file stays where it is, under the other name.
        match self.place.exists() {
            true => fs::remove_file(&self.aside).ok(),
            false => fs::rename(&self.aside, &self.place).ok(),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_comes_back_unless_there_is_a_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("metrics.json");
        fs::write(&place, "old").unwrap();
        let aside = ResultAside::new(&place).unwrap();
        assert!(!place.exists());
        drop(aside);
        assert_eq!(fs::read_to_string(&place).unwrap(), "old");
        let aside = ResultAside::new(&place).unwrap();
        fs::write(&place, "new").unwrap();
        drop(aside);
        assert_eq!(fs::read_to_string(&place).unwrap(), "new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
