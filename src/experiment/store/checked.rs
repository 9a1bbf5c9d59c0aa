//! The pictures that have been decoded without an error: the file `.store/pictures.json` of a results folder.
//! A picture whose size and time stamp have not changed since is not decoded again to check it.

use super::root::STORE;
use crate::atomic::{Durability, write_durably};
use crate::data::stamp::Stamp;
use anyhow::Result;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The pictures by their absolute paths.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked(BTreeMap<String, Stamp>);

impl Checked {
    /// Those of the results folder `out`; none if nothing was checked or the file is damaged.
    pub fn read(out: &Path) -> Self {
        let text = fs::read(file(out)).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Returns true if the picture `path` was decoded in its present state.
    pub fn holds(&self, path: &Path) -> bool {
        let known = name(path).and_then(|name| self.0.get(&name));
        known.is_some() && known == Stamp::of(path).as_ref()
    }

    /// Adds the picture `path`, which was decoded when its file had the state `stamp`.
    pub fn add(&mut self, path: &Path, stamp: Stamp) {
        if let Some(name) = name(path) {
            self.0.insert(name, stamp);
        }
    }

    /// Writes them to the results folder `out`.
    ///
    /// # Errors
    /// The folder is not writable.
    pub fn write(&self, out: &Path) -> Result<()> {
        let text = serde_json::to_string(self)?;
        write_durably(&file(out), text.as_bytes(), Durability::Cached)
    }
}

fn file(out: &Path) -> PathBuf {
    out.join(STORE).join("pictures.json")
}

/// The absolute path as a text; none if it is not valid Unicode.
fn name(path: &Path) -> Option<String> {
    let path = std::path::absolute(path).ok()?;
    path.to_str().map(String::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_known_until_its_file_changes() {
        let out = tempfile::tempdir().unwrap();
        let picture = out.path().join("a.png");
        fs::write(&picture, "one").unwrap();
        let mut checked = Checked::read(out.path());
        assert!(!checked.holds(&picture));
        checked.add(&picture, Stamp::of(&picture).unwrap());
        checked.write(out.path()).unwrap();
        let checked = Checked::read(out.path());
        assert!(checked.holds(&picture));
        fs::write(&picture, "other").unwrap();
        assert!(!checked.holds(&picture), "another size");
        fs::remove_file(&picture).unwrap();
        assert!(!checked.holds(&picture), "it is gone");
        fs::write(file(out.path()), "{\"half").unwrap();
        assert_eq!(Checked::read(out.path()), Checked::default());
    }
}
