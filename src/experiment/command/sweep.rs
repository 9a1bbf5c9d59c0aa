//! One recipe from its file to its tables: plan, check, train what is missing, write after every trial.

use super::ahead::results_folder;
use crate::atomic::ensure_writable;
use crate::experiment::outlook::FrozenPlan;
use crate::experiment::outlook::commits::OtherCommit;
use crate::experiment::run::devices::{DeviceAsk, Devices};
use crate::experiment::run::interrupt::Interrupt;
use crate::experiment::run::perform::Workshop;
use crate::experiment::run::progress::{Progress, Verbosity};
use crate::experiment::run::results::Results;
use crate::experiment::run::scheduler::{Rules, Workers};
use crate::experiment::run::supervise::Link;
use crate::experiment::run::trials::Run;
use crate::experiment::settings::trial_settings::TrialSettings;
use crate::experiment::store::environment::Kept;
use crate::experiment::store::provenance::{Provenance, Times, cores};
use crate::experiment::store::renew::set_aside;
use crate::experiment::store::root::Store;
use crate::experiment::trial::inputs::{Ask, Inputs, Stop};
use crate::experiment::trial::planned::planned;
use anyhow::Context;
use std::path::PathBuf;
use std::time::Instant;

/// How a sweep is run; nothing of it changes a result.
#[derive(Debug)]
pub struct SweepOptions {
    /// Folder of the results; none: the recipe's under `results/`.
    pub out: Option<PathBuf>,
    /// What trials compute on.
    pub devices: DeviceAsk,
    /// Trials at once: on GPUs so many on each (0: one), else in all (0: one per core).
    pub workers: usize,
    /// How often a stage that failed is tried again.
    pub retries: u32,
    /// Whether nothing more starts after a failure.
    pub fail_fast: bool,
    /// Whether results of another version of the computations are set aside, so that the work is done anew.
    pub renew: bool,
    /// How much is shown.
    pub verbosity: Verbosity,
    /// A request to stop.
    pub interrupt: Interrupt,
    /// The supervisor of this process, if it has one.
    pub link: Link,
}

/// How a sweep ended that could begin.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The folder of the tables.
    pub folder: PathBuf,
    /// The tables' Markdown files.
    pub tables: Vec<PathBuf>,
    /// Trials that failed, with their reasons.
    pub failed: Vec<String>,
    /// Trials that have neither finished nor failed.
    pub left: usize,
    /// Whether the sweep was asked to stop.
    pub interrupted: bool,
}

/// Runs all trials of a recipe that are not finished and writes its tables.
///
/// # Errors
/// Something is wrong with the recipe or its inputs, or results cannot be written. A trial that fails is no error.
pub fn sweep(ask: &Ask, options: &SweepOptions) -> Result<Outcome, Stop> {
    let start = Instant::now();
    let inputs = Inputs::default();
    let plan = options.link.plan(|| inputs.plan(ask))?;
    let folder = results_folder(&plan, options.out.as_deref());
    ensure_writable(&folder).map_err(Stop::Input)?;
    let aside = match options.renew {
        true => set_aside(&folder).map_err(Stop::Input)?,
        false => None,
    };
    let store = Store::open(&folder).map_err(Stop::Input)?;
    let trials = planned(&plan).map_err(Stop::Input)?;
    inputs.split(&trials).map_err(Stop::Input)?;
    let (devices, no_gpu) = Devices::open(&options.devices).map_err(Stop::Input)?;
    for trial in &trials {
        if let TrialSettings::Networks(settings) = &*trial.settings {
            let suit = devices.suit(settings).context(trial.label.clone());
            suit.map_err(Stop::Input)?;
        }
    }
    let workers = Workers::new(devices.workers(options.workers), cores());
    let provenance = Provenance::new(&ask.recipe, &ask.set, &plan);
    let mut frozen = FrozenPlan::new(&plan.recipe, workers.count);
    frozen.commit = provenance.commit.clone();
    for (trial, planned) in plan.trials.iter().zip(&trials) {
        frozen.add(trial, &planned.stages);
    }
    let mut lines = provenance.lines();
    let commits = OtherCommit::all(&store, &frozen, frozen.commit.as_deref());
    lines.extend(commits.iter().map(ToString::to_string));
    let results = Results::open(&store, &folder, &plan, &lines).map_err(Stop::Input)?;
    let environment =
        Kept::new(&store, &provenance, workers.count, devices.names()).map_err(Stop::Output)?;

    let mut run = Run::new(&trials, &store, results);
    frozen.write(&store).map_err(Stop::Output)?;
    run.freeze().map_err(Stop::Output)?;
    run.take_finished().map_err(Stop::Output)?;
    let (tasks, notes) = run.tasks();
    let cost = tasks.iter().map(|task| task.cost).sum();
    let progress = Progress::new(
        options.verbosity,
        tasks.len(),
        cost,
        trials.len(),
        run.finished(),
    );
    if let Some(aside) = aside {
        let aside = aside.display();
        progress.say(&format!(
            "the results of another code version are in {aside}"
        ));
    }
    if let Some(no_gpu) = no_gpu {
        progress.say(&format!("note: {no_gpu}; the trials run on the CPU"));
    }
    for note in run.notes().into_iter().chain(notes) {
        progress.say(&format!("warning: {note}"));
    }
    let interrupt = &options.interrupt;
    let workshop = Workshop::new(
        &store,
        &inputs.datasets,
        &progress,
        &environment,
        &devices,
        interrupt,
        &options.link,
        options.retries,
        &tasks,
    );
    let rules = Rules {
        retries: options.retries,
        fail_fast: options.fail_fast,
        stop: &|| interrupt.requested(),
        alone: options.link.alone(),
    };
    let run = run
        .finish(&tasks, workers, rules, &workshop, &progress)
        .map_err(Stop::Output)?;

    if !tasks.is_empty() || !Provenance::path(&folder, &plan.recipe).exists() {
        let times = Times {
            workers: workers.count,
            wall_seconds: start.elapsed().as_secs_f64(),
            work_seconds: run.work_seconds(),
        };
        provenance
            .write(&folder, &plan, times)
            .map_err(Stop::Output)?;
    }
    for warning in run.warnings() {
        progress.say(&format!("warning: {warning}"));
    }
    let tables = plan
        .sweeps
        .iter()
        .map(|sweep| folder.join(format!("{}.md", sweep.name)));
    Ok(Outcome {
        tables: tables.collect(),
        failed: run.failed(),
        left: trials.len() - run.finished(),
        interrupted: interrupt.requested(),
        folder,
    })
}
