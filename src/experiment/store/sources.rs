//! `sources-<recipe>.json` in a results folder: the texts of the recipe and of its sweeps as they were when the last
//! sweep began, and the origin of every setting. It stands beside the records, so that a folder without its store has
//! it, too. The same plan gives the same bytes on every machine.

use crate::atomic::write_atomically;
use crate::recipe::{Plan, Written};
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The version of the file's format; raised when the meaning of its keys changes.
const VERSION: u32 = 1;

/// The content of the file.
#[derive(Serialize, Deserialize)]
struct Sources<W> {
    version: u32,
    recipe: String,
    #[serde(flatten)]
    written: W,
}

/// The file of `recipe` in the results folder `out`.
pub fn path(out: &Path, recipe: &str) -> PathBuf {
    out.join(format!("sources-{recipe}.json"))
}

/// Writes what `plan` was made of into the results folder `out`.
///
/// # Errors
/// The folder is not writable.
pub fn write(out: &Path, plan: &Plan) -> Result<()> {
    let sources = Sources {
        version: VERSION,
        recipe: plan.recipe.clone(),
        written: &plan.written,
    };
    let text = serde_json::to_string_pretty(&sources)? + "\n";
    write_atomically(&path(out, &plan.recipe), text.as_bytes())
}

/// What the last plan of `recipe` was made of; none in a folder of an earlier program.
///
/// # Errors
/// The file cannot be read, is damaged, or a later program wrote it. The message names the file without its folder.
pub fn read(out: &Path, recipe: &str) -> Result<Option<Written>> {
    let path = path(out, recipe);
    let shown = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("`{shown}`")),
    };
    let read: Sources<Written> =
        serde_json::from_slice(&text).with_context(|| format!("`{shown}`"))?;
    let found = read.version;
    ensure!(
        found == VERSION,
        "`{shown}`: version {found}; this program reads version {VERSION}"
    );
    Ok(Some(read.written))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::{FileRole, SweepOrigins, WrittenFile};

    fn plan() -> Plan {
        let file = WrittenFile {
            role: FileRole::Recipe,
            name: "a.toml".into(),
            text: "seeds = [0]\n".into(),
        };
        let origins = SweepOrigins {
            sweep: "s".into(),
            shared: [("train.steps".to_string(), "a.toml:3".to_string())].into(),
            rows: [(
                "b".to_string(),
                [("ema".to_string(), "--set ema=1".to_string())].into(),
            )]
            .into(),
        };
        Plan {
            recipe: "a".into(),
            results: "a".into(),
            seeds: vec![0],
            range: None,
            sweeps: Vec::new(),
            trials: Vec::new(),
            written: Written {
                files: vec![file],
                sweeps: vec![origins],
            },
            notes: Vec::new(),
        }
    }

    #[test]
    fn what_was_written_is_read_again_and_damage_has_the_name_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path(), "a").unwrap(), None);
        write(folder.path(), &plan()).unwrap();
        let written = read(folder.path(), "a").unwrap().unwrap();
        assert_eq!(written, plan().written);
        let of = |label, key| written.sweeps[0].of(label, key);
        assert_eq!(of("b", "ema"), Some("--set ema=1"));
        assert_eq!(
            (of("c", "ema"), of("b", "train.steps")),
            (None, Some("a.toml:3"))
        );
        let file = path(folder.path(), "a");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, &text[..text.len() / 2]).unwrap();
        let error = format!("{:#}", read(folder.path(), "a").unwrap_err());
        assert!(error.starts_with("`sources-a.json`: "), "{error}");
        std::fs::write(&file, text.replace("\"version\": 1", "\"version\": 2")).unwrap();
        let error = format!("{:#}", read(folder.path(), "a").unwrap_err());
        assert!(
            error.contains("version 2; this program reads version 1"),
            "{error}"
        );
    }
}
