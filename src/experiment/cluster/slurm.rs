//! Slurm's commands: hand over, ask, cancel. All that the program knows of them stands here, in [`super::queue`] and in
//! [`super::script`], so that another engine would be other files beside these.

use super::jobs::Place;
use super::queue::{Job, SACCT, SQUEUE, of_sacct, of_squeue};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Variables with which a user changes the output of these commands. Those of `sbatch` stay: they name an account.
const OUTPUT_VARIABLES: [&str; 4] = ["SQUEUE_", "SACCT_", "SCANCEL_", "SLURM_TIME_FORMAT"];
/// Variables that would change what the script asks for, or make `sbatch` wait for the end of the jobs.
const OTHER_JOBS: [&str; 6] = [
    "SBATCH_ARRAY_INX",
    "SBATCH_NO_REQUEUE",
    "SBATCH_OPEN_MODE",
    "SBATCH_REQUEUE",
    "SBATCH_SIGNAL",
    "SBATCH_WAIT",
];
/// The beginning of the variables that describe a job.
const JOB_VARIABLES: &str = "SLURM_";
/// Those among them that choose a Slurm.
const CHOOSING: [&str; 2] = ["SLURM_CONF", "SLURM_CLUSTERS"];
/// The number of elements that one call of `scancel` gets.
const CANCELLED_AT_ONCE: usize = 200;
/// The time between two equal questions of a page that is written again and again.
const ASK_AGAIN: Duration = Duration::from_secs(30);
/// What Slurm says where a user has as many jobs as allowed. Its words differ with the limit that is met.
const LIMITS: [&str; 4] = [
    "QOSMaxSubmitJob",
    "AssocMaxSubmitJob",
    "Job violates accounting/QOS policy",
    "job submit limit",
];
/// The largest index of an array and one, where Slurm does not say it.
const USUAL_MAX_ARRAY: usize = 1001;

/// Why `sbatch` did not take a job.
#[derive(Debug, thiserror::Error)]
pub enum NotTaken {
    /// The user has as many jobs as the site allows.
    #[error("{0}")]
    Limit(String),
    /// Anything else.
    #[error("{0}")]
    Refused(String),
}

/// Slurm, or one of its clusters.
#[derive(Clone, Debug, Default)]
pub struct Slurm {
    /// The clusters of a federation; empty for the usual one.
    pub clusters: String,
}

impl Slurm {
    /// A command of Slurm whose output depends on nothing but its arguments.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let names = std::env::vars_os().map(|(name, _)| name);
        for name in names {
            let text = name.to_string_lossy();
            if OUTPUT_VARIABLES.iter().any(|start| text.starts_with(start)) {
                command.env_remove(name);
            }
        }
        command.env("LC_ALL", "C").stdin(Stdio::null());
        command
    }

    /// `sbatch`, which hears of no other job. Who submits may be in one, and the new jobs would inherit its cores and
    /// its number.
    fn sbatch(&self) -> Command {
        let mut command = self.command("sbatch");
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            let is_of_job = text.starts_with(JOB_VARIABLES) && !CHOOSING.contains(&&*text);
            if is_of_job || OTHER_JOBS.contains(&&*text) {
                command.env_remove(name);
            }
        }
        command
    }

    /// The same for a command that is told the clusters.
    fn of_clusters(&self, program: &str) -> Command {
        let mut command = self.command(program);
        if !self.clusters.is_empty() {
            command.arg(format!("--clusters={}", self.clusters));
        }
        command
    }

    /// Hands over the jobs that `arguments` describe, and returns their number.
    ///
    /// # Errors
    /// Slurm does not take them. It says why.
    pub fn submit(&self, arguments: &[String]) -> Result<String, NotTaken> {
        let mut command = self.sbatch();
        let output = command.args(arguments).output();
        let output =
            output.map_err(|error| NotTaken::Refused(format!("cannot run sbatch: {error}")))?;
        let job = job_number(&String::from_utf8_lossy(&output.stdout));
        match job.filter(|_| output.status.success()) {
            Some(job) => Ok(job),
            None => {
                let told = told(&output);
                match LIMITS.iter().any(|limit| told.contains(limit)) {
                    true => Err(NotTaken::Limit(told)),
                    false => Err(NotTaken::Refused(told)),
                }
            }
        }
    }

    /// Asks whether Slurm would take the jobs that `arguments` describe, without the script at their end, which is
    /// `script`. Returns what Slurm says.
    ///
    /// # Errors
    /// It would not, or it cannot be asked.
    pub fn test(&self, arguments: &[String], script: &str) -> Result<String> {
        let mut command = self.sbatch();
        command.arg("--test-only").args(arguments);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().context("cannot run sbatch")?;
        if let Some(mut stdin) = child.stdin.take() {
            // It may refuse the arguments without reading the script.
            stdin.write_all(script.as_bytes()).ok();
        }
        let output = child.wait_with_output().context("cannot run sbatch")?;
        match output.status.success() {
            true => Ok(told(&output)),
            false => bail!("sbatch: {}", told(&output)),
        }
    }

    /// As [`Self::queue`]; an answer to the same question that is younger than 30 seconds is given again.
    ///
    /// # Errors
    /// Slurm cannot be asked.
    pub fn queue_lately(&self, names: &[String]) -> Result<Vec<Job>> {
        static KNOWN: Lately = Lately::new();
        let question = (self.clusters.clone(), names.to_vec());
        KNOWN.answer(Instant::now(), question, || self.queue(names))
    }

    /// The jobs with one of these `names` that Slurm still knows.
    ///
    /// # Errors
    /// Slurm cannot be asked.
    pub fn queue(&self, names: &[String]) -> Result<Vec<Job>> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let mut command = self.of_clusters("squeue");
        // An unknown number of a job would be an error, an unknown name is none.
        command.args(["--noheader", "--array", "--states=all"]);
        command.arg(format!("--name={}", names.join(",")));
        command.arg(format!("--format={SQUEUE}"));
        let output = command.output().context("cannot run squeue")?;
        match output.status.success() {
            true => Ok(of_squeue(&String::from_utf8_lossy(&output.stdout))),
            false => bail!("squeue: {}", told(&output)),
        }
    }

    /// The jobs with one of these `names` in Slurm's accounts since the day of `since` (UTC); none where no accounts
    /// are kept.
    pub fn accounts(&self, names: &[String], since: &str) -> Option<Vec<Job>> {
        let mut command = self.of_clusters("sacct");
        command.args(["--allocations", "--parsable2", "--noheader", "--duplicates"]);
        command.arg(format!("--name={}", names.join(",")));
        // The day before, because the clock of the accounts may be another one.
        command.arg(format!("--starttime={}", day_before(since)));
        command.arg(format!("--format={SACCT}"));
        let output = command.output().ok()?;
        output
            .status
            .success()
            .then(|| of_sacct(&String::from_utf8_lossy(&output.stdout)))
    }

    /// Cancels elements.
    ///
    /// # Errors
    /// Slurm refuses. It says why.
    pub fn cancel(&self, places: &[Place]) -> Result<()> {
        for some in places.chunks(CANCELLED_AT_ONCE) {
            let mut command = self.of_clusters("scancel");
            command
                .arg("--quiet")
                .args(some.iter().map(Place::to_string));
            let output = command.output().context("cannot run scancel")?;
            if !output.status.success() {
                bail!("scancel: {}", told(&output));
            }
        }
        Ok(())
    }

    /// The number of elements that an array may have: indices begin at 0, and the largest is one less.
    pub fn max_array(&self) -> usize {
        let output = self
            .of_clusters("scontrol")
            .args(["show", "config"])
            .output();
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        let found = text.ok().and_then(|text| max_array(&text));
        found.unwrap_or(USUAL_MAX_ARRAY)
    }
}

/// The clusters and the names of jobs that were asked for.
type Question = (String, Vec<String>);

/// The answers of the last seconds.
struct Lately(Mutex<BTreeMap<Question, (Instant, Vec<Job>)>>);

impl Lately {
    const fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    /// The answer to a `question` at the time `now`, from `ask` if none is young enough.
    fn answer(
        &self,
        now: Instant,
        question: Question,
        ask: impl FnOnce() -> Result<Vec<Job>>,
    ) -> Result<Vec<Job>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, (at, _)| now.saturating_duration_since(*at) < ASK_AGAIN);
        if let Some((_, jobs)) = known.get(&question) {
            return Ok(jobs.clone());
        }
        let jobs = ask()?;
        known.insert(question, (now, jobs.clone()));
        Ok(jobs)
    }
}

/// The number of the job in the output of `sbatch --parsable`: `28`, or `28;cluster`. A site may print more lines.
fn job_number(text: &str) -> Option<String> {
    let number = |line: &str| {
        let number = line.trim().split(';').next().unwrap_or_default();
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| number.to_string())
    };
    text.lines().rev().find_map(number)
}

/// `MaxArraySize` in the output of `scontrol show config`.
fn max_array(text: &str) -> Option<usize> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MaxArraySize"))?;
    line.trim_start_matches([' ', '=']).trim().parse().ok()
}

/// The midnight before the day of a time such as `2026-11-30T02:15:00Z`.
fn day_before(time: &str) -> String {
    let mut words = time.split(['-', 'T']).map(|word| word.parse::<u32>().ok());
    let mut next = || words.next().flatten();
    match (next(), next(), next()) {
        (Some(year), Some(month), Some(day)) if day > 1 => {
            format!("{year:04}-{month:02}-{:02}", day - 1)
        }
        // The first of a month is itself early enough on clocks that differ by hours.
        (Some(year), Some(1), Some(_)) => format!("{:04}-12-31", year - 1),
        (Some(year), Some(month), Some(_)) => format!("{year:04}-{:02}-28", month - 1),
        _ => "1970-01-01".into(),
    }
}

/// What a command said, in one line.
fn told(output: &Output) -> String {
    let text = match output.stderr.trim_ascii().is_empty() {
        true => &output.stdout,
        false => &output.stderr,
    };
    let text = String::from_utf8_lossy(text);
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    match lines.is_empty() {
        true => format!("it ended with {}", output.status),
        false => lines.join("; "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_job_is_found_among_greetings() {
        assert_eq!(job_number("28\n").as_deref(), Some("28"));
        assert_eq!(job_number("Welcome!\n28;north\n").as_deref(), Some("28"));
        assert_eq!(job_number("sbatch: error\n"), None);
        assert_eq!(job_number(""), None);
    }

    #[test]
    fn the_same_question_is_asked_every_thirty_seconds() {
        let (lately, start) = (Lately::new(), Instant::now());
        let mut asked = Vec::new();
        let mut ask = |name: &str, second: u64| {
            let question = (String::new(), vec![name.to_string()]);
            let now = start + Duration::from_secs(second);
            let answer = lately.answer(now, question, || {
                asked.push((name.to_string(), second));
                Ok(Vec::new())
            });
            assert_eq!(answer.unwrap(), []);
        };
        for (name, second) in [
            ("a", 0),
            ("a", 29),
            ("b", 29),
            ("a", 30),
            ("b", 40),
            ("b", 59),
        ] {
            ask(name, second);
        }
        let expected = [("a", 0), ("b", 29), ("a", 30), ("b", 59)];
        assert_eq!(
            asked,
            expected.map(|(name, second)| (name.to_string(), second))
        );
        let failed = lately.answer(start, (String::new(), Vec::new()), || bail!("no answer"));
        assert!(failed.is_err(), "an error is no answer");
    }

    #[test]
    fn the_largest_array_is_read_from_the_configuration() {
        let text = "MailProg = /bin/mail\nMaxArraySize            = 5001\nMaxJobCount = 10000\n";
        assert_eq!(max_array(text), Some(5001));
        assert_eq!(max_array("slurm_load_ctl_conf error\n"), None);
    }

    #[test]
    fn accounts_are_asked_for_from_a_day_before_on() {
        for (time, expected) in [
            ("2026-11-30T02:15:00Z", "2026-11-29"),
            ("2026-03-01T00:00:00Z", "2026-02-28"),
            ("2026-01-01T00:00:00Z", "2025-12-31"),
            ("soon", "1970-01-01"),
        ] {
            assert_eq!(day_before(time), expected);
        }
    }
}
