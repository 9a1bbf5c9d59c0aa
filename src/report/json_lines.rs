//! A `.jsonl` file: one line of JSON per finished trial, in the order of the plan. It is always rewritten as
//! a whole.

use crate::atomic::write_atomically;
use crate::screen::counted;
use anyhow::{Context, Result, anyhow};
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// A line that belongs to a trial.
pub trait Keyed {
    /// The identity of the trial.
    fn hash(&self) -> &str;
}

/// The lines of a `.jsonl` file, at most one per trial.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonLines<T>(BTreeMap<String, T>);

impl<T> Default for JsonLines<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Keyed + Serialize + DeserializeOwned> JsonLines<T> {
    /// Reads `path`. A missing file has no lines.
    ///
    /// # Errors
    /// The file cannot be read, or a line is not valid. The error names the file and the line.
    pub fn read(path: &Path) -> Result<Self> {
        let (lines, damaged) = Self::read_whole_lines(path)?;
        match damaged.into_iter().next() {
            Some(first) => Err(anyhow!(first)),
            None => Ok(lines),
        }
    }

    /// Reads `path` and leaves out invalid lines, which a killed writer may leave. The invalid lines are
    /// returned as `file:line: reason`.
    ///
    /// # Errors
    /// The file cannot be read. The error names it.
    pub fn read_whole_lines(path: &Path) -> Result<(Self, Vec<String>)> {
        let mut lines = Self::default();
        let mut damaged = Vec::new();
        let text = match fs::read(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok((lines, damaged)),
            read => read.with_context(|| format!("cannot read `{}`", path.display()))?,
        };
        for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
            if line.trim_ascii().is_empty() {
                continue;
            }
            match serde_json::from_slice(line) {
                Ok(line) => lines.insert(line),
                Err(error) => damaged.push(format!(
                    "{}:{number}: not a line written by this program: {error}",
                    path.display()
                )),
            }
        }
        Ok((lines, damaged))
    }

    /// All lines, in the order of the trials' hashes.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.values()
    }

    /// The line of the trial.
    pub fn get(&self, hash: &str) -> Option<&T> {
        self.0.get(hash)
    }

    /// Adds a line. It replaces an earlier line of the same trial.
    pub fn insert(&mut self, line: T) {
        self.0.insert(line.hash().to_string(), line);
    }

    /// Adds the lines of `other`, except those of trials for which `own` returns true.
    pub fn adopt(&mut self, other: Self, own: impl Fn(&str) -> bool) {
        let others = other.0.into_iter().filter(|(hash, _)| !own(hash));
        self.0.extend(others);
    }

    /// Writes all lines to `path`, first those of the trials in `order` (the plan's). The lines of other
    /// trials, left by an earlier plan, follow: a run never loses them.
    ///
    /// # Errors
    /// The file cannot be written. The error names it, and the file keeps its old content.
    pub fn write<'a>(&self, path: &Path, order: impl IntoIterator<Item = &'a str>) -> Result<()> {
        let mut rest: BTreeMap<&str, &T> = self
            .0
            .iter()
            .map(|(hash, line)| (hash.as_str(), line))
            .collect();
        let planned: Vec<&T> = order
            .into_iter()
            .filter_map(|hash| rest.remove(hash))
            .collect();
        let mut text = String::new();
        for line in planned.into_iter().chain(rest.into_values()) {
            text.push_str(&serde_json::to_string(line)?);
            text.push('\n');
        }
        write_atomically(path, text.as_bytes())
    }
}

/// Removes invalid lines (cut off by a full disk or an editor) from the file `path`. The original file is
/// kept beside it as `<name>.damaged`. Returns a message if the file was changed; an intact or missing file
/// is left alone.
///
/// # Errors
/// The file cannot be read or written. The error names it.
pub fn set_damaged_lines_aside(path: &Path) -> Result<Option<String>> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        read => read.with_context(|| format!("cannot read `{}`", path.display()))?,
    };
    let text = String::from_utf8_lossy(&bytes);
    let whole = |line: &&str| serde_json::from_str::<IgnoredAny>(line).is_ok();
    let written = text.lines().filter(|line| !line.trim().is_empty());
    let (kept, damaged): (Vec<&str>, Vec<&str>) = written.partition(whole);
    if damaged.is_empty() {
        return Ok(None);
    }
    let mut aside = path.as_os_str().to_owned();
    aside.push(".damaged");
    let aside = Path::new(&aside);
    write_atomically(aside, &bytes)?;
    let kept: String = kept.iter().map(|line| format!("{line}\n")).collect();
    write_atomically(path, kept.as_bytes())?;
    Ok(Some(format!(
        "left out {} of `{}`; the original file is kept as `{}`",
        counted(damaged.len(), "damaged line"),
        path.display(),
        aside.display()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::metric::USUAL;
    use crate::report::{Record, TrialStatus};

    fn record(hash: &str, map: f64) -> Record {
        Record {
            recipe: "smoke".into(),
            hash: hash.into(),
            label: "PL-DC".into(),
            seed: 3,
            steps: 12,
            status: TrialStatus::Ok,
            error: None,
            metrics: Some(
                USUAL
                    .into_iter()
                    .zip([Some(map), Some(1.0), None, None, None, None])
                    .collect(),
            ),
            student: None,
            average: None,
            code_version: 1,
            findings: Vec::new(),
            split: None,
            commits: None,
            device: None,
        }
    }

    #[test]
    fn the_lines_are_those_of_the_plan_then_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("records.jsonl");
        let mut lines = JsonLines::default();
        for (hash, map) in [
            ("a", 0.1),
            ("z", 1.0 / 3.0),
            ("m", 2.0),
            ("z", 0.30000000000000004),
        ] {
            lines.insert(record(hash, map));
        }
        lines.write(&path, ["z", "absent", "a"]).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let first = r#"{"recipe":"smoke","hash":"z","label":"PL-DC","seed":3,"steps":12,"status":"ok","metrics":{"mAP":0.30000000000000004,"AP50":1.0,"AP75":null,"APs":null,"APm":null,"APl":null}}"#;
        assert_eq!(text.lines().next(), Some(first));
        let hashes: Vec<&str> = text.lines().map(|line| &line[26..27]).collect();
        assert_eq!(hashes, ["z", "a", "m"]);
        assert_eq!(
            JsonLines::read(&path).unwrap(),
            lines,
            "what is written is read back"
        );
        lines.write(&path, ["z", "absent", "a"]).unwrap();
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            text,
            "and written again as the same bytes"
        );
    }

    #[test]
    fn a_line_cut_in_half_is_set_aside_and_the_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("records.jsonl");
        assert_eq!(set_damaged_lines_aside(&path).unwrap(), None);
        let mut lines = JsonLines::default();
        lines.insert(record("a", 1.0));
        lines.insert(record("b", 2.0));
        lines.write(&path, []).unwrap();
        assert_eq!(set_damaged_lines_aside(&path).unwrap(), None);
        let text = fs::read_to_string(&path).unwrap();
        let cut = text[..text.len() / 4 * 3].to_string();
        fs::write(&path, &cut).unwrap();
        let told = set_damaged_lines_aside(&path).unwrap().unwrap();
        assert!(told.starts_with("left out 1 damaged line of "), "{told}");
        let left = JsonLines::<Record>::read(&path).unwrap();
        assert!(left.get("a").is_some() && left.get("b").is_none());
        let aside = folder.path().join("records.jsonl.damaged");
        assert_eq!(fs::read_to_string(aside).unwrap(), cut);
    }

    #[test]
    fn another_writers_lines_are_taken_but_for_the_own_trials() {
        let (mut own, mut other) = (JsonLines::default(), JsonLines::default());
        own.insert(record("a", 1.0));
        other.insert(record("a", 9.0));
        other.insert(record("b", 2.0));
        own.adopt(other, |hash| hash == "a");
        let map = |hash| own.get(hash).unwrap().metrics.as_ref().unwrap().get("mAP");
        assert_eq!((map("a"), map("b")), (Some(1.0), Some(2.0)));
    }

    #[test]
    fn a_foreign_line_is_named_and_a_missing_file_is_empty() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("records.jsonl");
        assert_eq!(
            JsonLines::<Record>::read(&path).unwrap(),
            JsonLines::default()
        );
        fs::write(&path, "\n{\"hash\": 1}\n").unwrap();
        let message = format!("{:#}", JsonLines::<Record>::read(&path).unwrap_err());
        assert!(
            message.contains("records.jsonl:2: not a line written by this program: "),
            "{message}"
        );
    }
}
