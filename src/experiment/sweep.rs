//! One recipe from its file to its tables: plan, check, train what is missing, write after every trial.

use super::perform::{Evaluation, Workshop};
use super::progress::Progress;
use super::provenance::{Provenance, Times, cores};
use super::results::Results;
use super::scheduler::{self, Task, Workers};
use super::settings::Settings;
use super::stage::{Kind, Stage, stages};
use super::store::{STORE, Store};
use super::trial::{self, Datasets, Ground};
use super::unread::normalise;
use crate::atomic::{ensure_writable, write_atomically};
use crate::data::Dataset;
use crate::data::export::export;
use crate::graph::clip::{ClipRegions, VisionLanguageConfig};
use crate::recipe::{Explanation, Hooks, Plan, Request};
use crate::registry::ComponentError;
use anyhow::{Context, Result, anyhow};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
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
    let settings = read(&plan.trials[0].settings).map_err(Stop::Input)?;
    let dataset = inputs.datasets.get(&settings.data);
    let dataset = dataset.map_err(|error| Stop::Input(trial::named(error)))?;
    Ok((settings, dataset))
}

/// Runs all trials of a recipe that are not finished and writes its tables. `out`: the folder of the results; `workers`: trials at
/// once, 0 for one per core.
///
/// # Errors
/// Something is wrong with the recipe or its inputs, or results cannot be written. A trial that fails is no error.
pub fn sweep(ask: &Ask, out: Option<&Path>, workers: usize) -> Result<Outcome, Stop> {
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
    let provenance = Provenance::new(&ask.recipe, &ask.set, &plan);
    let results = Results::open(&folder, &plan, provenance.lines()).map_err(Stop::Input)?;

    let mut run = Run {
        trials: &trials,
        store: &store,
        results,
    };
    run.take_finished().map_err(Stop::Output)?;
    let tasks = run.tasks();
    let workers = Workers::new(workers, cores());
    let progress = Progress::new(tasks.len());
    if store.belongs_to_other_program().map_err(Stop::Output)? {
        progress.say(&format!(
            "warning: {} holds work of another build of this program, which is not done again; delete it to start anew",
            folder.join(STORE).display()
        ));
    }
    let workshop = Workshop {
        store: &store,
        datasets: &inputs.datasets,
        progress: &progress,
    };
    let work = |stage: &Stage| workshop.perform(stage);
    scheduler::run(&tasks, workers, work, |task, outcome| {
        run.end(&task.work, outcome)
    })
    .and_then(|()| run.results.write())
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
        failed: run.results.failed(),
        folder,
    })
}

/// The settings of a trial, their errors in one message.
fn read(table: &Table) -> Result<Settings> {
    Settings::read(table).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(|e| format!("{}: {e}", e.key)).collect();
        anyhow!(lines.join("\n"))
    })
}

/// A trial with its stages.
struct Planned {
    hash: String,
    label: String,
    seed: u64,
    table: Table,
    settings: Arc<Settings>,
    stages: Vec<Stage>,
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
        let settings = match Settings::read(table) {
            Ok(settings) => settings,
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
            && let Err(error) = ClipRegions::new(config, &dataset.classes)
        {
            return vec![ComponentError::new(
                "method.correction.vlm.weights",
                format!("{error:#}"),
            )];
        }
        Vec::new()
    }

    /// The trials of a plan with their stages. Splits the data of every trial, since not every seed may allow it.
    fn trials(&self, plan: &Plan) -> Result<Vec<Planned>> {
        let mut seen = BTreeMap::new();
        let mut trials = Vec::new();
        for trial in &plan.trials {
            let settings = Arc::new(read(&trial.settings)?);
            let split = format!("{:?} {} {}", settings.split, settings.data, settings.seed);
            if seen.insert(split, ()).is_none() {
                Ground::new(&settings, &self.datasets)
                    .with_context(|| format!("seed {}", settings.seed))?;
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

/// A running sweep.
struct Run<'a> {
    trials: &'a [Planned],
    store: &'a Store,
    results: Results<'a>,
}

impl Run<'_> {
    /// Takes the trials whose evaluation stands in the store.
    fn take_finished(&mut self) -> Result<()> {
        for index in 0..self.trials.len() {
            let last = last(&self.trials[index]);
            if self.is_done(last) {
                self.take(index, Ok(()))?;
            }
        }
        Ok(())
    }

    /// The stages that are missing, each once.
    fn tasks(&self) -> Vec<Task<Stage>> {
        let mut tasks: Vec<Task<Stage>> = Vec::new();
        let mut wanted: BTreeSet<&str> = BTreeSet::new();
        let mut chosen: Vec<&Stage> = Vec::new();
        for trial in self.trials {
            if !self.is_done(last(trial)) {
                wanted.insert(&last(trial).key);
            }
            for stage in trial.stages.iter().rev() {
                let needed = wanted.contains(stage.key.as_str());
                if needed && !self.is_done(stage) {
                    wanted.extend(stage.needs.iter().map(String::as_str));
                }
            }
            for stage in &trial.stages {
                let new = chosen.iter().all(|other| other.key != stage.key);
                if wanted.contains(stage.key.as_str()) && !self.is_done(stage) && new {
                    chosen.push(stage);
                }
            }
        }
        let keys: BTreeSet<&str> = chosen.iter().map(|stage| stage.key.as_str()).collect();
        for stage in chosen {
            let needs = stage
                .needs
                .iter()
                .filter(|need| keys.contains(need.as_str()));
            tasks.push(Task {
                key: stage.key.clone(),
                needs: needs.cloned().collect(),
                cost: stage.cost,
                work: stage.clone(),
            });
        }
        tasks
    }

    fn is_done(&self, stage: &Stage) -> bool {
        let folder = self.store.stage(&stage.key);
        match stage.kind {
            Kind::Evaluate => folder.metrics().exists(),
            _ => folder.result().exists(),
        }
    }

    /// A stage has ended: the trials that end with it have their result.
    fn end(&mut self, stage: &Stage, outcome: Result<(), &str>) -> Result<()> {
        if stage.kind != Kind::Evaluate {
            return Ok(());
        }
        for index in 0..self.trials.len() {
            if last(&self.trials[index]).key == stage.key {
                self.take(index, outcome)?;
            }
        }
        self.results.write()
    }

    fn take(&mut self, index: usize, outcome: Result<(), &str>) -> Result<()> {
        let trial = &self.trials[index];
        let Settings { train, .. } = &*trial.settings;
        let reported = trial.settings.reported();
        let seconds = self.own_seconds(trial);
        if let Err(reason) = outcome {
            return self
                .results
                .take(index, train.steps, seconds, reported, Err(reason));
        }
        let evaluation = self.evaluation(trial)?;
        self.keep(trial, &evaluation)?;
        self.results
            .take(index, evaluation.steps, seconds, reported, Ok(&evaluation))
    }

    fn evaluation(&self, trial: &Planned) -> Result<Evaluation> {
        let path = self.store.stage(&last(trial).key).metrics();
        let text =
            std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("{} is damaged", path.display()))
    }

    /// Puts together in the trial's own folder what its stages left.
    fn keep(&self, trial: &Planned, evaluation: &Evaluation) -> Result<()> {
        let folder = self.store.trial(&trial.hash);
        if folder.metrics().exists() {
            return Ok(());
        }
        folder.make()?;
        let settings = format!("# {}, seed {}\n{}", trial.label, trial.seed, trial.table);
        write_atomically(&folder.settings(), settings.as_bytes())?;
        let mut journal = Vec::new();
        for stage in &trial.stages {
            let path = self.store.stage(&stage.key).journal();
            journal.extend(std::fs::read(path).unwrap_or_default());
        }
        write_atomically(&folder.journal(), &journal)?;
        let metrics = serde_json::to_string_pretty(evaluation)? + "\n";
        write_atomically(&folder.metrics(), metrics.as_bytes())
    }

    /// Seconds of the stages that follow the shared ones.
    fn own_seconds(&self, trial: &Planned) -> f64 {
        let shared = |stage: &&Stage| matches!(stage.kind, Kind::Vlm | Kind::BurnIn { .. });
        let own = trial.stages.iter().filter(|stage| !shared(stage));
        own.map(|stage| self.store.stage(&stage.key).seconds())
            .sum()
    }

    /// Seconds of all stages of the plan.
    fn work_seconds(&self) -> f64 {
        let keys = self
            .trials
            .iter()
            .flat_map(|trial| trial.stages.iter().map(|stage| &stage.key));
        let keys: BTreeSet<&String> = keys.collect();
        keys.into_iter()
            .map(|key| self.store.stage(key).seconds())
            .sum()
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for trial in self.trials.iter().filter(|trial| self.is_done(last(trial))) {
            let found = self.evaluation(trial).map(|evaluation| evaluation.warnings);
            for warning in found.unwrap_or_default() {
                warnings.push(format!("{}, seed {}: {warning}", trial.label, trial.seed));
            }
        }
        warnings
    }
}

fn last(trial: &Planned) -> &Stage {
    trial
        .stages
        .last()
        .expect("every trial ends with an evaluation")
}
