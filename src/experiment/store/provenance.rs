//! Where a run comes from: commit, machine, time. Written beside the tables, so that the tables themselves stay the same
//! bytes from run to run.

use crate::atomic::write_atomically;
use crate::recipe::Plan;
use anyhow::Result;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Seconds of a minute, where a duration is told.
const MINUTE: f64 = 60.0;

/// The state of the world at the start of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Provenance {
    /// The recipe's name.
    pub recipe: String,
    /// `--set` arguments.
    pub set: Vec<String>,
    /// Seeds of every variant.
    pub seeds: Vec<u64>,
    /// Version of the program.
    pub version: String,
    /// Git commit of the recipe's folder; none outside a repository.
    pub commit: Option<String>,
    /// Whether files other than results differ from that commit.
    pub changed: bool,
    /// How the tracked ones differ, as `git diff` tells it.
    #[serde(skip)]
    pub diff: Option<Vec<u8>>,
    /// Processor.
    pub cpu: String,
    /// Its cores that the process may use.
    pub cores: usize,
    /// Operating system.
    pub os: String,
}

/// How long a run took.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Times {
    /// Trials at once.
    pub workers: usize,
    /// Seconds from the start of this process to its end.
    pub wall_seconds: f64,
    /// Seconds of work of all stages of the plan, those of earlier processes included.
    pub work_seconds: f64,
}

impl Provenance {
    /// Looks around. `recipe` is the recipe's file.
    pub fn new(recipe: &Path, set: &[String], plan: &Plan) -> Self {
        let git = |arguments: &[&str]| git(recipe, arguments);
        let status = ["status", "--porcelain", "--", ":/", ":(top,exclude)results"];
        let changed = git(&status).is_some_and(|files| !files.trim_ascii().is_empty());
        let diff = ["diff", "HEAD", "--", ":/", ":(top,exclude)results"];
        Self {
            recipe: plan.recipe.clone(),
            set: set.to_vec(),
            seeds: plan.seeds.clone(),
            version: env!("CARGO_PKG_VERSION").to_string(),
            commit: commit(recipe),
            changed,
            diff: changed.then(|| git(&diff)).flatten(),
            cpu: cpu(),
            cores: cores(),
            os: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        }
    }

    /// Lines for the header of a table; none of them tells the time.
    pub fn lines(&self) -> Vec<String> {
        let seeds: Vec<String> = self.seeds.iter().map(u64::to_string).collect();
        let plural = if seeds.len() == 1 { "" } else { "s" };
        let mut lines = vec![
            format!("Commit: {}", self.commit()),
            format!("Seed{plural}: {}", seeds.join(", ")),
            format!("Machine: {}, {} cores, {}", self.cpu, self.cores, self.os),
        ];
        if !self.set.is_empty() {
            lines.push(format!("Set by hand: {}", self.set.join(" ")));
        }
        lines
    }

    fn commit(&self) -> String {
        let commit = self.commit.as_deref().unwrap_or("unknown");
        let changed = if self.changed {
            ", with local changes"
        } else {
            ""
        };
        format!("{commit}{changed}")
    }

    /// The file for programs in the results folder `out`.
    pub fn path(out: &Path, recipe: &str) -> PathBuf {
        out.join(format!("run-{recipe}.json"))
    }

    /// Writes `run-<recipe>.json`, for programs, and `about-<recipe>.md`, for people: several recipes may share a results folder.
    ///
    /// # Errors
    /// The folder is not writable.
    pub fn write(&self, out: &Path, plan: &Plan, times: Times) -> Result<()> {
        #[derive(Serialize)]
        struct Run<'a> {
            #[serde(flatten)]
            provenance: &'a Provenance,
            #[serde(flatten)]
            times: Times,
        }
        let run = Run {
            provenance: self,
            times,
        };
        let json = serde_json::to_string_pretty(&run)? + "\n";
        write_atomically(&Self::path(out, &plan.recipe), json.as_bytes())?;
        let about = out.join(format!("about-{}.md", plan.recipe));
        write_atomically(&about, self.about(plan, times).as_bytes())
    }

    fn about(&self, plan: &Plan, times: Times) -> String {
        let mut text = format!("# Results of the recipe `{}`\n\n", self.recipe);
        for line in self.lines() {
            text.push_str(&format!("- {line}\n"));
        }
        text.push_str(&format!(
            "- Time: {:.1} minutes of work, {:.1} minutes of the clock in the last run ({} workers)\n\n",
            times.work_seconds / MINUTE,
            times.wall_seconds / MINUTE,
            times.workers,
        ));
        for sweep in &plan.sweeps {
            let name = &sweep.name;
            text.push_str(&format!(
                "- [{name}]({name}.md) ([csv]({name}.csv)): {}\n",
                sweep.question
            ));
        }
        text.push_str("\n`records.jsonl` holds one line per trial, `timing.jsonl` its seconds.\n");
        text
    }
}

/// Git commit of the folder of the file `recipe`; none outside a repository.
pub fn commit(recipe: &Path) -> Option<String> {
    let text = git(recipe, &["rev-parse", "HEAD"])?;
    Some(String::from_utf8_lossy(&text).trim().to_string())
}

/// What git says in the folder of the file `recipe`, if it is content.
fn git(recipe: &Path, arguments: &[&str]) -> Option<Vec<u8>> {
    let folder = recipe
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let output = Command::new("git")
        .arg("-C")
        .arg(folder.unwrap_or(Path::new(".")))
        .args(arguments)
        .output()
        .ok()?;
    output.status.success().then_some(output.stdout)
}

/// Cores that the process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The processor's name as Linux tells it, else unknown.
fn cpu() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let name = line.map(|line| line.trim_start_matches([' ', '\t', ':']).trim().to_string());
    name.unwrap_or_else(|| "unknown processor".to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::{Row, SweepPlan};

    fn provenance() -> Provenance {
        Provenance {
            recipe: "ablation".into(),
            set: vec!["seeds=[0, 1]".into()],
            seeds: vec![0, 1],
            version: "0.1.0".into(),
            commit: Some("abc".into()),
            changed: true,
            diff: None,
            cpu: "Brand X".into(),
            cores: 2,
            os: "linux x86_64".into(),
        }
    }

    #[test]
    fn a_results_folder_explains_itself() {
        let row = Row {
            label: "a".into(),
            paper: None,
            trials: vec![0],
        };
        let sweep = SweepPlan {
            name: "modules".into(),
            question: "Which one?".into(),
            reference: None,
            paper: None,
            rows: vec![row],
        };
        let plan = Plan {
            notes: Vec::new(),
            recipe: "ablation".into(),
            results: "ablation".into(),
            seeds: vec![0, 1],
            sweeps: vec![sweep],
            trials: Vec::new(),
        };
        let folder = tempfile::tempdir().unwrap();
        let times = Times {
            workers: 2,
            wall_seconds: 90.0,
            work_seconds: 150.0,
        };
        provenance().write(folder.path(), &plan, times).unwrap();
        let readme = std::fs::read_to_string(folder.path().join("about-ablation.md")).unwrap();
        for part in [
            "- Commit: abc, with local changes\n",
            "- Seeds: 0, 1\n",
            "- Machine: Brand X, 2 cores, linux x86_64\n",
            "2.5 minutes of work, 1.5 minutes of the clock",
            "[modules](modules.md) ([csv](modules.csv)): Which one?",
        ] {
            assert!(readme.contains(part), "{part}: {readme}");
        }
        let json = std::fs::read_to_string(folder.path().join("run-ablation.json")).unwrap();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(
            (&json["commit"], &json["work_seconds"]),
            (&"abc".into(), &150.0.into())
        );
    }
}
