//! Who holds a lease: the process, its machine, and its job in a cluster.

use std::fs;
use std::sync::OnceLock;

/// The number of characters of a line. It is the same for all owners, so that one write replaces a line.
const WIDTH: usize = 254;
/// What stands for an unknown word.
const UNKNOWN: &str = "-";

/// The owner of a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The name of the machine.
    pub host: String,
    /// The machine's run since it was last started.
    pub boot: String,
    /// The space of process numbers; containers have their own.
    pub space: String,
    /// The number of the process.
    pub process: u32,
    /// The name of the job in a cluster; empty outside of one.
    pub name: String,
    /// The number of the job, with its index in an array; empty outside of one.
    pub job: String,
    /// The number of times that the job was queued again.
    pub restart: u32,
}

impl Owner {
    /// This process.
    pub fn this() -> &'static Self {
        static THIS: OnceLock<Owner> = OnceLock::new();
        THIS.get_or_init(|| {
            let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
            let variable = |name: &str| std::env::var(name).unwrap_or_default();
            let space = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
            let (array, index) = (
                variable("SLURM_ARRAY_JOB_ID"),
                variable("SLURM_ARRAY_TASK_ID"),
            );
            Self {
                host: word(&read("/proc/sys/kernel/hostname")),
                boot: word(&read("/proc/sys/kernel/random/boot_id")),
                space: word(&space.to_string_lossy()),
                process: std::process::id(),
                name: word(&variable("SLURM_JOB_NAME")),
                job: match array.is_empty() {
                    true => word(&variable("SLURM_JOB_ID")),
                    false => word(&format!("{array}_{index}")),
                },
                restart: variable("SLURM_RESTART_COUNT").parse().unwrap_or(0),
            }
        })
    }

    /// The line of a lease with this `token`: the token first, then the owner.
    pub fn line(&self, token: u64) -> String {
        let Self {
            host,
            boot,
            space,
            process,
            name,
            job,
            restart,
        } = self;
        let known = |text: &'_ str| match text {
            "" => UNKNOWN.to_string(),
            text => text.to_string(),
        };
        let [host, boot, space, name, job] = [host, boot, space, name, job].map(|text| known(text));
        let line = format!("{token:020} {host} {boot} {space} {process} {name} {job} {restart}");
        format!("{line:<WIDTH$}\n")
    }

    /// The owner in a line; none in a line of an earlier program or a damaged one.
    pub fn of_line(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split_whitespace().skip(1).collect();
        let [host, boot, space, process, name, job, restart] = words[..] else {
            return None;
        };
        let text = |word: &str| match word {
            UNKNOWN => String::new(),
            word => word.to_string(),
        };
        Some(Self {
            host: text(host),
            boot: text(boot),
            space: text(space),
            process: process.parse().ok()?,
            name: text(name),
            job: text(job),
            restart: restart.parse().ok()?,
        })
    }

    /// Returns true if `other` is known to be gone: it was this very job before it was queued again, or a process of
    /// this machine that has ended.
    pub fn knows_gone(&self, other: &Self) -> bool {
        if !other.job.is_empty() && other.job == self.job && other.restart < self.restart {
            return true;
        }
        let place = |owner: &Self| (owner.host.clone(), owner.boot.clone(), owner.space.clone());
        let is_here =
            place(self) == place(other) && !other.boot.is_empty() && !other.space.is_empty();
        is_here && has_ended(other.process)
    }
}

/// Returns true if no process has this number, or only one that waits for its parent to notice its end.
fn has_ended(process: u32) -> bool {
    match fs::read_to_string(format!("/proc/{process}/stat")) {
        // The name before the state may contain anything.
        Ok(text) => text
            .rsplit_once(')')
            .is_some_and(|(_, rest)| rest.trim_start().starts_with('Z')),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

/// `text` as one word.
fn word(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner() -> Owner {
        Owner {
            host: "n1".into(),
            boot: "b".into(),
            space: "pid:[1]".into(),
            process: 7,
            name: "hs-ab-1-0".into(),
            job: "28_0".into(),
            restart: 1,
        }
    }

    #[test]
    fn a_line_is_read_as_it_was_written_and_all_lines_are_as_long() {
        let outside = Owner {
            name: String::new(),
            job: String::new(),
            restart: 0,
            ..owner()
        };
        for owner in [owner(), outside, Owner::this().clone()] {
            let line = owner.line(3);
            assert_eq!(line.len(), WIDTH + 1);
            assert_eq!(Owner::of_line(&line), Some(owner));
        }
        assert_eq!(Owner::of_line("00000000000000000003\n"), None);
        assert_eq!(Owner::of_line(""), None);
    }

    #[test]
    fn only_an_earlier_run_of_the_same_job_is_gone_for_sure() {
        let gone = |other: Owner| owner().knows_gone(&other);
        let elsewhere = Owner {
            host: "n2".into(),
            ..owner()
        };
        let with = |job: &str, restart| Owner {
            job: job.into(),
            restart,
            ..elsewhere.clone()
        };
        assert!(gone(with("28_0", 0)));
        assert!(!gone(with("28_0", 1)) && !gone(with("28_0", 2)));
        assert!(!gone(with("28_1", 0)) && !gone(with("", 0)));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_of_this_machine_is_gone_when_it_has_ended() {
        let this = Owner::this();
        assert!(!this.knows_gone(this));
        // No process has the largest number.
        let ended = Owner {
            process: u32::MAX,
            ..this.clone()
        };
        assert!(this.knows_gone(&ended));
        for other in ["host", "boot", "space"] {
            let mut elsewhere = ended.clone();
            match other {
                "host" => elsewhere.host.push('x'),
                "boot" => elsewhere.boot.push('x'),
                _ => elsewhere.space.push('x'),
            }
            assert!(!this.knows_gone(&elsewhere), "{other}");
        }
    }
}
