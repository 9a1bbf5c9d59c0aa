//! What Slurm says of jobs, read from the text of `squeue` and `sacct`. Their text has been the same for ten years;
//! their JSON changes with nearly every release.

use super::jobs::Place;
use std::collections::BTreeMap;

/// The format of a line of `squeue`, and its number of fields.
pub const SQUEUE: &str = "%F|%K|%T|%r|%S|%L|%N|%j";
const SQUEUE_FIELDS: usize = 8;
/// The fields of a line of `sacct`.
pub const SACCT: &str = "JobID,State,ExitCode,NodeList,JobName";
const SACCT_FIELDS: usize = 5;

/// The state of a job that has not ended.
const ALIVE: [&str; 12] = [
    "PENDING",
    "CONFIGURING",
    "RUNNING",
    "COMPLETING",
    "SUSPENDED",
    "REQUEUED",
    "REQUEUE_FED",
    "REQUEUE_HOLD",
    "RESIZING",
    "SIGNALING",
    "STAGE_OUT",
    "STOPPED",
];
/// The states in which a job holds a node.
const AT_WORK: [&str; 6] = [
    "RUNNING",
    "COMPLETING",
    "SUSPENDED",
    "RESIZING",
    "SIGNALING",
    "STOPPED",
];
/// The reason of a job that waits for one that has failed.
const NEVER: &str = "DependencyNeverSatisfied";

/// A job of an array, or a job without one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// The number of the job, or of the array's job.
    pub job: String,
    /// The index in the array; none without an array.
    pub index: Option<usize>,
    /// The state, such as `RUNNING`.
    pub state: String,
    /// Why it waits.
    pub reason: String,
    /// When it started, or is expected to; empty if unknown.
    pub start: String,
    /// The time that it may still run.
    pub left: String,
    /// Its nodes; empty if it has none.
    pub nodes: String,
    /// Its exit code, as `1:0`; empty if it has not ended.
    pub exit: String,
    /// Its name.
    pub name: String,
}

impl Job {
    /// The place of an element; none for a job without an array.
    pub fn place(&self) -> Option<Place> {
        let job = self.job.clone();
        self.index.map(|index| Place { job, index })
    }

    /// Returns true if the job waits or runs, and may still run.
    pub fn is_alive(&self) -> bool {
        ALIVE.contains(&&*self.state) && self.reason != NEVER
    }

    /// Returns true if the job waits for one that has failed.
    pub fn waits_in_vain(&self) -> bool {
        self.reason == NEVER
    }

    /// Returns true if something else than the job's own program ended it while it was on a node.
    pub fn was_ended_from_outside(&self) -> bool {
        let is_known = !["COMPLETED", "FAILED", "PENDING"].contains(&&*self.state);
        is_known && !self.waits_in_vain() && !self.was_never_on_a_node()
    }

    /// Returns true if the job was cancelled before it was on a node.
    pub fn was_never_on_a_node(&self) -> bool {
        self.state == "CANCELLED" && self.nodes.is_empty()
    }

    /// Returns true if the job is on a node.
    pub fn is_at_work(&self) -> bool {
        AT_WORK.contains(&&*self.state)
    }
}

/// The jobs in the output of `squeue` in the format [`SQUEUE`], without a head. Lines that are none are left out: a
/// site may print greetings.
pub fn of_squeue(text: &str) -> Vec<Job> {
    let job = |line: &str| {
        let fields: Vec<&str> = line.splitn(SQUEUE_FIELDS, '|').map(str::trim).collect();
        let [job, index, state, reason, start, left, nodes, name] = fields[..] else {
            return None;
        };
        is_number(job).then(|| Job {
            job: job.into(),
            index: index.parse().ok(),
            state: first_word(state),
            reason: known(reason),
            start: known(start),
            left: known(left),
            nodes: known(nodes),
            exit: String::new(),
            name: name.into(),
        })
    };
    text.lines().filter_map(job).collect()
}

/// The last state of every job in the output of `sacct -P -n -D` with the fields [`SACCT`]. A job that was queued again
/// has a line for every time that it ran.
pub fn of_sacct(text: &str) -> Vec<Job> {
    let mut jobs: BTreeMap<(String, Option<usize>), Job> = BTreeMap::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.splitn(SACCT_FIELDS, '|').map(str::trim).collect();
        let [id, state, exit, nodes, name] = fields[..] else {
            continue;
        };
        let (job, indices) = match id.split_once('_') {
            Some((job, indices)) => (job, indices_of(indices).into_iter().map(Some).collect()),
            None => (id, vec![None]),
        };
        if !is_number(job) {
            continue;
        }
        for index in indices {
            let found = Job {
                job: job.into(),
                index,
                state: first_word(state),
                reason: String::new(),
                start: String::new(),
                left: String::new(),
                nodes: known(nodes),
                exit: exit.into(),
                name: name.into(),
            };
            jobs.insert((job.into(), index), found);
        }
    }
    jobs.into_values().collect()
}

/// The indices in a text such as `3` or `[0-2,5%4]`.
fn indices_of(text: &str) -> Vec<usize> {
    let text = text.trim_start_matches('[').trim_end_matches(']');
    let text = text.split_once('%').map_or(text, |(indices, _)| indices);
    let range = |part: &str| -> Option<Vec<usize>> {
        match part.split_once('-') {
            Some((from, to)) => Some((from.parse().ok()?..=to.parse().ok()?).collect()),
            None => Some(vec![part.parse().ok()?]),
        }
    };
    text.split(',').filter_map(range).flatten().collect()
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `CANCELLED by 1000` is a state with its cause.
fn first_word(state: &str) -> String {
    let word = state.split([' ', '+']).next();
    word.unwrap_or_default().to_string()
}

/// A field that Slurm knows, or an empty one.
fn known(field: &str) -> String {
    let is_unknown = ["N/A", "None", "Unknown", "(null)", "None assigned"].contains(&field);
    if is_unknown {
        String::new()
    } else {
        field.into()
    }
}

/// Why a job waits, in words.
pub fn reason_in_words(reason: &str) -> String {
    let words = match reason {
        "" => "Slurm has not looked at it yet",
        "Priority" => "jobs with a higher priority come first",
        "Resources" => "no node is free",
        "Dependency" => "it waits for another element",
        NEVER => "an element that it needs has failed",
        "JobArrayTaskLimit" => "as many run as the profile allows",
        "BeginTime" => "it is queued again and soon may start",
        "JobHeldUser" => "the user holds it",
        "JobHeldAdmin" => "an administrator holds it",
        "QOSMaxJobsPerUserLimit" | "AssocMaxJobsLimit" => {
            "as many of your jobs run as your site allows"
        }
        "ReqNodeNotAvail" => "a node that it needs is not available",
        "PartitionDown" | "PartitionInactive" => "its partition is not in use",
        other => other,
    };
    words.to_string()
}

/// How a job ended that left its stages undone, in words.
pub fn end_in_words(state: &str) -> String {
    let words = match state {
        "TIMEOUT" => "killed at its time limit; is `lead` long enough for a step and a checkpoint?",
        "OUT_OF_MEMORY" => "killed because it needed more memory than `mem`",
        "NODE_FAIL" => "its node failed",
        "BOOT_FAIL" => "its node did not start",
        "DEADLINE" => "it could not end before its deadline",
        "PREEMPTED" => "it had to make room for another job",
        "CANCELLED" => "cancelled",
        "COMPLETED" | "FAILED" => "it ended without its results",
        other => other,
    };
    words.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines as Slurm 22.05 writes them.
    const LINES: &str = "Welcome to the cluster!\n\
        28|0|RUNNING|None|2026-11-28T16:21:00|18:02|n1|hs-ab-0-0\n\
        28|1|PENDING|BeginTime|2026-11-28T16:23:01|20:00|(null)|hs-ab-0-0\n\
        29|3|PENDING|DependencyNeverSatisfied|N/A|20:00||hs-ab-1-0\n\
        30|N/A|COMPLETED|None|2026-11-28T16:21:00|0:00|n2|hs-ab-finish\n";

    #[test]
    fn lines_of_squeue_are_read_and_others_left_out() {
        let jobs = of_squeue(LINES);
        let told = |job: &Job| {
            (
                job.place().map(|it| it.to_string()),
                job.is_alive(),
                job.is_at_work(),
            )
        };
        let told: Vec<_> = jobs.iter().map(told).collect();
        let expected = [
            (Some("28_0".into()), true, true),
            (Some("28_1".into()), true, false),
            (Some("29_3".into()), false, false),
            (None, false, false),
        ];
        assert_eq!(told, expected);
        assert_eq!(
            (&*jobs[0].nodes, &*jobs[0].left, &*jobs[0].reason),
            ("n1", "18:02", "")
        );
        assert_eq!(
            (&*jobs[1].nodes, &*jobs[2].start, &*jobs[3].name),
            ("", "", "hs-ab-finish")
        );
    }

    #[test]
    fn of_a_job_that_ran_several_times_the_last_one_counts() {
        let text = "28_0|REQUEUED|0:0|n1|hs-ab-0-0\n28_0|CANCELLED by 1000|0:15|n2|hs-ab-0-0\n\
                    28_[1-2,4%1]|PENDING|0:0|None assigned|hs-ab-0-0\n30|COMPLETED|0:0|n1|hs-ab-finish\n";
        let jobs = of_sacct(text);
        let told: Vec<_> = jobs
            .iter()
            .map(|it| (it.index, &*it.state, &*it.nodes))
            .collect();
        let expected = [
            (Some(0), "CANCELLED", "n2"),
            (Some(1), "PENDING", ""),
            (Some(2), "PENDING", ""),
            (Some(4), "PENDING", ""),
            (None, "COMPLETED", "n1"),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_reason_without_words_is_told_as_slurm_says_it() {
        assert_eq!(reason_in_words("QOSGrpGRES"), "QOSGrpGRES");
        assert_eq!(
            reason_in_words("Dependency"),
            "it waits for another element"
        );
        assert!(end_in_words("TIMEOUT").contains("`lead`"));
        assert_eq!(end_in_words("REVOKED"), "REVOKED");
    }
}
