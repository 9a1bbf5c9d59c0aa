//! The child's end of the link to the supervisor: the messages that it receives and sends.

use super::protocol::{Event, line};
use crate::experiment::store::folder::Failure;
use crate::experiment::trial::inputs::CommandError;
use crate::experiment::trial::key::StageKey;
use crate::experiment::trial::stage::Stage;
use crate::recipe::Plan;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
#[cfg(unix)]
use {
    super::super::interrupt::{EXIT_CODE, Interrupt, leave_to_supervisor},
    super::super::terminal::Terminal,
    super::protocol::{Brief, asked, receive},
    anyhow::{Context, Result},
    std::io::{BufRead, BufReader},
    std::os::fd::{AsFd, OwnedFd},
    std::os::unix::net::UnixStream,
};

/// The link to the supervisor of a sweep. The default has no supervisor and no earlier processes.
#[derive(Debug, Default)]
pub struct Link {
    /// The socket. A line is written in one piece.
    supervisor: Option<Mutex<File>>,
    alone: BTreeSet<String>,
    /// The failures that have not been counted yet.
    failures: Mutex<BTreeMap<String, Vec<Failure>>>,
    plan: Mutex<Option<Plan>>,
}

impl Link {
    /// The link of a process that a supervisor has started, with the requests to stop that come through it.
    /// From here on, the supervisor handles signals. When it is gone, this process ends.
    ///
    /// # Errors
    /// Standard input is not a socket, or it does not deliver a valid message.
    #[cfg(unix)]
    pub fn from_stdin() -> Result<(Self, Interrupt)> {
        let refused = "`--supervised` is only for processes started by `harness` itself";
        leave_to_supervisor()?;
        let socket = std::io::stdin().as_fd().try_clone_to_owned()?;
        let socket = UnixStream::from(socket);
        socket.peer_addr().context(refused)?;
        let mut lines = BufReader::new(socket.try_clone()?);
        let brief: Brief = receive(&mut lines).context(refused)?;
        let plan = brief.planned.then(|| receive(&mut lines));
        let interrupt = Interrupt::default();
        let told = interrupt.clone();
        let terminal = Terminal::of_this_process();
        std::thread::spawn(move || {
            let mut line = Vec::new();
            while let Ok(1..) = lines.read_until(b'\n', &mut line) {
                terminal.leave_if_closed();
                told.request(asked(&line));
                line.clear();
            }
            std::process::exit(EXIT_CODE.into());
        });
        let link = Self {
            supervisor: Some(Mutex::new(File::from(OwnedFd::from(socket)))),
            alone: brief.alone,
            failures: Mutex::new(brief.failures),
            plan: Mutex::new(plan.transpose().context("the plan")?),
        };
        Ok((link, interrupt))
    }

    /// The plan of the earlier processes, or else the one that `make` returns.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn plan(
        &self,
        make: impl FnOnce() -> Result<Plan, CommandError>,
    ) -> Result<Plan, CommandError> {
        if let Some(plan) = lock(&self.plan).take() {
            return Ok(plan);
        }
        let plan = make()?;
        self.write(|| [line(&Event::Plan), line(&plan)].concat());
        Ok(plan)
    }

    /// The keys of the stages that run alone.
    pub fn alone(&self) -> &BTreeSet<String> {
        &self.alone
    }

    /// A failed attempt at the stage `key` by an earlier process of this sweep. Each is returned once, in
    /// order.
    pub fn earlier_failure(&self, key: &StageKey) -> Option<Failure> {
        let mut failures = lock(&self.failures);
        let failures = failures.get_mut(key.as_str())?;
        (!failures.is_empty()).then(|| failures.remove(0))
    }

    /// Reports that attempt `attempt` at `stage` begins.
    pub fn begins(&self, stage: &Stage, attempt: u64) {
        self.send(|| Event::Begin {
            key: stage.key.to_string(),
            title: stage.title.clone(),
            attempt,
        });
    }

    /// Reports that the attempt at the stage `key` has ended without failure.
    pub fn ends(&self, key: &StageKey) {
        let key = key.to_string();
        self.send(|| Event::End { key });
    }

    /// Reports that the attempt at the stage `key` has failed.
    pub fn fails(&self, key: &StageKey, failure: Failure) {
        let key = key.to_string();
        self.send(|| Event::Fail { key, failure });
    }

    fn send(&self, event: impl FnOnce() -> Event) {
        self.write(|| line(&event()));
    }

    /// An error is ignored: without a supervisor, this process is about to end.
    fn write(&self, lines: impl FnOnce() -> Vec<u8>) {
        if let Some(supervisor) = &self.supervisor {
            lock(supervisor).write_all(&lines()).ok();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::experiment::trial::inputs::{Inputs, RecipeRequest};
    use crate::experiment::trial::planned::planned;

    /// A link to a supervisor, which is the other end.
    fn linked(plan: Option<Plan>) -> (Link, BufReader<UnixStream>) {
        let (socket, other) = UnixStream::pair().unwrap();
        let link = Link {
            supervisor: Some(Mutex::new(File::from(OwnedFd::from(socket)))),
            plan: Mutex::new(plan),
            ..Link::default()
        };
        (link, BufReader::new(other))
    }

    #[test]
    fn the_next_process_plans_the_same_trials_and_stages() {
        let ask = RecipeRequest {
            recipe: "recipes/ablation.toml".into(),
            set: Vec::new(),
        };
        let (first, mut supervisor) = linked(None);
        let received = std::thread::spawn(move || {
            assert_eq!(receive::<Event>(&mut supervisor).unwrap(), Event::Plan);
            receive::<Plan>(&mut supervisor).unwrap()
        });
        let made = first.plan(|| Inputs::default().plan(&ask)).unwrap();
        let kept = received.join().unwrap();
        let (next, _) = linked(Some(kept));
        let found = next.plan(|| panic!("it is there")).unwrap();
        assert_eq!(found, made);
        let keys = |plan: &Plan| {
            let trials = planned(plan).unwrap().into_iter();
            let stages = trials.flat_map(|trial| trial.stages);
            stages.map(|stage| stage.key).collect::<Vec<_>>()
        };
        assert_eq!(keys(&found), keys(&made));
    }

    #[test]
    fn an_earlier_failure_counts_once() {
        let failure = |attempt| Failure {
            attempt,
            reason: "no luck".into(),
            retries: 0,
        };
        let link = Link {
            failures: Mutex::new(BTreeMap::from([(
                "a-1".into(),
                vec![failure(1), failure(2)],
            )])),
            ..Link::default()
        };
        let key = |text: &str| text.parse::<StageKey>().unwrap();
        assert_eq!(link.earlier_failure(&key("b-1")), None);
        assert_eq!(link.earlier_failure(&key("a-1")), Some(failure(1)));
        assert_eq!(link.earlier_failure(&key("a-1")), Some(failure(2)));
        assert_eq!(link.earlier_failure(&key("a-1")), None);
    }
}
