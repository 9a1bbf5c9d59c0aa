//! What was handed over to Slurm: `jobs.jsonl` in the folder of a submission, one line for each event.
//!
//! Before `sbatch` is called, the intent is noted, and after it the number of the job. A process that dies between the
//! two leaves an intent without a job; the next `harness submit` asks Slurm for the job by its name, which is unique.

use crate::experiment::store::provenance::utc;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::time::SystemTime;

/// The number of a job's element: that of the array, and the index in it. It stays the same when the job is queued
/// again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The number of the array's job.
    pub job: String,
    /// The index in the array.
    pub index: usize,
}

impl fmt::Display for Place {
    /// The place as Slurm's commands read it: `28_0`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.job, self.index)
    }
}

/// One line of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum Event {
    /// `sbatch` is about to be called.
    Intent {
        /// The name of the job.
        name: String,
        /// The number of the first element.
        first: usize,
        /// The number of elements; 0: the job that writes the tables.
        count: usize,
        /// The time in UTC.
        at: String,
    },
    /// Slurm has the job.
    Submitted {
        /// The name of the job.
        name: String,
        /// Its number.
        job: String,
        /// The time in UTC.
        at: String,
    },
    /// Slurm has not taken the job.
    Refused {
        /// The name of the job.
        name: String,
        /// The time in UTC.
        at: String,
    },
    /// The user has cancelled elements.
    Cancelled {
        /// The name of the job.
        name: String,
        /// The indices in the array.
        indices: Vec<usize>,
        /// The time in UTC.
        at: String,
    },
}

/// An array of jobs that was handed over, or was to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubmittedArray {
    /// The name of the job.
    pub name: String,
    /// The number of the first element.
    pub first: usize,
    /// The number of elements; 0: the job that writes the tables.
    pub count: usize,
    /// The number of the job; none if it is unknown whether Slurm has it.
    pub job: Option<String>,
    /// The time of the intent in UTC.
    pub at: String,
    /// The indices of elements that the user has cancelled.
    pub cancelled: BTreeSet<usize>,
}

/// The file of events.
#[derive(Clone, Debug)]
pub struct Jobs<'a> {
    path: &'a Path,
}

impl<'a> Jobs<'a> {
    /// The events in the file `path`, which need not exist.
    pub fn at(path: &'a Path) -> Self {
        Self { path }
    }

    /// The arrays in the order of their intents. A job that Slurm refused is left out, and so is a line that a process
    /// could not write to its end.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(&self) -> Result<Vec<SubmittedArray>> {
        let text = match fs::read_to_string(self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            text => text.with_context(|| format!("cannot read {}", self.path.display()))?,
        };
        let (mut arrays, mut refused) = (Vec::<SubmittedArray>::new(), BTreeSet::new());
        let events = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        for event in events {
            let place = |name: &str| arrays.iter().position(|array| array.name == name);
            match event {
                Event::Intent {
                    name,
                    first,
                    count,
                    at,
                } if place(&name).is_none() => arrays.push(SubmittedArray {
                    name,
                    first,
                    count,
                    job: None,
                    at,
                    cancelled: BTreeSet::new(),
                }),
                Event::Intent { .. } => {}
                Event::Submitted { name, job, .. } => {
                    if let Some(place) = place(&name) {
                        arrays[place].job = Some(job);
                    }
                    // Slurm answered after somebody else had given it up.
                    refused.remove(&name);
                }
                Event::Refused { name, .. } => {
                    refused.insert(name);
                }
                Event::Cancelled { name, indices, .. } => {
                    if let Some(place) = place(&name) {
                        arrays[place].cancelled.extend(indices);
                    }
                }
            }
        }
        arrays.retain(|array| !refused.contains(&array.name));
        Ok(arrays)
    }

    /// Notes that the job `name` is about to be handed over, with `count` elements from the number `first` on.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn intend(&self, name: &str, first: usize, count: usize) -> Result<()> {
        self.append(&Event::Intent {
            name: name.into(),
            first,
            count,
            at: now(),
        })
    }

    /// Notes that Slurm has the job `name`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn submitted(&self, name: &str, job: &str) -> Result<()> {
        self.append(&Event::Submitted {
            name: name.into(),
            job: job.into(),
            at: now(),
        })
    }

    /// Notes that Slurm has not taken the job `name`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn refused(&self, name: &str) -> Result<()> {
        self.append(&Event::Refused {
            name: name.into(),
            at: now(),
        })
    }

    /// Notes that the user has cancelled elements of the job `name`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn cancelled(&self, name: &str, indices: Vec<usize>) -> Result<()> {
        self.append(&Event::Cancelled {
            name: name.into(),
            indices,
            at: now(),
        })
    }

    /// Adds a line. The one before it may have been cut, and would swallow this one.
    fn append(&self, event: &Event) -> Result<()> {
        let mut line = serde_json::to_string(event)? + "\n";
        if fs::read(self.path).is_ok_and(|text| text.last().is_some_and(|end| *end != b'\n')) {
            line.insert(0, '\n');
        }
        let mut options = OpenOptions::new();
        let file = options.append(true).create(true).open(self.path);
        let written = file.and_then(|mut file| {
            file.write_all(line.as_bytes())?;
            file.sync_all()
        });
        written.with_context(|| format!("cannot write {}", self.path.display()))
    }
}

fn now() -> String {
    utc(SystemTime::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_intent_without_a_job_stays_until_slurm_has_answered() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jobs.jsonl");
        let jobs = Jobs::at(&path);
        assert_eq!(jobs.read().unwrap(), []);
        jobs.intend("a", 0, 3).unwrap();
        jobs.intend("b", 3, 2).unwrap();
        jobs.submitted("a", "17").unwrap();
        jobs.cancelled("a", vec![2]).unwrap();
        let found = jobs.read().unwrap();
        let told: Vec<_> = found
            .iter()
            .map(|it| (&*it.name, it.first, it.job.as_deref()))
            .collect();
        assert_eq!(told, [("a", 0, Some("17")), ("b", 3, None)]);
        assert_eq!(found[0].cancelled, BTreeSet::from([2]));
        jobs.refused("b").unwrap();
        assert_eq!(jobs.read().unwrap().len(), 1);
        jobs.submitted("b", "18").unwrap();
        let found = jobs.read().unwrap();
        assert_eq!(found[1].job.as_deref(), Some("18"), "a late answer");
    }

    #[test]
    fn a_cut_line_costs_itself_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jobs.jsonl");
        let jobs = Jobs::at(&path);
        jobs.intend("a", 0, 3).unwrap();
        let whole = fs::read(&path).unwrap();
        fs::write(&path, [&whole[..], b"{\"event\":\"subm"].concat()).unwrap();
        jobs.intend("b", 3, 2).unwrap();
        jobs.submitted("b", "18").unwrap();
        let names: Vec<_> = jobs
            .read()
            .unwrap()
            .into_iter()
            .map(|it| (it.name, it.job))
            .collect();
        assert_eq!(names, [("a".into(), None), ("b".into(), Some("18".into()))]);
    }

    #[test]
    fn a_place_reads_as_slurm_writes_it() {
        let place = Place {
            job: "28".into(),
            index: 3,
        };
        assert_eq!(place.to_string(), "28_3");
    }
}
