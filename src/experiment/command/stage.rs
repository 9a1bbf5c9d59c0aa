//! `harness stage`: runs exactly one stage of a sweep in the foreground, with its log on the terminal. This
//! is the way to debug a failed stage.

use crate::experiment::insight::choice::{Results, RowRequest};
use crate::experiment::insight::trial::{KeptTrial, one_trial, planned};
use crate::experiment::run::devices::{DeviceRequest, Devices};
use crate::experiment::run::executor::ExecutorEntry;
use crate::experiment::run::interrupt::Interrupt;
use crate::experiment::run::outcome::{ExecutorOutcome, contained};
use crate::experiment::run::perform::Resources;
use crate::experiment::run::progress::Progress;
use crate::experiment::run::supervise::Link;
use crate::experiment::run::workers::Workers;
use crate::experiment::settings::trial_settings::TrialSettings;
use crate::experiment::store::environment::EnvironmentFiles;
use crate::experiment::store::frozen::{FrozenPlan, StageEntry, TrialEntry};
use crate::experiment::store::result_aside::ResultAside;
use crate::experiment::store::root::Store;
use crate::experiment::store::system::{SystemInfo, cores};
use crate::experiment::trial::datasets::Datasets;
use crate::experiment::trial::inputs::{CommandError, Inputs};
use crate::experiment::trial::key::StageKey;
use crate::experiment::trial::planned::stages_of;
use crate::experiment::trial::stage::Stage;
use crate::recipe::{Trial, similar};
use anyhow::{Context, Result, anyhow, bail};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Number of similar keys that a message names.
const SIMILAR: usize = 3;

/// A request to run one stage.
#[derive(Debug)]
pub struct StageRequest {
    /// The results folder of the sweep, and a trial in it if it is named by its row.
    pub row: RowRequest,
    /// The key of the stage, or the beginning of exactly one key: of all stages, or of those of the trial. None for
    /// the first stage of the trial that is not done. Without a trial, none is refused with a list of all keys.
    pub key: Option<String>,
    /// True if a stage that is done runs again.
    pub again: bool,
    /// The device.
    pub device: DeviceRequest,
    /// The executor that runs it.
    pub executor: &'static ExecutorEntry,
    /// A request to stop.
    pub interrupt: Interrupt,
    /// Called with every line that a training writes to its journal.
    pub log: fn(&str),
}

/// The outcome of a stage that could begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageOutcome {
    /// The name of the stage for people.
    pub title: String,
    /// The file with its log.
    pub journal: PathBuf,
    /// The end of the stage.
    pub end: StageEnd,
}

/// The end of a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StageEnd {
    /// It is done; the file with its result.
    Done(PathBuf),
    /// It failed, for this reason.
    Failed(String),
    /// A stop was requested.
    Stopped,
}

/// Runs one stage of a sweep that has begun in a results folder.
///
/// # Errors
/// There is no such stage; it is done; it needs stages that are not done; another process works on it; a file
/// that it reads is missing. The failure of the stage is not an error.
pub fn stage(request: &StageRequest) -> Result<StageOutcome, CommandError> {
    let (store, plans, _) =
        FrozenPlan::read_all(&request.row.results).map_err(CommandError::Input)?;
    let found = match request.key.as_deref() {
        key if request.row.names_a_part() => of_trial(&plans, &request.row, key),
        Some(key) => find(&plans, &request.row.results, key),
        None => Err(all_stages(&plans, &request.row.results)),
    };
    let (plan, index) = found.map_err(CommandError::Input)?;
    let entry = &plan.stages[index];
    may_run(&store, plan, entry, request.again).map_err(CommandError::Input)?;
    let inputs = Inputs::default();
    let stage = planned_stage(&store, &inputs, plan, index).map_err(CommandError::Input)?;
    run(request, &store, plan, stage, &inputs.datasets)
}

/// Runs `stage` of `plan`, by itself on all cores.
fn run(
    request: &StageRequest,
    store: &Store,
    plan: &FrozenPlan,
    stage: Stage,
    datasets: &Datasets,
) -> Result<StageOutcome, CommandError> {
    let (devices, no_gpu) = Devices::open(&request.device).map_err(CommandError::Input)?;
    if let TrialSettings::Networks(settings) = &*stage.settings {
        devices.suit(settings).map_err(CommandError::Input)?;
    }
    if let Some(no_gpu) = no_gpu {
        crate::screen::say(&format!("note: {no_gpu}; the stage runs on the CPU"));
    }
    let system = SystemInfo::new(plan.source.as_deref());
    let environment =
        EnvironmentFiles::new(store, &system, 1, devices.names()).map_err(CommandError::Output)?;
    let (progress, link) = (Progress::of_one_stage(stage.cost), Link::default());
    let executor = (request.executor.build)(Resources {
        store,
        datasets,
        progress: &progress,
        environment: &environment,
        devices: &devices,
        workers: Workers::new(1, cores()),
        interrupt: &request.interrupt,
        link: &link,
        retries: 0,
        stages: std::slice::from_ref(&stage.key),
        log: Some(request.log),
    });
    let executor = executor.map_err(CommandError::Input)?;
    let folder = store.stage(&stage.key);
    let result = folder.outcome(&stage.key);
    // With `--again`, the stage may have a complete result.
    let _earlier = match store.is_whole(&stage.key) {
        true => Some(ResultAside::new(&result).map_err(CommandError::Output)?),
        false => None,
    };
    let end = match contained(|| executor.run(&stage, 0)) {
        Ok(ExecutorOutcome::Done) => StageEnd::Done(result),
        Ok(ExecutorOutcome::Stopped) => StageEnd::Stopped,
        Ok(ExecutorOutcome::Held) => {
            let (key, title) = (&stage.key, &stage.title);
            return Err(CommandError::Input(held(key, title)));
        }
        Err(reason) => StageEnd::Failed(reason),
    };
    Ok(StageOutcome {
        title: stage.title,
        journal: folder.journal(),
        end,
    })
}

/// The plan and the index of a stage of the trial that `request` means: the one whose key begins with `key`, or
/// the first that is not done.
fn of_trial<'a>(
    plans: &'a [FrozenPlan],
    request: &RowRequest,
    key: Option<&str>,
) -> Result<(&'a FrozenPlan, usize)> {
    let results = Results::open(&request.results)?;
    let failed = |trial: &KeptTrial| trial.failure().is_some();
    let (trial, note) = one_trial(&results, request, failed)?;
    if let Some(note) = note {
        eprintln!("note: {note}");
    }
    let (plan, entry) = planned(plans, trial.hash).with_context(|| {
        let folder = request.results.display();
        format!("{folder}: no plan has this trial any more; `harness sweep` plans it again")
    })?;
    let stage = |index: &usize| &plan.stages[*index];
    let fits = |index: &&usize| match key {
        Some(key) => stage(index).key.as_str().starts_with(key),
        None => !results
            .store
            .as_ref()
            .is_some_and(|store| store.is_whole(&stage(index).key)),
    };
    let mut fitting = entry.stages.iter().filter(fits);
    let (first, second) = (fitting.next(), fitting.next());
    match (first, second, key) {
        (Some(index), None, _) | (Some(index), _, None) => Ok((plan, *index)),
        (None, _, None) => bail!(
            "all stages of {}, seed {}, are done; to run one again, give its key and --again: {}",
            entry.label,
            entry.seed,
            named(entry.stages.iter().map(stage))
        ),
        (_, _, Some(key)) => {
            let found = match first {
                Some(_) => "several stages begin",
                None => "no stage begins",
            };
            bail!(
                "{}, seed {}: {found} with `{key}`; its stages: {}",
                entry.label,
                entry.seed,
                named(entry.stages.iter().map(stage))
            )
        }
    }
}

/// The refusal of a request that names neither a stage nor a trial: all stages that it can name.
fn all_stages(plans: &[FrozenPlan], results: &Path) -> anyhow::Error {
    let stages = plans.iter().flat_map(|plan| &plan.stages);
    // Plans of several recipes may share a stage.
    let titles: BTreeMap<&str, &str> = stages
        .map(|stage| (stage.key.as_str(), stage.title.as_str()))
        .collect();
    let lines: Vec<String> = titles
        .iter()
        .map(|(key, title)| format!("  {key}  {title}"))
        .collect();
    anyhow!(
        "give the key of a stage, or --row LABEL; the stages of {}:\n{}",
        results.display(),
        lines.join("\n")
    )
}

/// The plan and the index of the stage whose key is `word` or begins with it.
fn find<'a>(
    plans: &'a [FrozenPlan],
    results: &Path,
    word: &str,
) -> Result<(&'a FrozenPlan, usize)> {
    let mut matching: Vec<(&FrozenPlan, usize)> = Vec::new();
    for plan in plans {
        for (index, stage) in plan.stages.iter().enumerate() {
            let key = stage.key.as_str();
            if key == word {
                return Ok((plan, index));
            }
            // Plans of several recipes may share a stage.
            let is_new =
                |(plan, other): &(&FrozenPlan, usize)| plan.stages[*other].key != stage.key;
            if !word.is_empty() && key.starts_with(word) && matching.iter().all(is_new) {
                matching.push((plan, index));
            }
        }
    }
    let folder = results.display();
    match matching[..] {
        [one] => Ok(one),
        [] => {
            let stages = || plans.iter().flat_map(|plan| &plan.stages);
            let entries: BTreeMap<&str, &StageEntry> =
                stages().map(|stage| (stage.key.as_str(), stage)).collect();
            let similar = similar(word, entries.keys().copied(), SIMILAR);
            let similar = similar.into_iter().map(|key| entries[key]);
            bail!("{folder}: no stage `{word}`; similar: {}", named(similar))
        }
        _ => {
            let stages = matching.iter().map(|(plan, index)| &plan.stages[*index]);
            let count = matching.len();
            bail!(
                "{folder}: {count} stages begin with `{word}`: {}",
                named(stages.take(SIMILAR))
            )
        }
    }
}

/// Refuses a stage that cannot run now.
fn may_run(store: &Store, plan: &FrozenPlan, stage: &StageEntry, again: bool) -> Result<()> {
    if store.stage(&stage.key).is_held() {
        return Err(held(&stage.key, &stage.title));
    }
    let missing: Vec<&StageEntry> = stage
        .needs
        .iter()
        .map(|need| &plan.stages[*need])
        .filter(|need| !store.is_whole(&need.key))
        .collect();
    if store.is_whole(&stage.key) && !again {
        let result = store.stage(&stage.key).outcome(&stage.key);
        bail!(
            "{} is done; its result is {}. Use --again to run it again",
            named([stage]),
            result.display()
        );
    }
    if !missing.is_empty() {
        bail!(
            "{} needs the results of stages that are not done. Run these first: {}",
            named([stage]),
            named(missing)
        );
    }
    Ok(())
}

fn held(key: &StageKey, title: &str) -> anyhow::Error {
    anyhow!("another process is working on `{key}` ({title})")
}

/// The keys and titles of `stages`.
fn named<'a>(stages: impl IntoIterator<Item = &'a StageEntry>) -> String {
    let named = |stage: &StageEntry| format!("`{}` ({})", stage.key, stage.title);
    let named: Vec<String> = stages.into_iter().map(named).collect();
    named.join(", ")
}

/// The stage `index` of `plan`, made from the settings of a trial that the sweep has saved.
fn planned_stage(store: &Store, inputs: &Inputs, plan: &FrozenPlan, index: usize) -> Result<Stage> {
    let key = &plan.stages[index].key;
    let trial = plan
        .trials
        .iter()
        .find(|trial| trial.stages.contains(&index));
    let trial = trial.with_context(|| format!("no trial of the plan has the stage `{key}`"))?;
    let trial = saved(store, trial)?;
    let wrong = inputs.check(&trial.located());
    if !wrong.is_empty() {
        let lines: Vec<String> = wrong.iter().map(|e| format!("{}: {e}", e.key)).collect();
        bail!(lines.join("\n"));
    }
    let (_, stages) = stages_of(&trial)?;
    stages.into_iter().find(|stage| stage.key == *key).with_context(|| {
        format!("this version of the program makes other stages than `{key}` of the same settings; `harness sweep` plans them again")
    })
}

/// A trial of a plan with its saved settings.
fn saved(store: &Store, trial: &TrialEntry) -> Result<Trial> {
    let path = store.trial(&trial.hash).settings();
    let text = std::fs::read_to_string(&path).with_context(|| {
        let path = path.display();
        format!("cannot read {path}, which `harness sweep` writes when it begins")
    })?;
    let damaged = || format!("{} is damaged", path.display());
    Ok(Trial {
        hash: trial.hash.clone(),
        label: trial.label.clone(),
        seed: trial.seed,
        settings: text.parse().with_context(damaged)?,
        places: trial.places.clone(),
    })
}
