//! One recipe from its file to its tables: plan, check, train what is missing, write after every trial.

use super::environment::Kept;
use super::normalise::normalise;
use super::perform::Workshop;
use super::progress::{Progress, Verbosity};
use super::provenance::{Provenance, Times, cores};
use super::results::Results;
use super::run::{Planned, Run};
use super::scheduler::Workers;
use super::settings::Settings;
use super::stage::stages;
use super::store::Store;
use super::trial::{self, Datasets, Ground};
use super::trial_settings::TrialSettings;
use crate::atomic::ensure_writable;
use crate::data::Dataset;
use crate::data::export::export;
use crate::graph::clip::{ClipRegions, VisionLanguageConfig};
use crate::recipe::{Explanation, Hooks, Plan, Request};
use crate::registry::ComponentError;
use anyhow::{Context, Result, anyhow};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use toml::Table;

/// A recipe and the overrides from the command line.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The recipe's file.
    pub recipe: PathBuf,
    /// `key.path=value` arguments.
    pub set: Vec<String>,
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
}

/// Why a sweep ended without an outcome.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// The recipe, an argument or an input file is wrong; nothing was trained.
    #[error("{0:#}")]
    Input(anyhow::Error),
    /// Results could not be written.
    #[error("{0:#}")]
    Output(anyhow::Error),
}

/// The checked plan of a recipe, and what is not there yet of the files that a run needs.
///
/// # Errors
/// Everything that is wrong with the recipe, its sweeps, the overrides and the files that they name, as far as these exist.
pub fn plan(ask: &Ask) -> Result<(Plan, Vec<String>), Stop> {
    let inputs = Inputs {
        absent: Some(RefCell::default()),
        ..Inputs::default()
    };
    let plan = inputs.plan(ask)?;
    let absent = inputs.absent.map(RefCell::into_inner).unwrap_or_default();
    Ok((plan, absent.into_iter().collect()))
}

/// Where the value of a key of the recipe comes from.
///
/// # Errors
/// A file of the recipe cannot be read, or there is no such key.
pub fn explain(ask: &Ask, key: &str) -> Result<Explanation, Stop> {
    let environment = environment();
    let request = Request {
        recipe: &ask.recipe,
        environment: &environment,
        set: &ask.set,
    };
    Explanation::new(request, key).map_err(|error| Stop::Input(error.into()))
}

/// The variables of this process that are text.
fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Writes the dataset of a recipe's first trial as COCO JSON and PNG to `folder` and tells what it holds.
///
/// # Errors
/// As [`plan`]; the folder is not empty or not writable.
pub fn export_data(ask: &Ask, folder: &Path) -> Result<String, Stop> {
    let (_, dataset) = first(ask)?;
    let written = export(&dataset, folder).map_err(Stop::Input)?;
    Ok(format!(
        "{} images with {} annotations in {}",
        written.images,
        written.annotations,
        folder.display()
    ))
}

/// The settings of a recipe's first trial and the names of its classes.
///
/// # Errors
/// As [`plan`].
pub(super) fn first_trial(ask: &Ask) -> Result<(Settings, Vec<String>), Stop> {
    first(ask).map(|(settings, dataset)| (settings, dataset.classes))
}

/// The recipe `ask` with `weights` for the whole network, in place of those that it names.
pub(super) fn with_weights(ask: &Ask, weights: &Path) -> Ask {
    let mut ask = ask.clone();
    let path = toml::Value::from(weights.to_string_lossy().into_owned());
    ask.set.push(format!("model.weights={path}"));
    ask.set.push("model.backbone.weights=\"\"".into());
    ask
}

fn first(ask: &Ask) -> Result<(Settings, Dataset), Stop> {
    let inputs = Inputs::default();
    let plan = inputs.plan(ask)?;
    let settings = match read(&plan.trials[0].settings).map_err(Stop::Input)? {
        TrialSettings::Network(settings) => *settings,
        TrialSettings::Mock(_) => {
            let recipe = ask.recipe.display();
            let message = "a trial of method.name = \"mock\" has no dataset and no network";
            return Err(Stop::Input(anyhow!("{recipe}: {message}")));
        }
    };
    let dataset = inputs.datasets.get(&settings.data);
    let dataset = dataset.map_err(|error| Stop::Input(trial::named(error)))?;
    Ok((settings, dataset))
}

/// Runs all trials of a recipe that are not finished and writes its tables. `out`: the folder of the results; `workers`: trials at
/// once, 0 for one per core.
///
/// # Errors
/// Something is wrong with the recipe or its inputs, or results cannot be written. A trial that fails is no error.
pub fn sweep(
    ask: &Ask,
    out: Option<&Path>,
    workers: usize,
    verbosity: Verbosity,
) -> Result<Outcome, Stop> {
    let start = Instant::now();
    let inputs = Inputs::default();
    let plan = inputs.plan(ask)?;
    let folder = out.map_or_else(
        || Path::new("results").join(&plan.results),
        Path::to_path_buf,
    );
    ensure_writable(&folder).map_err(Stop::Input)?;
    let store = Store::open(&folder).map_err(Stop::Input)?;
    let trials = inputs.trials(&plan).map_err(Stop::Input)?;
    let workers = Workers::new(workers, cores());
    let provenance = Provenance::new(&ask.recipe, &ask.set, &plan);
    let results =
        Results::open(&store, &folder, &plan, &provenance.lines()).map_err(Stop::Input)?;
    let environment = Kept::new(&store, &provenance, workers.count).map_err(Stop::Output)?;

    let mut run = Run::new(&trials, &store, results);
    run.freeze().map_err(Stop::Output)?;
    run.take_finished().map_err(Stop::Output)?;
    let (tasks, notes) = run.tasks();
    let cost = tasks.iter().map(|task| task.cost).sum();
    let progress = Progress::new(verbosity, tasks.len(), cost, trials.len(), run.finished());
    for note in run.notes().into_iter().chain(notes) {
        progress.say(&format!("warning: {note}"));
    }
    let workshop = Workshop::new(&store, &inputs.datasets, &progress, &environment, &tasks);
    let run = run
        .finish(&tasks, workers, &workshop, &progress)
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
        folder,
    })
}

/// The settings of a trial, their errors in one message.
fn read(table: &Table) -> Result<TrialSettings> {
    TrialSettings::read(table).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(|e| format!("{}: {e}", e.key)).collect();
        anyhow!(lines.join("\n"))
    })
}

/// What is read before any training, each thing once.
#[derive(Default)]
struct Inputs {
    datasets: Datasets,
    /// Networks that were made once to see that their weights fit, by the hash of what they read.
    fitting: RefCell<BTreeSet<String>>,
    /// If files may be absent, those that are; otherwise an absent file is an error.
    absent: Option<RefCell<BTreeSet<String>>>,
}

impl Inputs {
    fn plan(&self, ask: &Ask) -> Result<Plan, Stop> {
        let environment = environment();
        let request = Request {
            recipe: &ask.recipe,
            environment: &environment,
            set: &ask.set,
        };
        let check = |table: &Table| self.check(table);
        let hooks = Hooks {
            check: &check,
            normalise: &normalise,
        };
        Plan::new(request, hooks).map_err(|error| Stop::Input(error.into()))
    }

    /// Everything that is wrong with the settings of a trial and with the files that they name.
    fn check(&self, table: &Table) -> Vec<ComponentError> {
        let settings = match TrialSettings::read(table) {
            Ok(TrialSettings::Network(settings)) => settings,
            Ok(TrialSettings::Mock(_)) => return Vec::new(),
            Err(errors) => return errors,
        };
        let missing = settings.missing_files();
        let dataset = match self.datasets.get(&settings.data) {
            Ok(dataset) => Some(dataset),
            Err(error) if missing.iter().any(|other| other.key == error.key) => None,
            Err(error) => return std::iter::once(error).chain(missing).collect(),
        };
        let complete = missing.is_empty();
        match &self.absent {
            Some(absent) => {
                let named = missing
                    .iter()
                    .map(|error| format!("{}: {error}", error.key));
                absent.borrow_mut().extend(named);
            }
            None if !complete => return missing,
            None => {}
        }
        let Some(dataset) = dataset.filter(|_| complete) else {
            return Vec::new();
        };
        let network = format!("{:?} {}", settings.model, dataset.classes.len());
        if self.fitting.borrow_mut().insert(network)
            && let Err(error) = trial::model(&settings, dataset.classes.len())
        {
            let key = match settings.model.weights.as_os_str().is_empty() {
                true => "model.backbone.weights",
                false => "model.weights",
            };
            return vec![ComponentError::new(key, format!("{error:#}"))];
        }
        if let Some(VisionLanguageConfig::Clip(config)) = &settings.vlm
            && self.fitting.borrow_mut().insert(format!("{config:?}"))
        {
            let wrong = |key, error| vec![ComponentError::new(key, format!("{error:#}"))];
            if let Err(error) = config.descriptions.texts(&dataset.classes) {
                return wrong("method.correction.vlm.descriptions", error);
            }
            if let Err(error) = ClipRegions::new(config, &dataset.classes) {
                return wrong("method.correction.vlm.weights", error);
            }
        }
        Vec::new()
    }

    /// The trials of a plan with their stages. Splits the data of every trial, since not every seed may allow it.
    fn trials(&self, plan: &Plan) -> Result<Vec<Planned>> {
        let mut seen = BTreeSet::new();
        let mut trials = Vec::new();
        for trial in &plan.trials {
            let settings = Arc::new(read(&trial.settings)?);
            if let TrialSettings::Network(network) = &*settings {
                let split = format!("{:?} {} {}", network.split, network.data, network.seed);
                if seen.insert(split) {
                    Ground::new(network, &self.datasets)
                        .with_context(|| format!("seed {}", network.seed))?;
                }
            }
            trials.push(Planned {
                hash: trial.hash.clone(),
                label: trial.label.clone(),
                seed: trial.seed,
                table: trial.settings.clone(),
                stages: stages(&trial.label, &trial.settings, &settings),
                settings,
            });
        }
        Ok(trials)
    }
}
