//! One recipe from its file to its tables: plan, check, train what is missing, write after every trial.

use super::ahead::results_folder;
use super::commits::OtherCommit;
use super::environment::Kept;
use super::inputs::{Ask, Inputs, Stop, planned};
use super::interrupt::Interrupt;
use super::outlook::FrozenPlan;
use super::perform::Workshop;
use super::progress::{Progress, Verbosity};
use super::provenance::{Provenance, Times, cores};
use super::renew::set_aside;
use super::results::Results;
use super::run::Run;
use super::scheduler::{Rules, Workers};
use super::store::Store;
use crate::atomic::ensure_writable;
use std::path::PathBuf;
use std::time::Instant;

/// How a sweep is run; nothing of it changes a result.
#[derive(Clone, Debug)]
pub struct SweepOptions {
    /// Folder of the results; none: the recipe's under `results/`.
    pub out: Option<PathBuf>,
    /// Trials at once; 0: one per core.
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
    let plan = inputs.plan(ask)?;
    let folder = results_folder(&plan, options.out.as_deref());
    ensure_writable(&folder).map_err(Stop::Input)?;
    let aside = match options.renew {
        true => set_aside(&folder).map_err(Stop::Input)?,
        false => None,
    };
    let store = Store::open(&folder).map_err(Stop::Input)?;
    let trials = planned(&plan).map_err(Stop::Input)?;
    inputs.split(&trials).map_err(Stop::Input)?;
    let workers = Workers::new(options.workers, cores());
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
    let environment = Kept::new(&store, &provenance, workers.count).map_err(Stop::Output)?;

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
    for note in run.notes().into_iter().chain(notes) {
        progress.say(&format!("warning: {note}"));
    }
    let interrupt = &options.interrupt;
    let workshop = Workshop::new(
        &store,
        &inputs.datasets,
        &progress,
        &environment,
        interrupt,
        options.retries,
        &tasks,
    );
    let rules = Rules {
        retries: options.retries,
        fail_fast: options.fail_fast,
        stop: &|| interrupt.requested(),
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
