//! Where results come from: commit, seeds, machine, time. `run.json` in the results folder, and the head of the Markdown tables.

use super::atomic::write_atomically;
use anyhow::Result;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// One run of a recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The command as it was typed.
    pub command: String,
    /// Revision of the program's source, marked if it was changed; none outside of a repository.
    pub commit: Option<String>,
    /// The seeds.
    pub seeds: Vec<u64>,
    /// Processor, number of cores, system.
    pub machine: String,
    /// Wall time in seconds, summed over the trials.
    pub seconds: f64,
}

impl Run {
    /// The lines for a table's head. `with_time` puts the time there, too: two runs then differ by that line.
    pub fn lines(&self, with_time: bool) -> Vec<String> {
        let seeds: Vec<String> = self.seeds.iter().map(u64::to_string).collect();
        let mut lines = vec![
            format!("command: `{}`", self.command),
            format!("commit: {}", self.commit.as_deref().unwrap_or("unknown")),
            format!("seeds: {}", seeds.join(", ")),
            format!("machine: {}", self.machine),
        ];
        if with_time {
            lines.push(format!("time: {:.1} minutes", self.seconds / 60.0));
        }
        lines
    }

    /// Writes the run to `path` as JSON.
    ///
    /// # Errors
    /// A file that cannot be written, named.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        write_atomically(path, text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_a_line_of_its_own() {
        let run = Run {
            command: "harness sweep recipes/smoke.toml".into(),
            commit: None,
            seeds: vec![0, 1],
            machine: "2 cores".into(),
            seconds: 90.0,
        };
        let lines = run.lines(true);
        let first = [
            "command: `harness sweep recipes/smoke.toml`",
            "commit: unknown",
            "seeds: 0, 1",
            "machine: 2 cores",
        ];
        assert_eq!(lines[..4], first);
        assert_eq!(lines[4..], ["time: 1.5 minutes"]);
        assert_eq!(run.lines(false), first);
        let folder = tempfile::tempdir().unwrap();
        run.write(&folder.path().join("run.json")).unwrap();
        let text = std::fs::read_to_string(folder.path().join("run.json")).unwrap();
        assert_eq!(serde_json::from_str::<Run>(&text).unwrap(), run);
    }
}
