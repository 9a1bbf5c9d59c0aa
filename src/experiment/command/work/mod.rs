//! `harness work`: what one job of a cluster does of a submission. It reads the frozen folder of the submission, the
//! store and the data, and never the recipe.
//!
//! An element is a list of stages. They run as in a sweep, in this process and on its devices. Records and tables are
//! left to a last job (`--finish`): a hundred writers would wait for each other.

mod end;
mod patient;
mod watch;

pub use end::WorkEnd;

use super::check::check_once;
use crate::experiment::cluster::data::refuse_changed;
use crate::experiment::cluster::elements::Element;
use crate::experiment::cluster::ends::position;
use crate::experiment::cluster::lead::Paces;
use crate::experiment::cluster::queue::Job;
use crate::experiment::cluster::slurm::Slurm;
use crate::experiment::cluster::submission::{JOB_NAME, Origin, Submission};
use crate::experiment::run::devices::{DeviceRequest, Devices};
use crate::experiment::run::executor::ExecutorEntry;
use crate::experiment::run::interrupt::{Interrupt, Request};
use crate::experiment::run::perform::Resources;
use crate::experiment::run::progress::{Progress, Verbosity};
use crate::experiment::run::scheduler::{self, Rules, Task};
use crate::experiment::run::supervise::Link;
use crate::experiment::run::workers::Workers;
use crate::experiment::settings::trial_settings::TrialSettings;
use crate::experiment::store::environment::EnvironmentFiles;
use crate::experiment::store::owner::Owner;
use crate::experiment::store::root::Store;
use crate::experiment::store::system::{SystemInfo, cores};
use crate::experiment::trial::inputs::{CommandError, Inputs};
use crate::experiment::trial::key::StageKey;
use crate::experiment::trial::planned::{Planned, planned};
use crate::experiment::trial::stage::Stage;
use crate::recipe::{Plan, Trial};
use crate::screen::say;
use anyhow::{Context, Result, bail};
use end::note;
use patient::Patient;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use watch::Watch;

/// The time between two looks for a result that is not there yet.
const LOOK: Duration = Duration::from_millis(500);
/// Variables in which Slurm says how many cores a job has, the best one first.
const CORES: [&str; 2] = ["SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE"];

/// A request to do an element.
#[derive(Debug)]
pub struct WorkRequest {
    /// The folder of the submission.
    pub submission: PathBuf,
    /// The number of the element.
    pub element: usize,
    /// The devices.
    pub devices: DeviceRequest,
    /// The executor that runs the stages.
    pub executor: &'static ExecutorEntry,
    /// The number of trials that run at the same time; 0: as in a sweep.
    pub workers: usize,
    /// The time in which results of other jobs may become visible, and in which others may end: a network file system
    /// shows a new file to another node up to a minute late.
    pub patience: Duration,
    /// A request to stop or to yield.
    pub interrupt: Interrupt,
    /// The supervisor of this process, if it has one.
    pub link: Link,
}

/// The number of times that the jobs of a submission try a failed stage again.
///
/// # Errors
/// There is no such submission.
pub fn retries_of(submission: &Path) -> Result<u32, CommandError> {
    let origin = Submission::open(submission).and_then(|submission| submission.origin());
    Ok(origin.map_err(CommandError::Input)?.retries)
}

/// Does an element of a submission, as far as it is not done, and notes how it ended. Returns its name, too.
///
/// # Errors
/// The folder of the submission cannot be read, the data is not there, or the store is not writable. The failure of a
/// stage is not an error.
pub fn work(request: &WorkRequest) -> Result<(String, WorkEnd), CommandError> {
    let submission = Submission::open(&request.submission).map_err(CommandError::Input)?;
    let mut elements = submission.elements().map_err(CommandError::Input)?;
    let number = request.element;
    if number >= elements.len() {
        let count = elements.len();
        let wrong = anyhow::anyhow!(
            "--element {number}: the submission has the elements 0 to {}",
            count.max(1) - 1
        );
        return Err(CommandError::Input(wrong));
    }
    let element = elements.swap_remove(number);
    let store = Store::open(submission.results()).map_err(CommandError::Input)?;
    let job = ElementJob {
        request,
        element: &element,
        store: &store,
    };
    let before = position(&store, &element.stages);
    let watch = Watch::begin(&submission, number, &request.interrupt);
    let end = job.run(&submission)?;
    drop(watch);
    let profiles = submission.profiles().map_err(CommandError::Input)?;
    let paces = Paces::new(&store, element.stages.iter());
    let jobs = std::iter::once((&*element.kind, &*element.stages));
    for warning in paces.warnings(&profiles, jobs) {
        say(&format!("warning: {warning}"));
    }
    let end = note(&submission.end(number), &element, &store, &before, end);
    Ok((element.title, end.map_err(CommandError::Output)?))
}

/// A job that does an element.
struct ElementJob<'a> {
    request: &'a WorkRequest,
    element: &'a Element,
    store: &'a Store,
}

impl ElementJob<'_> {
    fn run(&self, submission: &Submission) -> Result<WorkEnd, CommandError> {
        let Self {
            request,
            element,
            store,
        } = self;
        let interrupt = &request.interrupt;
        if self.is_done() {
            return Ok(WorkEnd::Done);
        }
        if let Some(end) = self.await_needs() {
            return Ok(end);
        }
        let profiles = submission.profiles().map_err(CommandError::Input)?;
        let slurm = Slurm {
            clusters: profiles.usual.clusters,
        };
        self.take_from_the_dead(&slurm)
            .map_err(CommandError::Output)?;
        let plan = submission.plan().map_err(CommandError::Input)?;
        let origin = submission.origin().map_err(CommandError::Input)?;
        let retries = origin.retries;
        let inputs = Inputs::default();
        let own = |trial: &&Trial| element.trials.contains(&trial.hash);
        refuse_changed(&origin.data, plan.trials.iter().filter(own))
            .map_err(CommandError::Input)?;
        let trials = self.trials(plan, &inputs).map_err(CommandError::Input)?;
        let checked = check_once(&trials, &inputs.datasets, store, interrupt, false);
        checked.map_err(CommandError::Input)?;
        if let Some(asked) = interrupt.asked() {
            return Ok(WorkEnd::Asked(asked));
        }
        let (devices, no_gpu) = Devices::open(&request.devices).map_err(CommandError::Input)?;
        if let Some(no_gpu) = no_gpu {
            say(&format!("note: {no_gpu}; the trials run on the CPU"));
        }
        for trial in &trials {
            if let TrialSettings::Networks(settings) = &*trial.settings {
                let suits = devices.suit(settings).context(trial.label.clone());
                suits.map_err(CommandError::Input)?;
            }
        }
        let workers = Workers::new(devices.workers(request.workers), cores_of_job());
        let system = system_of(origin);
        let environment = EnvironmentFiles::new(store, &system, workers.count, devices.names());
        let environment = environment.map_err(CommandError::Output)?;
        let tasks = self.tasks(&trials).map_err(CommandError::Input)?;
        let cost = tasks.iter().map(|task| task.cost).sum();
        let progress = Progress::new(Verbosity::Lines, tasks.len(), cost, trials.len(), 0);
        let keys: Vec<StageKey> = tasks.iter().map(|task| task.work.key.clone()).collect();
        let executor = (request.executor.build)(Resources {
            store,
            datasets: &inputs.datasets,
            progress: &progress,
            environment: &environment,
            devices: &devices,
            workers,
            interrupt,
            link: &request.link,
            retries,
            stages: &keys,
            log: None,
        });
        let executor = Patient::new(executor.map_err(CommandError::Input)?, request.patience);
        let rules = Rules {
            retries,
            fail_fast: false,
            stop: &|| interrupt.requested() || executor.has_given_up(),
            alone: request.link.alone(),
        };
        let mut failed = Vec::new();
        let mut reasons = BTreeSet::new();
        let ran = scheduler::run(&tasks, &executor, rules, |task, outcome| {
            // A stage that cannot run without one that failed has the same reason.
            if let Err(reason) = outcome
                && reasons.insert(reason.to_string())
            {
                failed.push(format!("{}: {reason}", task.work.title));
            }
            Ok(())
        });
        ran.map_err(CommandError::Output)?;
        Ok(match interrupt.asked() {
            _ if !failed.is_empty() => WorkEnd::Failed(failed),
            _ if self.is_done() => WorkEnd::Done,
            asked => match (asked, executor.waits_for()) {
                // To wait in another job is no better.
                (None | Some(Request::Yield), Some(title)) => {
                    WorkEnd::NotReady(format!("another process works on {title}"))
                }
                (Some(asked), _) => WorkEnd::Asked(asked),
                (None, None) => WorkEnd::NotReady(format!("{} did not end", element.title)),
            },
        })
    }

    fn is_done(&self) -> bool {
        self.element
            .stages
            .iter()
            .all(|key| self.store.is_whole(key))
    }

    /// Waits for the results that other elements have to leave. Returns how the job ends if they do not come.
    fn await_needs(&self) -> Option<WorkEnd> {
        let start = Instant::now();
        loop {
            let mut needs = self.element.needs.iter();
            let missing = needs.find(|need| !self.store.is_whole(need))?;
            let asked = self.request.interrupt.asked();
            if asked == Some(Request::Stop) {
                return Some(WorkEnd::Asked(Request::Stop));
            }
            let path = self.store.stage(missing).outcome(missing);
            // To wait in another job is no better.
            if asked.is_some() || start.elapsed() >= self.request.patience {
                return Some(WorkEnd::NotReady(format!(
                    "it needs a result that is not there: {}",
                    path.display()
                )));
            }
            // To list a folder makes a network file system look for new files.
            if let Some(folder) = path.parent() {
                std::fs::read_dir(folder).ok();
            }
            std::thread::sleep(LOOK.min(self.request.patience));
        }
    }

    /// Takes the stages whose lock belongs to another job that Slurm calls over: its machine may be gone, and a network
    /// file system then keeps the lock. If the other job lives after all, it fails at its next file.
    fn take_from_the_dead(&self, slurm: &Slurm) -> Result<()> {
        for key in &self.element.stages {
            let folder = self.store.stage(key);
            let owner = folder
                .owner()
                .filter(|owner| owner.name.starts_with(JOB_NAME));
            let Some(owner) =
                owner.filter(|owner| folder.is_held() && owner.job != Owner::this().job)
            else {
                continue;
            };
            // Without an answer, the lock is believed.
            let Ok(jobs) = slurm.queue(std::slice::from_ref(&owner.name)) else {
                continue;
            };
            let is_it = |job: &Job| {
                job.place()
                    .is_some_and(|place| place.to_string() == owner.job)
            };
            if !jobs.iter().any(|job| is_it(job) && job.is_alive()) {
                say(&format!(
                    "note: the job {} is over, so its stage is taken from it",
                    owner.job
                ));
                folder.take_from_the_dead()?;
            }
        }
        Ok(())
    }

    /// The trials of the element with their stages, checked as a sweep checks them.
    fn trials(&self, mut plan: Plan, inputs: &Inputs) -> Result<Vec<Planned>> {
        plan.trials
            .retain(|trial| self.element.trials.contains(&trial.hash));
        for trial in &plan.trials {
            let wrong = inputs.check(&trial.located());
            if !wrong.is_empty() {
                let lines: Vec<String> = wrong.iter().map(|e| format!("{}: {e}", e.key)).collect();
                bail!(lines.join("\n"));
            }
        }
        let mut trials = planned(&plan)?;
        inputs.split(&trials)?;
        inputs.count(&mut trials);
        Ok(trials)
    }

    /// The stages of the element that are not done.
    fn tasks(&self, trials: &[Planned]) -> Result<Vec<Task<Stage>>> {
        let stages = trials.iter().flat_map(|trial| &trial.stages);
        let stages: BTreeMap<&StageKey, &Stage> = stages.map(|stage| (&stage.key, stage)).collect();
        let missing: Vec<&StageKey> = self
            .element
            .stages
            .iter()
            .filter(|key| !self.store.is_whole(key))
            .collect();
        let task = |key: &&StageKey| {
            let stage = stages.get(key).with_context(|| {
                format!("this program makes other stages than `{key}` of the same settings; submit the recipe again")
            })?;
            let needs = stage.needs.iter().filter(|need| missing.contains(need));
            Ok(Task {
                key: key.to_string(),
                needs: needs.map(ToString::to_string).collect(),
                cost: stage.cost,
                work: (*stage).clone(),
            })
        };
        missing.iter().map(task).collect()
    }
}

/// The origin of a submission as the environment of its stages, on this machine.
fn system_of(origin: Origin) -> SystemInfo {
    let mut system = origin.provenance.system.here();
    system.diff = origin.diff.map(String::into_bytes);
    system
}

/// The number of cores that Slurm gives this job; without its word, those that the process may use. Where nothing binds
/// a job to its cores, the latter are those of the whole node.
fn cores_of_job() -> usize {
    let told = CORES
        .iter()
        .find_map(|name| std::env::var(name).ok()?.parse().ok());
    told.filter(|cores| *cores > 0).unwrap_or_else(cores)
}
