//! The child's end: what it was told of the processes before it, and what it tells of itself.

use super::protocol::{Event, line};
use crate::experiment::store::folder::Failure;
use crate::experiment::trial::inputs::Stop;
use crate::experiment::trial::stage::Stage;
use crate::recipe::Plan;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
#[cfg(unix)]
use {
    super::super::interrupt::{EXIT_CODE, Interrupt},
    super::protocol::{Brief, hear},
    anyhow::{Context, Result},
    std::io::{BufRead, BufReader},
    std::os::fd::{AsFd, OwnedFd},
    std::os::unix::net::UnixStream,
};

/// The link to the supervisor of a sweep; the default has none, and nothing that went before.
#[derive(Debug, Default)]
pub struct Link {
    /// The socket; a line is written in one piece.
    supervisor: Option<Mutex<File>>,
    alone: BTreeSet<String>,
    /// Those that are not counted yet.
    failures: Mutex<BTreeMap<String, Vec<Failure>>>,
    plan: Mutex<Option<Plan>>,
}

impl Link {
    /// The link of a process that a supervisor has started, with the requests to stop that come through it. From here on signals are
    /// the supervisor's to hear, and when it is gone this process ends.
    ///
    /// # Errors
    /// Standard input is no socket, or nobody says anything sensible there.
    #[cfg(unix)]
    pub fn from_stdin() -> Result<(Self, Interrupt)> {
        let refused = "only `harness sweep` itself starts a process as supervised";
        // A terminal sends Ctrl-C to both.
        ctrlc::set_handler(|| {}).context("cannot leave Ctrl-C to the supervisor")?;
        let socket = std::io::stdin().as_fd().try_clone_to_owned()?;
        let socket = UnixStream::from(socket);
        socket.peer_addr().context(refused)?;
        let mut lines = BufReader::new(socket.try_clone()?);
        let brief: Brief = hear(&mut lines).context(refused)?;
        let plan = brief.planned.then(|| hear(&mut lines));
        let interrupt = Interrupt::default();
        let asked = interrupt.clone();
        std::thread::spawn(move || {
            let mut line = Vec::new();
            while let Ok(1..) = lines.read_until(b'\n', &mut line) {
                asked.request();
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

    /// The plan of the processes before this one, or else the one that `make` makes.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn plan(&self, make: impl FnOnce() -> Result<Plan, Stop>) -> Result<Plan, Stop> {
        if let Some(plan) = lock(&self.plan).take() {
            return Ok(plan);
        }
        let plan = make()?;
        self.write(|| [line(&Event::Plan), line(&plan)].concat());
        Ok(plan)
    }

    /// Keys of the stages that run alone.
    pub fn alone(&self) -> &BTreeSet<String> {
        &self.alone
    }

    /// A failed attempt at the stage `key` by an earlier process of this sweep, each once, in their order.
    pub fn earlier_failure(&self, key: &str) -> Option<Failure> {
        let mut failures = lock(&self.failures);
        let failures = failures.get_mut(key)?;
        (!failures.is_empty()).then(|| failures.remove(0))
    }

    /// Attempt `attempt` at `stage` begins.
    pub fn begins(&self, stage: &Stage, attempt: u64) {
        let (key, title) = (&stage.key, &stage.title);
        self.tell(|| Event::Begin {
            key: key.clone(),
            title: title.clone(),
            attempt,
        });
    }

    /// The attempt at the stage `key` has ended, and did not fail.
    pub fn ends(&self, key: &str) {
        self.tell(|| Event::End { key: key.into() });
    }

    /// The attempt at the stage `key` has failed.
    pub fn fails(&self, key: &str, failure: Failure) {
        let key = key.into();
        self.tell(|| Event::Fail { key, failure });
    }

    fn tell(&self, event: impl FnOnce() -> Event) {
        self.write(|| line(&event()));
    }

    /// A supervisor that is gone hears nothing: this process is about to end.
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
    use crate::experiment::trial::inputs::{Ask, Inputs};
    use crate::experiment::trial::planned::planned;

    /// A link to a supervisor that is the other end.
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
        let ask = Ask {
            recipe: "recipes/ablation.toml".into(),
            set: Vec::new(),
        };
        let (first, mut supervisor) = linked(None);
        let heard = std::thread::spawn(move || {
            assert_eq!(hear::<Event>(&mut supervisor).unwrap(), Event::Plan);
            hear::<Plan>(&mut supervisor).unwrap()
        });
        let made = first.plan(|| Inputs::default().plan(&ask)).unwrap();
        let kept = heard.join().unwrap();
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
            failures: Mutex::new(BTreeMap::from([("a".into(), vec![failure(1), failure(2)])])),
            ..Link::default()
        };
        assert_eq!(link.earlier_failure("b"), None);
        assert_eq!(link.earlier_failure("a"), Some(failure(1)));
        assert_eq!(link.earlier_failure("a"), Some(failure(2)));
        assert_eq!(link.earlier_failure("a"), None);
    }
}
