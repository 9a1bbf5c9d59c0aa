//! The working data of a results folder, from which its records and tables are made: `<out>/.store/`.
//!
//! ```text
//! .store/version.json                  the version that made the store: see [`CODE_VERSION`]
//! .store/plans/<recipe>.json           the plan of the last sweep of the recipe, as it began
//! .store/pictures.json                 the pictures that have been decoded without an error
//! .store/datasets/<hash>.json          what a plan reads of a large dataset
//! .store/reused.jsonl                  results that were computed elsewhere, see [`super::reused`]
//! .store/submissions/                  what was handed over to a cluster, see `experiment::cluster`
//! .store/tables                        locked while a process writes the records and tables
//! .store/environments/<hash>.json      the environment of stages: commit, machine, crates
//! .store/environments/<hash>.patch     the changes to that commit
//! .store/stages/<kind>-<hash>/         the files of a stage, named by the hash of everything that it reads
//!     lease                            locked by the process that works on the stage; contains the attempt's number
//!                                      and that process
//!     lease.<token>                    the same on a file system that refuses locks, see [`super::claims`]
//!     checkpoint.<token>.safetensors   an unfinished training stage; the highest token counts
//!     final.safetensors                a finished one
//!     labels.json                      the pseudo-labels of a stage that labels all unlabelled images
//!     found.jsonl                      what its teacher has found so far
//!     journal.jsonl  metrics.json  environment.json  seconds
//!     failure.json                     the failure of the last attempt
//!     progress.json                    the progress of a running stage without a journal
//! .store/stages/analyse-<hash>/        the analysis of an evaluation, if a report asked for it: analysis.json.gz,
//!                                      and predictions.json.gz if the recipe asked for it
//! .store/stages/pictures-<hash>/       the images of a dataset that a report draws: image-<id>.json
//! .store/trials/<hash>/                the files of a trial: its settings since a sweep with it began, the others
//!                                      since it ended
//!     settings.toml  environment.json  diff.patch  journal.jsonl  metrics.json  status.json
//! ```
//!
//! Every file is replaced by renaming a complete one over it, and a stage is finished when its result exists.
//! So a process may be killed at any moment. Several processes may work on one store; each stage is done by
//! one of them. Deleting the folder costs only time.

use super::folder::StageFolder;
use super::lease::Lease;
use crate::atomic::{Durability, write_atomically, write_durably};
use crate::experiment::trial::key::StageKey;
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};

/// The name of the working data in a results folder.
pub const STORE: &str = ".store";

/// The file with the settings of the trial `hash` in the results folder `out`, for a reader who needs no
/// store.
pub fn settings_of(out: &Path, hash: &str) -> PathBuf {
    out.join(STORE)
        .join("trials")
        .join(hash)
        .join("settings.toml")
}

/// The folder of the digests of large datasets in the results folder `out`.
pub fn digests_of(out: &Path) -> PathBuf {
    out.join(STORE).join("datasets")
}

/// The version of the stages' computations. It must be raised with every change after which the same settings
/// lead to other numbers, or an old checkpoint means something else. A store of another version is then
/// refused, because its stages can neither be continued nor be mixed with new ones. A change that does not
/// alter any bit of a result keeps the version.
pub const CODE_VERSION: u32 = 1;

/// The version that made a store.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Version {
    code_version: u32,
}

/// The working data of one results folder.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
}

impl Store {
    /// The results that were computed elsewhere.
    pub fn reused(&self) -> PathBuf {
        self.root.join("reused.jsonl")
    }

    /// Opens the store of the results folder `out`, or creates it.
    ///
    /// # Errors
    /// The folder is not writable, or an incompatible version of this program made its content.
    pub fn open(out: &Path) -> Result<Self> {
        let root = out.join(STORE);
        let refused = || format!("cannot write to the results folder {}", out.display());
        fs::create_dir_all(&root).with_context(refused)?;
        // An existing folder may be unable to take new files.
        write_durably(&out.join(".writable"), b"", Durability::Cached).with_context(refused)?;
        fs::remove_file(out.join(".writable")).ok();
        let store = Self { root };
        store
            .accept_version()
            .with_context(|| format!("cannot continue in {}", out.display()))?;
        Ok(store)
    }

    /// The store of the results folder `out`, of any version, for reading only; none if it does not exist.
    pub fn look(out: &Path) -> Option<Self> {
        let root = out.join(STORE);
        root.is_dir().then_some(Self { root })
    }

    /// The version recorded in the store; none if it is missing or damaged.
    fn version(&self) -> Option<u32> {
        let text = fs::read(self.root.join("version.json")).ok()?;
        let found: Version = serde_json::from_slice(&text).ok()?;
        Some(found.code_version)
    }

    /// The version that made the store, if it differs from this program's.
    pub fn other_version(&self) -> Option<u32> {
        self.version().filter(|version| *version != CODE_VERSION)
    }

    /// Checks that this program may continue with the store.
    ///
    /// # Errors
    /// Another version made it.
    pub fn accept(&self) -> Result<()> {
        if let Some(version) = self.other_version() {
            bail!(
                "{} was made by version {version} of the program's computations, this program's is {CODE_VERSION}: \
                 their results must not be mixed in one table. `harness sweep --renew` moves the old ones to a subfolder and \
                 does the work again; --out chooses another folder",
                self.root.display()
            );
        }
        Ok(())
    }

    fn accept_version(&self) -> Result<()> {
        self.accept()?;
        if self.version().is_some() {
            return Ok(());
        }
        // A store without the file is of the first version. A store with a damaged file was just begun.
        let version = Version {
            code_version: CODE_VERSION,
        };
        let text = serde_json::to_string(&version)? + "\n";
        write_atomically(&self.root.join("version.json"), text.as_bytes())
    }

    /// Keeps other processes from writing records and tables until the result is dropped.
    ///
    /// # Errors
    /// The store is not writable.
    pub fn lock_tables(&self) -> Result<Lease> {
        Lease::wait(&self.root.join("tables"))
    }

    /// The results folder that the store belongs to.
    pub fn results(&self) -> &Path {
        self.root.parent().unwrap_or(Path::new("."))
    }

    /// The folder of the stage `key`. It is created at the first write.
    pub fn stage(&self, key: &StageKey) -> StageFolder {
        StageFolder::new(self.root.join("stages").join(key.as_str()))
    }

    /// Returns true if a process is working on any stage.
    pub fn is_at_work(&self) -> bool {
        let entries = fs::read_dir(self.root.join("stages"));
        let mut entries = entries.into_iter().flatten().flatten();
        entries.any(|entry| StageFolder::new(entry.path()).is_held())
    }

    /// The folder of the trial with settings hash `hash`.
    pub fn trial(&self, hash: &str) -> StageFolder {
        StageFolder::new(self.root.join("trials").join(hash))
    }

    /// The folders of the trials that have been planned for a sweep, in no particular order.
    pub fn trials(&self) -> Vec<StageFolder> {
        let entries = fs::read_dir(self.root.join("trials"));
        let entries = entries.into_iter().flatten().flatten();
        entries
            .map(|entry| StageFolder::new(entry.path()))
            .collect()
    }

    /// The file that holds the plan of the last sweep of `recipe`.
    pub fn plan(&self, recipe: &str) -> PathBuf {
        self.root.join("plans").join(format!("{recipe}.json"))
    }

    /// The file of the decisions on the rows of `recipe`.
    pub fn decisions(&self, recipe: &str) -> PathBuf {
        self.root.join("decisions").join(format!("{recipe}.json"))
    }

    /// The plans of all recipes, by name.
    pub fn plans(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.root.join("plans"));
        let entries = entries.into_iter().flatten().flatten();
        let paths = entries.map(|entry| entry.path());
        let json = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "json");
        let mut paths: Vec<PathBuf> = paths.filter(json).collect();
        paths.sort();
        paths
    }

    /// The file of the environment `name`.
    pub fn environment(&self, name: &str) -> PathBuf {
        self.root.join("environments").join(name)
    }

    /// Returns true if the result of the stage `key` exists, complete or not.
    pub fn holds_result(&self, key: &StageKey) -> bool {
        self.stage(key).outcome(key).exists()
    }

    /// Returns true if the result of the stage `key` exists and is complete.
    pub fn is_whole(&self, key: &StageKey) -> bool {
        self.stage(key).is_whole(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_has_one_owner_and_its_attempts_are_counted() {
        let out = tempfile::tempdir().unwrap();
        let (one, other) = (
            Store::open(out.path()).unwrap(),
            Store::open(out.path()).unwrap(),
        );
        let left = fs::read_dir(out.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name());
        assert_eq!(left.collect::<Vec<_>>(), [".store"]);
        let (mine, theirs) = (
            one.stage(&StageKey::new("distill", "1")),
            other.stage(&StageKey::new("distill", "1")),
        );
        assert_eq!(mine.attempts(), 0);
        let lease = mine.lease().unwrap().unwrap();
        assert!(theirs.lease().unwrap().is_none());
        assert!(
            other
                .stage(&StageKey::new("distill", "2"))
                .lease()
                .unwrap()
                .is_some()
        );
        drop(lease);
        assert_eq!(theirs.lease().unwrap().unwrap().token(), 2);
        assert_eq!(mine.attempts(), 2);
    }

    #[test]
    fn what_a_killed_owner_left_unfinished_is_removed() {
        let out = tempfile::tempdir().unwrap();
        let folder = Store::open(out.path())
            .unwrap()
            .stage(&StageKey::new("distill", "1"));
        drop(folder.lease().unwrap());
        let own = folder.checkpoints().of(1);
        let unfinished = own.with_file_name(".checkpoint.1.safetensors.1.tmp");
        fs::write(&unfinished, "half").unwrap();
        drop(folder.lease().unwrap());
        assert!(!unfinished.exists());
    }

    #[test]
    fn a_store_of_another_version_is_refused_with_the_reason() {
        let out = tempfile::tempdir().unwrap();
        Store::open(out.path()).unwrap();
        Store::open(out.path()).unwrap();
        let version = out.path().join(".store/version.json");
        let text = fs::read_to_string(&version).unwrap();
        assert_eq!(text, format!("{{\"code-version\":{CODE_VERSION}}}\n"));
        fs::write(&version, "{\"code-version\":77}").unwrap();
        let error = format!("{:#}", Store::open(out.path()).unwrap_err());
        for part in ["made by version 77", ".store", "--out"] {
            assert!(error.contains(part), "{part}: {error}");
        }
        fs::write(&version, "{\"code").unwrap();
        Store::open(out.path()).unwrap();
        assert_eq!(
            fs::read_to_string(&version).unwrap(),
            text,
            "a damaged one is written anew"
        );
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let out = tempfile::tempdir().unwrap();
        let path = out.path().join("results");
        fs::write(&path, "").unwrap();
        let error = format!("{:#}", Store::open(&path).unwrap_err());
        assert!(
            error.contains("cannot write to the results folder"),
            "{error}"
        );
        assert!(error.contains("results"), "{error}");
    }
}
