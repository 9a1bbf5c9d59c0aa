//! Where a result was computed: commit and changes to it, machine, program, crates. Collected once per process, kept with every stage
//! and trial: a number in a table leads back to what made it.

use super::folder::{Folder, link};
use super::provenance::Provenance;
use super::root::{CODE_VERSION, Store};
use crate::atomic::write_atomically;
use anyhow::{Context, Result};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The lock file that this program was built with.
const CARGO_LOCK: &str = include_str!("../../../Cargo.lock");
/// Hexadecimal digits of an environment's name.
const DIGITS: usize = 16;

/// What `environment.json` holds.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Environment<'a> {
    /// Git commit of the recipe's folder; none outside a repository.
    commit: Option<&'a str>,
    /// Whether files other than results differ from that commit; `diff.patch` then tells how.
    changed: bool,
    /// Version of the program.
    version: &'a str,
    /// Version of what its stages compute.
    code_version: u32,
    /// Hash of the program's file; none where it cannot be read.
    build: Option<String>,
    /// Whether the program was built without optimisation.
    debug_build: bool,
    cpu: &'a str,
    cores: usize,
    /// Trials at once: each has a part of the cores as its threads.
    workers: usize,
    /// What trials may compute on.
    devices: Vec<String>,
    os: &'a str,
    gpus: Vec<String>,
    /// Version of the GPU's driver; none without one.
    driver: Option<String>,
    /// Versions of the crates that the program names itself.
    crates: BTreeMap<String, String>,
}

/// The environment of this process as files of a store.
#[derive(Debug)]
pub struct Kept {
    json: PathBuf,
    patch: Option<PathBuf>,
}

impl Kept {
    /// Looks around and writes what there is to tell to `store`, unless it stands there already. `devices`: the names of those that
    /// trials may compute on.
    ///
    /// # Errors
    /// The store is not writable.
    pub fn new(
        store: &Store,
        provenance: &Provenance,
        workers: usize,
        devices: Vec<String>,
    ) -> Result<Self> {
        let environment = Environment {
            commit: provenance.commit.as_deref(),
            changed: provenance.changed,
            version: &provenance.version,
            code_version: CODE_VERSION,
            build: build(),
            debug_build: cfg!(debug_assertions),
            cpu: &provenance.cpu,
            cores: provenance.cores,
            workers,
            devices,
            os: &provenance.os,
            gpus: gpus(),
            driver: driver(),
            crates: crates(),
        };
        let json = serde_json::to_string_pretty(&environment)? + "\n";
        let mut hasher = blake3::Hasher::new();
        hasher.update(json.as_bytes());
        if let Some(diff) = &provenance.diff {
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
            patch: match &provenance.diff {
                Some(diff) => Some(write("patch", diff)?),
                None => None,
            },
        })
    }

    /// Puts the environment into the folder of a stage that this process begins.
    ///
    /// # Errors
    /// The folder is not writable.
    pub fn put(&self, stage: &Folder) -> Result<()> {
        link(&self.json, &stage.environment())?;
        match &self.patch {
            Some(patch) => link(patch, &stage.diff()),
            None => remove(stage),
        }
    }
}

/// Gives the trial's folder the environment of the stage that completed it; an earlier version's stage has none.
///
/// # Errors
/// The folder is not writable.
pub fn hand_on(stage: &Folder, trial: &Folder) -> Result<()> {
    if stage.environment().exists() {
        link(&stage.environment(), &trial.environment())?;
    }
    if stage.diff().exists() {
        return link(&stage.diff(), &trial.diff());
    }
    remove(trial)
}

/// Removes the changes that an earlier attempt was made with.
fn remove(folder: &Folder) -> Result<()> {
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

/// Models of the machine's NVIDIA GPUs, as the driver tells them.
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

/// The driver's own line about itself.
fn driver() -> Option<String> {
    let text = std::fs::read_to_string("/proc/driver/nvidia/version").ok()?;
    let line = text.lines().next()?;
    Some(line.trim_start_matches("NVRM version:").trim().to_string())
}

/// Name and version of every crate that the program depends on directly.
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
    // A dependency reads `name`, or `name version` where several versions are there.
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
    use std::fs;

    fn provenance(diff: Option<&str>) -> Provenance {
        Provenance {
            recipe: "mock".into(),
            set: Vec::new(),
            seeds: vec![0],
            version: "0.1.0".into(),
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
        let (stage, trial) = (store.stage("evaluate-1"), store.trial("1"));
        stage.make().unwrap();
        trial.make().unwrap();
        let dirty = Kept::new(
            &store,
            &provenance(Some("--- a\n+++ b\n")),
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
        assert_eq!(json["crates"]["dfdx"], "0.13.0");
        assert_eq!(json["build"].as_str().map(str::len), Some(64));

        let clean = Kept::new(&store, &provenance(None), 2, vec!["cpu".into()]).unwrap();
        clean.put(&stage).unwrap();
        hand_on(&stage, &trial).unwrap();
        assert!(
            !trial.diff().exists(),
            "the diff of an earlier attempt is gone"
        );
    }
}
