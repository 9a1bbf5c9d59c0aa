//! Takes one recipe from its file to its tables: plans, checks, trains what is missing, and writes after
//! every trial.

use super::analyse::analyse;
use super::begun::{BeginRequest, Begun};
use super::live::LiveReport;
use super::report::{ReportRequest, report};
use crate::experiment::insight;
use crate::experiment::outlook::splits::SplitOutlook;
use crate::experiment::run::claim::other_work;
use crate::experiment::run::devices::{DeviceRequest, Devices};
use crate::experiment::run::executor::ExecutorEntry;
use crate::experiment::run::interrupt::Interrupt;
use crate::experiment::run::perform::Resources;
use crate::experiment::run::progress::{Progress, Verbosity};
use crate::experiment::run::scheduler::Rules;
use crate::experiment::run::supervise::Link;
use crate::experiment::run::workers::Workers;
use crate::experiment::settings::trial_settings::TrialSettings;
use crate::experiment::store::environment::EnvironmentFiles;
use crate::experiment::store::provenance::{Provenance, Times, utc};
use crate::experiment::store::sources;
use crate::experiment::store::system::cores;
use crate::experiment::trial::inputs::{CommandError, Inputs, RecipeRequest};
use crate::experiment::trial::key::StageKey;
use crate::experiment::trial::planned::Planned;
use crate::report::Table;
use crate::tensor::DeviceChoice;
use anyhow::Context;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

/// The options of a sweep. None of them changes a result.
#[derive(Debug)]
pub struct SweepOptions {
    /// The folder of the results; with none, the recipe's folder under `results/`.
    pub out: Option<PathBuf>,
    /// The devices of the trials.
    pub devices: DeviceRequest,
    /// The executor that runs the stages.
    pub executor: &'static ExecutorEntry,
    /// The number of trials that run at the same time: on each GPU (0: one), or in total on the CPU (0: one
    /// per core).
    pub workers: usize,
    /// The number of times that a failed stage is tried again.
    pub retries: u32,
    /// True if nothing more starts after a failure.
    pub fail_fast: bool,
    /// True if results of another version of the computations are moved aside, and the work is done again.
    pub renew: bool,
    /// True if the tables of another recipe in the results folder may be replaced.
    pub replace: bool,
    /// Files of records whose results count, and results folders with one.
    pub reuse: Vec<PathBuf>,
    /// True if the report is written while the sweep runs, and at its end.
    pub report: bool,
    /// The amount of output.
    pub verbosity: Verbosity,
    /// A request to stop.
    pub interrupt: Interrupt,
    /// The supervisor of this process, if it has one.
    pub link: Link,
}

/// The outcome of a sweep that could begin.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The folder of the tables.
    pub folder: PathBuf,
    /// The tables of the sweeps.
    pub tables: Vec<Table>,
    /// The trials that failed, with their reasons.
    pub failed: Vec<String>,
    /// The number of trials that have neither finished nor failed.
    pub left: usize,
    /// True if a stop was requested.
    pub interrupted: bool,
}

/// Runs all unfinished trials of a recipe and writes its tables.
///
/// # Errors
/// The recipe or its inputs are wrong, or results cannot be written. The failure of a trial is not an error.
pub fn sweep(request: &RecipeRequest, options: &SweepOptions) -> Result<Outcome, CommandError> {
    let start = Instant::now();
    let mut inputs = Inputs::default();
    let plan = options.link.plan(|| inputs.plan(request))?;
    let mut is_first = true;
    loop {
        let begin = BeginRequest {
            recipe: request,
            out: options.out.as_deref(),
            renew: options.renew && is_first,
            replace: options.replace,
            reuse: &options.reuse,
            shows: options.verbosity != Verbosity::Quiet,
            interrupt: &options.interrupt,
            plan: &plan,
        };
        // A trial that has failed is done again once by each command.
        let (outcome, next) = round(&begin, inputs, options, start, is_first)?;
        match next {
            Some(of_next) => inputs = of_next,
            None => return Ok(outcome),
        }
        is_first = false;
    }
}

/// Runs the trials that are needed so far: all, or a round of seeds. With another round to come, it returns the
/// datasets for that; otherwise the reports are written. `retries_failed` chooses whether trials that have failed are
/// done again.
fn round(
    begin: &BeginRequest,
    inputs: Inputs,
    options: &SweepOptions,
    start: Instant,
    retries_failed: bool,
) -> Result<(Outcome, Option<Inputs>), CommandError> {
    let mut opened = None;
    let begun = Begun::new(begin, inputs, |trials| {
        let (devices, no_gpu) = Devices::open(&options.devices)?;
        suits_all(&devices, trials)?;
        let workers = Workers::new(devices.workers(options.workers), cores());
        opened = Some((devices, no_gpu, workers));
        Ok(workers.count)
    })?;
    let (devices, no_gpu, workers) = opened.expect("a sweep that has begun has devices");
    let Begun {
        inputs,
        plan,
        round,
        folder,
        store,
        trials,
        draws,
        aside,
        provenance,
        reused,
        frozen,
    } = &begun;
    let lines = begun.lines();
    let environment =
        EnvironmentFiles::new(store, &provenance.system, workers.count, devices.names());
    let mut run = begun.run(&lines)?;
    let environment = environment.map_err(CommandError::Output)?;
    let other_work = other_work(store, frozen);
    run.freeze().map_err(CommandError::Output)?;
    // A full disk must not cost the work: they are written again at the end.
    let without_sources = sources::write(folder, plan).err();
    run.take_finished(reused).map_err(CommandError::Output)?;
    if !retries_failed {
        run.take_failures().map_err(CommandError::Output)?;
    }
    let (tasks, notes) = run.tasks();
    let cost = tasks.iter().map(|task| task.cost).sum();
    let progress = Progress::new(
        options.verbosity,
        tasks.len(),
        cost,
        trials.len(),
        run.finished(),
    );
    if let Some(round) = round {
        progress.note(round);
    }
    let splits = SplitOutlook::all(draws.clone());
    let seeds = splits.iter().flat_map(SplitOutlook::seeds);
    seeds.for_each(|line| progress.note(&line));
    for note in SplitOutlook::notes(&splits) {
        progress.print(&note);
    }
    if let Some(aside) = aside {
        let aside = aside.display();
        progress.print(&format!(
            "the results of another code version were moved to {aside}"
        ));
    }
    if let Some(no_gpu) = no_gpu {
        progress.print(&format!("note: {no_gpu}; the trials run on the CPU"));
    }
    let unused = reused.unused(&options.reuse, frozen);
    let of_reused = reused.notes.iter().cloned().chain(unused);
    let told = run.notes().into_iter().chain(notes).chain(of_reused);
    for note in told.chain(other_work) {
        progress.print(&format!("warning: {note}"));
    }
    if let Some(error) = &without_sources {
        progress.print(&format!("warning: {error:#}; it is tried again at the end"));
    }
    let keys: Vec<StageKey> = tasks.iter().map(|task| task.work.key.clone()).collect();
    let executor = (options.executor.build)(Resources {
        store,
        datasets: &inputs.datasets,
        progress: &progress,
        environment: &environment,
        devices: &devices,
        workers,
        interrupt: &options.interrupt,
        link: &options.link,
        retries: options.retries,
        stages: &keys,
        log: None,
    });
    let executor = executor.map_err(CommandError::Input)?;
    let rules = Rules {
        retries: options.retries,
        fail_fast: options.fail_fast,
        stop: &|| options.interrupt.requested(),
        alone: options.link.alone(),
    };
    let live = options.report.then(|| LiveReport::begin(folder));
    let run = run.finish(&tasks, &*executor, rules, &progress);
    drop(live);
    if run.is_err() && options.report {
        // The page that is there says that the sweep runs.
        write_report(folder, &progress);
    }
    let run = run.map_err(CommandError::Output)?;
    if without_sources.is_some() {
        sources::write(folder, plan).map_err(CommandError::Output)?;
    }

    if !tasks.is_empty() || !Provenance::path(folder, &plan.recipe).exists() {
        let times = Times {
            workers: workers.count,
            wall_seconds: start.elapsed().as_secs_f64(),
            work_seconds: run.work_seconds(),
            ended: utc(SystemTime::now()),
        };
        let written = provenance.write(folder, plan, &times);
        written.map_err(CommandError::Output)?;
    }
    let next = begun
        .close(begin.plan, &lines)
        .map_err(CommandError::Output)?;
    let (failed, interrupted) = (run.failed(), options.interrupt.requested());
    let ends_here = interrupted || (options.fail_fast && !failed.is_empty());
    let goes_on = next > 0 && !ends_here;
    let outcome = Outcome {
        tables: run.tables(),
        failed,
        // Whoever stops at the end of a round has all of the next one left.
        left: trials.len() - run.finished() + next,
        interrupted,
        folder: folder.clone(),
    };
    if frozen.report.analyse && !outcome.interrupted && !goes_on {
        analyse_finished(folder, options, &progress);
    }
    if options.report && !goes_on {
        write_report(folder, &progress);
    }
    for warning in run.warnings() {
        progress.print(&format!("warning: {warning}"));
    }
    drop((run, executor));
    Ok((outcome, goes_on.then_some(begun.inputs)))
}

/// Makes the analyses of the trials that have finished.
fn analyse_finished(folder: &Path, options: &SweepOptions, progress: &Progress) {
    let device = match &options.devices {
        DeviceRequest::One(choice) => *choice,
        DeviceRequest::Gpus(numbers) => numbers
            .first()
            .map_or(DeviceChoice::Auto, |one| DeviceChoice::Cuda(*one)),
    };
    let results = insight::choice::Results::open(folder).map_err(CommandError::Input);
    let made = results.and_then(|results| analyse(&results, device, &|line| progress.note(line)));
    if let Err(error) = made {
        progress.print(&format!("warning: no analyses: {error}"));
    }
}

/// Writes the report of work that has ended.
fn write_report(folder: &Path, progress: &Progress) {
    let request = ReportRequest {
        folder: folder.to_path_buf(),
        other: None,
        out: None,
        analyse: None,
        watch: None,
    };
    match report(&request) {
        Ok(line) => progress.print(&format!("report: {line}")),
        Err(error) => progress.print(&format!("warning: no report: {error}")),
    }
}

/// Refuses a trial that the devices cannot compute.
fn suits_all(devices: &Devices, trials: &[Planned]) -> anyhow::Result<()> {
    for trial in trials {
        if let TrialSettings::Networks(settings) = &*trial.settings {
            devices.suit(settings).context(trial.label.clone())?;
        }
    }
    Ok(())
}
