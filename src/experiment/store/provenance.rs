//! The provenance of a run: program, commit of the recipe, machine, time. It is written beside the tables, so that the
//! tables have the same bytes in every run.

use super::program::commit_text;
use super::system::SystemInfo;
use crate::atomic::write_atomically;
use crate::recipe::{Plan, SeedRange};
use crate::screen::counted;
use anyhow::Result;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// The number of seconds in a minute.
const MINUTE: f64 = 60.0;
/// The number of seconds in a day.
const DAY: u64 = 86_400;

/// The provenance, collected at the start of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Provenance {
    /// The name of the recipe.
    pub recipe: String,
    /// The `--set` arguments.
    pub set: Vec<String>,
    /// The seeds of every variant.
    pub seeds: Vec<u64>,
    /// How many of them a variant has that gets seeds until it is decided; none if every variant has all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<SeedRange>,
    /// The program, the commit of the recipe's folder, and the machine.
    #[serde(flatten)]
    pub system: SystemInfo,
}

/// The times of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Times {
    /// The number of trials that run at the same time.
    pub workers: usize,
    /// The seconds from the start of this process to its end.
    pub wall_seconds: f64,
    /// The seconds of work of all stages of the plan, including those of earlier processes.
    pub work_seconds: f64,
    /// The end of the run in UTC, as `2026-11-30T02:15:00Z`.
    pub ended: String,
}

impl Provenance {
    /// Collects the provenance. `recipe` is the file of the recipe.
    pub fn new(recipe: &Path, set: &[String], plan: &Plan) -> Self {
        Self {
            recipe: plan.recipe.clone(),
            set: set.to_vec(),
            seeds: plan.seeds.clone(),
            range: plan.range,
            system: SystemInfo::new(Some(recipe)),
        }
    }

    /// Lines for the header of a table. None of them depends on the time.
    pub fn lines(&self) -> Vec<String> {
        let seeds: Vec<String> = self.seeds.iter().map(u64::to_string).collect();
        let plural = if seeds.len() == 1 { "" } else { "s" };
        let SystemInfo {
            version,
            program,
            commit,
            changed,
            cpu,
            cores,
            os,
            ..
        } = &self.system;
        let recipe = match commit {
            Some(commit) => format!("commit {}", commit_text(Some(commit), *changed)),
            None => "outside a repository".to_string(),
        };
        let mut lines = vec![
            format!("Program: {version}, commit {}", program.text()),
            format!("Recipe: {recipe}"),
            match self.range {
                Some(range) => format!(
                    "Seeds: from 0 on until decided, {} to {} for each row",
                    range.at_least, range.at_most
                ),
                None => format!("Seed{plural}: {}", seeds.join(", ")),
            },
            format!("Machine: {cpu}, {cores} cores, {os}"),
        ];
        if !self.set.is_empty() {
            lines.push(format!("Set by hand: {}", self.set.join(" ")));
        }
        lines
    }

    /// The file for programs in the results folder `out`.
    pub fn path(out: &Path, recipe: &str) -> PathBuf {
        out.join(format!("run-{recipe}.json"))
    }

    /// Writes `run-<recipe>.json`, for programs, and `about-<recipe>.md`, for people. Several recipes may
    /// share a results folder.
    ///
    /// # Errors
    /// The folder is not writable.
    pub fn write(&self, out: &Path, plan: &Plan, times: &Times) -> Result<()> {
        #[derive(Serialize)]
        struct Run<'a> {
            #[serde(flatten)]
            provenance: &'a Provenance,
            #[serde(flatten)]
            times: &'a Times,
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

    fn about(&self, plan: &Plan, times: &Times) -> String {
        let mut text = format!("# Results of the recipe `{}`\n\n", self.recipe);
        for line in self.lines() {
            text.push_str(&format!("- {line}\n"));
        }
        text.push_str(&format!(
            "- Time: {:.1} minutes of work, {:.1} minutes of wall time in the last run ({})\n\n",
            times.work_seconds / MINUTE,
            times.wall_seconds / MINUTE,
            counted(times.workers, "worker"),
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

/// The time in UTC, as `2026-11-30T02:15:00Z`.
pub fn utc(time: SystemTime) -> String {
    let seconds = time
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let (days, rest) = (seconds / DAY, seconds % DAY);
    // Years begin in March, so that the day that only leap years have comes last; 719468 days lie between the first of
    // March of the year 0 and 1970.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::store::program::Program;
    use crate::recipe::{RowPlan, SweepPlan};

    fn provenance() -> Provenance {
        Provenance {
            recipe: "ablation".into(),
            set: vec!["seeds=[0, 1]".into()],
            seeds: vec![0, 1],
            range: None,
            system: SystemInfo {
                version: "0.1.0".into(),
                program: Program {
                    commit: Some("def".into()),
                    changed: false,
                },
                commit: Some("abc".into()),
                changed: true,
                diff: None,
                cpu: "Brand X".into(),
                cores: 2,
                os: "linux x86_64".into(),
            },
        }
    }

    #[test]
    fn times_are_told_in_utc() {
        let cases = [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ];
        for (seconds, text) in cases {
            assert_eq!(
                utc(UNIX_EPOCH + std::time::Duration::from_secs(seconds)),
                text
            );
        }
    }

    #[test]
    fn a_results_folder_explains_itself() {
        let row = RowPlan {
            label: "a".into(),
            paper: None,
            trials: vec![0],
            group: None,
            place: None,
        };
        let sweep = SweepPlan {
            name: "modules".into(),
            question: "Which one?".into(),
            reference: None,
            paper: None,
            columns: Vec::new(),
            until: None,
            decisions: Vec::new(),
            rows: vec![row],
        };
        let plan = Plan {
            written: Default::default(),
            notes: Vec::new(),
            recipe: "ablation".into(),
            results: "ablation".into(),
            seeds: vec![0, 1],
            range: None,
            sweeps: vec![sweep],
            trials: Vec::new(),
        };
        let folder = tempfile::tempdir().unwrap();
        let times = Times {
            workers: 2,
            wall_seconds: 90.0,
            work_seconds: 150.0,
            ended: "2026-11-30T02:15:00Z".into(),
        };
        provenance().write(folder.path(), &plan, &times).unwrap();
        let readme = std::fs::read_to_string(folder.path().join("about-ablation.md")).unwrap();
        for part in [
            "- Program: 0.1.0, commit def\n",
            "- Recipe: commit abc, with local changes\n",
            "- Seeds: 0, 1\n",
            "- Machine: Brand X, 2 cores, linux x86_64\n",
            "2.5 minutes of work, 1.5 minutes of wall time",
            "[modules](modules.md) ([csv](modules.csv)): Which one?",
        ] {
            assert!(readme.contains(part), "{part}: {readme}");
        }
        let json = std::fs::read_to_string(folder.path().join("run-ablation.json")).unwrap();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(
            (&json["commit"], &json["program"]["commit"]),
            (&"abc".into(), &"def".into())
        );
        assert_eq!(json["work_seconds"], 150.0);
        assert_eq!(json["ended"], "2026-11-30T02:15:00Z");
    }
}
