//! The environment of a computation: program, commit and local changes of the recipe's folder, machine, crates. It is
//! collected once per process and stored with every stage and trial, so that every number in a table can be traced to
//! its origin.

use super::folder::{StageFolder, link};
use super::program::Program;
use super::root::{CODE_VERSION, Store};
use super::system::SystemInfo;
use crate::atomic::write_atomically;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The lock file that this program was built with.
const CARGO_LOCK: &str = include_str!("../../../Cargo.lock");
/// The number of hexadecimal digits of an environment's name.
const DIGITS: usize = 16;

/// The content of `environment.json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Environment<'a> {
    /// The git commit of the recipe's folder; none outside a repository.
    commit: Option<&'a str>,
    /// True if files other than results differ from that commit. `diff.patch` then contains the differences.
    changed: bool,
    /// The version of the program.
    version: &'a str,
    /// The source code of the program.
    program: &'a Program,
    /// The version of the stages' computations.
    code_version: u32,
    /// The hash of the program's file; none if it cannot be read.
    build: Option<String>,
    /// True if the program was built without optimisation.
    debug_build: bool,
    cpu: &'a str,
    cores: usize,
    /// The number of trials that run at the same time. Each has a part of the cores as its threads.
    workers: usize,
    /// The devices that trials may use.
    devices: Vec<String>,
    os: &'a str,
    gpus: Vec<String>,
    /// The version of the GPU's driver; none without one.
    driver: Option<String>,
    /// The versions of the crates that the program depends on directly.
    crates: BTreeMap<String, String>,
}

/// The part of a stage's or a trial's `environment.json` that says which source code computed it, and where.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct MadeBy {
    /// The git commit of the recipe's folder; none outside a repository.
    pub commit: Option<String>,
    /// The source code of the program; none in the files of earlier programs.
    pub program: Option<Program>,
    /// The devices that the process could use, such as `cpu` or `cuda:0 (NVIDIA H200)`.
    #[serde(default)]
    pub devices: Vec<String>,
}

impl MadeBy {
    /// Reads it from the content of an `environment.json`; none if that is damaged.
    pub fn of(text: &[u8]) -> Option<Self> {
        serde_json::from_slice(text).ok()
    }
}

/// The environment of this process as files of a store.
#[derive(Debug)]
pub struct EnvironmentFiles {
    json: PathBuf,
    patch: Option<PathBuf>,
}

impl EnvironmentFiles {
    /// Collects the environment and writes it to `store`, unless it is there already. `devices` are the names
    /// of the devices that trials may use.
    ///
    /// # Errors
    /// The store is not writable.
    pub fn new(
        store: &Store,
        system: &SystemInfo,
        workers: usize,
        devices: Vec<String>,
    ) -> Result<Self> {
        let environment = Environment {
            commit: system.commit.as_deref(),
            changed: system.changed,
            version: &system.version,
            program: &system.program,
            code_version: CODE_VERSION,
            build: build(),
            debug_build: cfg!(debug_assertions),
            cpu: &system.cpu,
            cores: system.cores,
            workers,
            devices,
            os: &system.os,
            gpus: gpus(),
            driver: driver(),
            crates: crates(),
        };
        let json = serde_json::to_string_pretty(&environment)? + "\n";
        let mut hasher = blake3::Hasher::new();
        hasher.update(json.as_bytes());
        if let Some(diff) = &system.diff {
            hasher.update(diff);
        }
        let name = hasher.finalize().to_hex()[..DIGITS].to_string();
        let write = |extension: &str, content: &[u8]| -> Result<PathBuf> {
            let path = store.environment(&format!("{name}.{extension}"));
            if !path.exists() {
                write_atomically(&path, content)?;
            }
            Ok(path)
        };
        Ok(Self {
            json: write("json", json.as_bytes())?,
            patch: match &system.diff {
                Some(diff) => Some(write("patch", diff)?),
                None => None,
            },
        })
    }

    /// Puts the environment into the folder of a stage that this process begins.
    ///
    /// # Errors
    /// The folder is not writable.
    pub fn put(&self, stage: &StageFolder) -> Result<()> {
        link(&self.json, &stage.environment())?;
        match &self.patch {
            Some(patch) => link(patch, &stage.diff()),
            None => remove(stage),
        }
    }
}

/// Links the environment of the stage that completed a trial into the trial's folder. Stages of an earlier
/// version have none.
///
/// # Errors
/// The folder is not writable.
pub fn hand_on(stage: &StageFolder, trial: &StageFolder) -> Result<()> {
    if stage.environment().exists() {
        link(&stage.environment(), &trial.environment())?;
    }
    if stage.diff().exists() {
        return link(&stage.diff(), &trial.diff());
    }
    remove(trial)
}

/// Removes the local changes of an earlier attempt.
fn remove(folder: &StageFolder) -> Result<()> {
    match std::fs::remove_file(folder.diff()) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.diff().display()))
        }
        _ => Ok(()),
    }
}

/// The hash of this program's file.
fn build() -> Option<String> {
    let program = std::fs::read(std::env::current_exe().ok()?).ok()?;
    Some(blake3::hash(&program).to_hex().to_string())
}

/// The models of the machine's NVIDIA GPUs, as reported by the driver.
fn gpus() -> Vec<String> {
    let folders = std::fs::read_dir("/proc/driver/nvidia/gpus");
    let mut models: Vec<String> = folders
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|gpu| {
            let text = std::fs::read_to_string(gpu.path().join("information")).ok()?;
            let model = text.lines().find_map(|line| line.strip_prefix("Model:"))?;
            Some(model.trim().to_string())
        })
        .collect();
    models.sort();
    models
}

/// The driver's own version line.
fn driver() -> Option<String> {
    let text = std::fs::read_to_string("/proc/driver/nvidia/version").ok()?;
    let line = text.lines().next()?;
    Some(line.trim_start_matches("NVRM version:").trim().to_string())
}

/// The name and version of every crate that the program depends on directly.
fn crates() -> BTreeMap<String, String> {
    let lock: toml::Table = CARGO_LOCK.parse().unwrap_or_default();
    let packages = lock.get("package").and_then(toml::Value::as_array);
    let packages: Vec<&toml::Table> = packages
        .into_iter()
        .flatten()
        .filter_map(toml::Value::as_table)
        .collect();
    let text = |package: &toml::Table, key: &str| {
        let value = package.get(key).and_then(toml::Value::as_str);
        value.unwrap_or_default().to_string()
    };
    let own = packages
        .iter()
        .find(|package| text(package, "name") == env!("CARGO_PKG_NAME"));
    let needs = own.and_then(|own| own.get("dependencies")?.as_array());
    // A dependency is written `name`, or `name version` if there are several versions.
    let needs = needs.into_iter().flatten().filter_map(toml::Value::as_str);
    needs
        .filter_map(|need| {
            let (name, version) = need.split_once(' ').unwrap_or((need, ""));
            let found = packages.iter().find(|package| {
                text(package, "name") == name
                    && (version.is_empty() || text(package, "version") == version)
            })?;
            Some((name.to_string(), text(found, "version")))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::trial::key::StageKey;
    use std::fs;

    fn system(diff: Option<&str>) -> SystemInfo {
        SystemInfo {
            version: "0.1.0".into(),
            program: Program {
                commit: Some("def".into()),
                changed: false,
            },
            commit: Some("abc".into()),
            changed: diff.is_some(),
            diff: diff.map(|text| text.as_bytes().to_vec()),
            cpu: "Brand X".into(),
            cores: 2,
            os: "linux x86_64".into(),
        }
    }

    #[test]
    fn a_trial_leads_back_to_what_computed_it() {
        let out = tempfile::tempdir().unwrap();
        let store = Store::open(out.path()).unwrap();
        let (stage, trial) = (
            store.stage(&StageKey::new("evaluate", "1")),
            store.trial("1"),
        );
        stage.make().unwrap();
        trial.make().unwrap();
        let dirty = EnvironmentFiles::new(
            &store,
            &system(Some("--- a\n+++ b\n")),
            2,
            vec!["cpu".into()],
        )
        .unwrap();
        dirty.put(&stage).unwrap();
        hand_on(&stage, &trial).unwrap();
        assert_eq!(fs::read_to_string(trial.diff()).unwrap(), "--- a\n+++ b\n");
        let text = fs::read_to_string(trial.environment()).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&json["commit"], &json["changed"]),
            (&"abc".into(), &true.into())
        );
        let made = MadeBy::of(text.as_bytes()).unwrap();
        assert_eq!(made.commit.as_deref(), Some("abc"));
        assert_eq!(made.program.unwrap().commit.as_deref(), Some("def"));
        let earlier = MadeBy::of(br#"{"commit": null, "cores": 2}"#).unwrap();
        assert_eq!((earlier.commit, earlier.program), (None, None));
        assert_eq!(json["crates"]["dfdx"], "0.13.0");
        assert_eq!(json["build"].as_str().map(str::len), Some(64));

        let clean = EnvironmentFiles::new(&store, &system(None), 2, vec!["cpu".into()]).unwrap();
        clean.put(&stage).unwrap();
        hand_on(&stage, &trial).unwrap();
        assert!(
            !trial.diff().exists(),
            "the diff of an earlier attempt is gone"
        );
    }
}
