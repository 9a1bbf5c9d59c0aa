//! Finds the stage that is responsible for the death of a process, from the stages that were running.

use super::protocol::{Brief, Event};
use crate::experiment::store::folder::Failure;
use crate::screen::counted;
use std::collections::{BTreeMap, BTreeSet};

/// The number of titles that a message names.
const NAMED: usize = 4;

/// The knowledge of a sweep's supervisor.
#[derive(Debug, Default)]
pub struct Investigation {
    /// The number of times that a failed stage is tried again.
    retries: u32,
    /// The title and attempt of the running stages, by key.
    at_work: BTreeMap<String, (String, u64)>,
    /// The stages that were running when a process died. From then on, each runs alone.
    alone: BTreeSet<String>,
    failures: BTreeMap<String, Vec<Failure>>,
}

/// The consequence of a death, with the message for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Another process continues.
    GoOn(String),
    /// No stage can be held responsible, and the sweep is over.
    Over(String),
}

impl Investigation {
    /// A sweep that has not begun.
    pub fn new(retries: u32) -> Self {
        Self {
            retries,
            ..Self::default()
        }
    }

    /// Processes a message of the child.
    pub fn receive(&mut self, event: Event) {
        match event {
            Event::Plan => {}
            Event::Begin {
                key,
                title,
                attempt,
            } => {
                self.at_work.insert(key, (title, attempt));
            }
            Event::End { key } => {
                self.at_work.remove(&key);
            }
            Event::Fail { key, failure } => {
                self.at_work.remove(&key);
                self.failures.entry(key).or_default().push(failure);
            }
        }
    }

    /// Judges the death of the child, described by `reason`. A stage that was running alone has failed. If
    /// there were several, they are suspects, and the next child runs them one at a time. Every death costs
    /// an attempt or adds suspects, and both are limited, so this always ends.
    pub fn judge(&mut self, reason: &str) -> Decision {
        let at_work = std::mem::take(&mut self.at_work);
        let new = at_work.keys().filter(|key| !self.alone.contains(*key));
        let new = new.count();
        self.alone.extend(at_work.keys().cloned());
        let mut titles: Vec<String> = at_work
            .values()
            .take(NAMED)
            .map(|(title, _)| format!("`{title}`"))
            .collect();
        if at_work.len() > NAMED {
            titles.push(format!("{} more", at_work.len() - NAMED));
        }
        let titles = titles.join(", ");
        if at_work.len() == 1 {
            let message = format!("{reason} during {titles}");
            let blamed = at_work.into_iter().next().expect("there is one");
            let (key, (_, attempt)) = blamed;
            let reason = reason.to_string();
            let failures = self.failures.entry(key).or_default();
            // The process that records the failure knows the number of further attempts.
            failures.push(Failure {
                attempt,
                reason,
                retries: 0,
            });
            return Decision::GoOn(match failures.len() > self.retries as usize {
                true => format!(
                    "{message}: that stage has failed, and another process continues with the rest"
                ),
                false => format!("{message}: another process tries that stage again"),
            });
        }
        match new {
            0 if at_work.is_empty() => Decision::Over(format!(
                "{reason} while no stage was running; run the same command again to continue"
            )),
            0 => Decision::Over(format!("{reason} again, although {titles} ran alone")),
            _ => Decision::GoOn(format!(
                "{reason} with {} running: {titles}; another process runs each of them alone and then continues",
                counted(at_work.len(), "stage")
            )),
        }
    }

    /// The brief for the next child; if it is `planned`, the plan follows it. Final failures come first, with
    /// the suspects, so that no other stage starts before them if the first failure ends the sweep.
    pub fn brief(&self, planned: bool) -> Brief {
        let spent = |(_, failures): &(_, &Vec<Failure>)| failures.len() > self.retries as usize;
        let failed = self.failures.iter().filter(spent);
        let failed = failed.map(|(key, _)| key.clone());
        Brief {
            alone: self.alone.iter().cloned().chain(failed).collect(),
            failures: self.failures.clone(),
            planned,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KILLED: &str = "the process was killed";

    fn begin(investigation: &mut Investigation, key: &str, attempt: u64) {
        investigation.receive(Event::Begin {
            key: key.into(),
            title: format!("title of {key}"),
            attempt,
        });
    }

    fn failure(attempt: u64, reason: &str) -> Failure {
        Failure {
            attempt,
            reason: reason.into(),
            retries: 0,
        }
    }

    fn message(decision: Decision) -> String {
        match decision {
            Decision::GoOn(message) => message,
            Decision::Over(message) => panic!("it is over: {message}"),
        }
    }

    #[test]
    fn who_was_alone_at_work_has_failed_once_more() {
        let mut investigation = Investigation::new(1);
        begin(&mut investigation, "a", 1);
        begin(&mut investigation, "b", 7);
        investigation.receive(Event::End { key: "a".into() });
        let first = message(investigation.judge(KILLED));
        assert!(
            first.contains("during `title of b`: another process tries that stage again"),
            "{first}"
        );
        assert_eq!(
            investigation.brief(false).failures["b"],
            [failure(7, KILLED)]
        );
        begin(&mut investigation, "b", 8);
        let second = message(investigation.judge(KILLED));
        assert!(second.contains("that stage has failed"), "{second}");
        let brief = investigation.brief(true);
        assert_eq!(
            brief.failures["b"],
            [failure(7, KILLED), failure(8, KILLED)]
        );
        assert_eq!((brief.alone.len(), brief.planned), (1, true));
    }

    #[test]
    fn of_several_each_is_suspected_and_none_has_failed() {
        let mut investigation = Investigation::new(0);
        for key in ["a", "b", "c", "d", "e", "f"] {
            begin(&mut investigation, key, 1);
        }
        investigation.receive(Event::End { key: "c".into() });
        let message = message(investigation.judge(KILLED));
        let names = "with 5 stages running: `title of a`, `title of b`, `title of d`, `title of e`, 1 more;";
        assert!(message.contains(names), "{message}");
        let brief = investigation.brief(false);
        assert!(brief.failures.is_empty());
        assert_eq!(Vec::from_iter(brief.alone), ["a", "b", "d", "e", "f"]);
    }

    #[test]
    fn failures_of_a_living_process_count_for_the_next() {
        let mut investigation = Investigation::new(1);
        begin(&mut investigation, "a", 1);
        investigation.receive(Event::Fail {
            key: "a".into(),
            failure: failure(1, "no luck"),
        });
        begin(&mut investigation, "a", 2);
        let message = message(investigation.judge(KILLED));
        assert!(message.contains("that stage has failed"), "{message}");
        let failures = [failure(1, "no luck"), failure(2, KILLED)];
        assert_eq!(investigation.brief(false).failures["a"], failures);
        for attempt in [1, 2] {
            assert!(
                !investigation.brief(false).alone.contains("b"),
                "a retry is left"
            );
            investigation.receive(Event::Fail {
                key: "b".into(),
                failure: failure(attempt, "no luck"),
            });
        }
        assert!(
            investigation.brief(false).alone.contains("b"),
            "it comes first"
        );
    }

    #[test]
    fn a_death_that_tells_nothing_new_is_the_last() {
        let mut investigation = Investigation::new(9);
        let Decision::Over(message) = investigation.judge(KILLED) else {
            panic!("nobody was at work");
        };
        assert!(message.contains("no stage was running"), "{message}");
        let both = |investigation: &mut Investigation| {
            begin(investigation, "a", 1);
            begin(investigation, "b", 1);
            investigation.judge(KILLED)
        };
        assert!(matches!(both(&mut investigation), Decision::GoOn(_)));
        assert!(matches!(both(&mut investigation), Decision::Over(_)));
    }
}
