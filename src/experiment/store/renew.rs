//! `sweep --renew`: moves the results of another version of the program's computations aside. The work can
//! then be done again in the same folder, and no table mixes both versions.

use super::root::{STORE, Store};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};

/// Moves the results of another version of the computations from the results folder `out` into a folder
/// `version-<N>` inside it, which is then a results folder. Returns that folder, or none if there are no
/// results of another version.
///
/// # Errors
/// A process is still working there, or something cannot be moved. What was moved stays moved, and a second
/// call continues.
pub fn set_aside(out: &Path) -> Result<Option<PathBuf>> {
    let Some(store) = Store::look(out) else {
        return Ok(None);
    };
    let Some(version) = store.other_version() else {
        return Ok(None);
    };
    if store.is_at_work() {
        bail!(
            "{}: a process works there; end it before its results are set aside",
            out.display()
        );
    }
    let name = |number: usize| match number {
        1 => format!("version-{version}"),
        _ => format!("version-{version}-{number}"),
    };
    // A folder without a store was begun by a call that did not finish.
    let folder = (1..)
        .map(|number| out.join(name(number)))
        .find(|folder| !folder.join(STORE).exists())
        .expect("numbers do not end");
    let failed = || format!("cannot move the results in {} aside", out.display());
    fs::create_dir_all(&folder).with_context(failed)?;
    for entry in fs::read_dir(out).with_context(failed)? {
        let entry = entry.with_context(failed)?;
        if entry.file_type().with_context(failed)?.is_file() {
            fs::rename(entry.path(), folder.join(entry.file_name())).with_context(failed)?;
        }
    }
    // The store comes last, because it shows that there is something to move.
    fs::rename(out.join(STORE), folder.join(STORE)).with_context(failed)?;
    Ok(Some(folder))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::trial::key::StageKey;

    fn old(out: &Path) {
        Store::open(out).unwrap();
        fs::write(out.join(".store/version.json"), "{\"code-version\":0}").unwrap();
        fs::write(out.join("records.jsonl"), "old").unwrap();
    }

    #[test]
    fn what_another_version_left_is_kept_and_out_of_the_way() {
        let out = tempfile::tempdir().unwrap();
        let out = out.path();
        assert_eq!(set_aside(out).unwrap(), None, "nothing is there");
        old(out);
        fs::create_dir(out.join("own")).unwrap();
        let aside = out.join("version-0");
        // A first call was killed half-way.
        fs::create_dir(&aside).unwrap();
        fs::write(aside.join("timing.jsonl"), "old").unwrap();
        assert_eq!(set_aside(out).unwrap(), Some(aside.clone()));
        for name in [".store/version.json", "records.jsonl", "timing.jsonl"] {
            assert!(aside.join(name).exists(), "{name}");
            assert!(!out.join(name).exists(), "{name}");
        }
        assert!(out.join("own").is_dir());
        Store::open(out).unwrap();
        assert_eq!(set_aside(out).unwrap(), None, "this version's own");
        old(out);
        assert_eq!(set_aside(out).unwrap(), Some(out.join("version-0-2")));
    }

    #[test]
    fn nothing_is_moved_from_under_a_process() {
        let out = tempfile::tempdir().unwrap();
        old(out.path());
        let lease = Store::look(out.path()).unwrap();
        let lease = lease
            .stage(&StageKey::new("burn-in", "1"))
            .lease()
            .unwrap()
            .unwrap();
        let error = set_aside(out.path()).unwrap_err().to_string();
        assert!(error.contains("a process works there"), "{error}");
        drop(lease);
        assert!(set_aside(out.path()).unwrap().is_some());
    }
}
