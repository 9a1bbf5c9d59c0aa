//! One network or one dataset for a command: of the first trial of a recipe, or of a trial that was trained.

use crate::data::Dataset;
use crate::data::export::{Layout, export};
use crate::experiment::insight::choice::{Results, RowRequest};
use crate::experiment::insight::trial::{KeptTrial, located, one_trial};
use crate::experiment::settings::sections::Settings;
use crate::experiment::settings::trial_settings::TrialSettings;
use crate::experiment::store::folder::StageFolder;
use crate::experiment::trial::inputs::{CommandError, Inputs, RecipeRequest};
use crate::experiment::trial::planned::read;
use crate::recipe::hint;
use crate::registry::ComponentErrors;
use crate::screen::counted;
use crate::train::STUDENT;
use anyhow::{Result, anyhow, bail};
use std::path::Path;
use toml::Value;

/// The reason why a mock trial is refused.
const NO_NETWORK: &str = "trials of method.name = \"mock\" have no dataset and no network";

/// Writes the dataset of a recipe's first trial to `folder` in `layout`, and returns a summary with the oddities of the
/// dataset.
///
/// # Errors
/// As for [`super::ahead::plan`], or the folder is not empty or not writable. No weights are needed.
pub fn export_data(
    request: &RecipeRequest,
    folder: &Path,
    layout: Layout,
) -> Result<String, CommandError> {
    let (_, dataset) = first(request, &Inputs::of_the_data())?;
    let written = export(&dataset, folder, layout).map_err(CommandError::Input)?;
    let mut lines = vec![format!(
        "{} with {} in {}",
        counted(written.images, "image"),
        counted(written.annotations, "annotation"),
        folder.display()
    )];
    lines.extend(written.notes);
    lines.extend(dataset.findings.lines());
    Ok(lines.join("\n"))
}

/// A network that a command takes.
#[derive(Clone, Debug)]
pub enum NetworkRequest {
    /// That of a recipe's first trial.
    Recipe(RecipeRequest),
    /// One that a trial of a results folder has trained.
    Trial {
        /// The trial.
        row: RowRequest,
        /// The network: `teacher`, `student` or `average`. None for the one that the tables show.
        network: Option<String>,
    },
}

impl NetworkRequest {
    /// The network of a recipe, or of a trial if `row` names one or the path of `recipe` is a results folder.
    /// `elsewhere` is true if the weights come from another place.
    ///
    /// # Errors
    /// Settings of a trained trial are overridden.
    pub fn new(
        recipe: RecipeRequest,
        row: RowRequest,
        network: Option<String>,
        elsewhere: bool,
    ) -> Result<Self, CommandError> {
        let is_folder = !elsewhere && Results::are_in(&recipe.recipe);
        if !row.names_a_part() && !is_folder {
            if let Some(network) = network {
                let error = anyhow!(
                    "--network {network}: {} is no results folder; --weights FILE#{network} chooses a network of a file",
                    recipe.recipe.display()
                );
                return Err(CommandError::Input(error));
            }
            return Ok(Self::Recipe(recipe));
        }
        if let Some(set) = recipe.set.first() {
            let error = anyhow!("--set {set}: a trained network keeps the settings of its trial");
            return Err(CommandError::Input(error));
        }
        Ok(Self::Trial { row, network })
    }
}

/// The settings of a recipe's first trial and the names of its classes.
///
/// # Errors
/// As for [`super::ahead::plan`].
pub fn first_trial(request: &RecipeRequest) -> Result<(Settings, Vec<String>), CommandError> {
    first(request, &Inputs::default()).map(|(settings, dataset)| (settings, dataset.classes))
}

/// The settings of a trained trial, with its weights as `model.weights`, and the names of its classes or the reason
/// why they are unknown, as for [`first_network`].
///
/// # Errors
/// There is no such trial, or it has not been trained to its end, or it has no such network.
pub fn trained_network(
    request: &RowRequest,
    network: Option<&str>,
) -> Result<(Settings, Result<Vec<String>, ComponentErrors>), CommandError> {
    let settings = trained_settings(request, network).map_err(CommandError::Input)?;
    let inputs = Inputs::of_the_network();
    let labels = match inputs.datasets.get(&settings.data) {
        Ok(dataset) => Ok(dataset.classes),
        Err(error) if settings.misses(&error) => Err(error),
        Err(error) => return Err(CommandError::Input(error.into())),
    };
    Ok((settings, labels))
}

fn trained_settings(request: &RowRequest, network: Option<&str>) -> Result<Settings> {
    let results = Results::open(&request.results)?;
    let store = results.store()?;
    store.accept()?;
    let done = |trial: &KeptTrial| {
        let last = trial.trainings().last();
        last.is_some_and(|stage| stage.state.is_done())
    };
    let (trial, note) = one_trial(&results, request, done)?;
    if let Some(note) = note {
        eprintln!("note: {note}");
    }
    let Some(stage) = trial.trainings().last().filter(|_| done(&trial)) else {
        let why = trial
            .failure()
            .map_or(String::new(), |why| format!(": {why}"));
        bail!("seed {} of the row has no trained weights{why}", trial.seed);
    };
    let networks = trial
        .evaluation
        .iter()
        .flat_map(|found| found.models.keys());
    let networks: Vec<&str> = networks.map(String::as_str).collect();
    let network = network.or(trial.reported()).unwrap_or(STUDENT);
    if !networks.is_empty() && !networks.contains(&network) {
        bail!(
            "the trial has no network `{network}`{}",
            hint(network, networks)
        );
    }
    of_network(&results, &trial, &stage.folder, network)
}

/// The settings of a trial with the weights of the network `network` that the training in `folder` left.
///
/// # Errors
/// The store lacks the settings, or the trial trains no network.
pub(super) fn of_network(
    results: &Results,
    trial: &KeptTrial,
    folder: &StageFolder,
    network: &str,
) -> Result<Settings> {
    let mut table = located(results.store()?, &results.plans, trial.hash)?;
    let path = format!("{}#{network}", folder.result().display());
    if let Some(model) = table.get_mut("model").and_then(Value::as_table_mut) {
        model.insert("weights".into(), path.into());
        if let Some(backbone) = model.get_mut("backbone").and_then(Value::as_table_mut) {
            backbone.insert("weights".into(), "".into());
        }
    }
    match read(&table)? {
        TrialSettings::Networks(settings) => Ok(*settings),
        TrialSettings::Number(_) => bail!("{NO_NETWORK}"),
    }
}

/// The settings of a recipe's first trial, and the names of its classes or the reason why they are unknown
/// (the dataset is missing). Of the files that the recipe names, only those of the network are needed.
///
/// # Errors
/// As for [`super::ahead::plan`], restricted to what is needed.
pub fn first_network(
    request: &RecipeRequest,
) -> Result<(Settings, Result<Vec<String>, ComponentErrors>), CommandError> {
    let inputs = Inputs::of_the_network();
    let settings = first_settings(request, &inputs)?;
    let labels = match inputs.datasets.get(&settings.data) {
        Ok(dataset) => Ok(dataset.classes),
        Err(error) if settings.misses(&error) => Err(error),
        Err(error) => return Err(CommandError::Input(error.into())),
    };
    Ok((settings, labels))
}

fn first(request: &RecipeRequest, inputs: &Inputs) -> Result<(Settings, Dataset), CommandError> {
    let settings = first_settings(request, inputs)?;
    let dataset = inputs.datasets.get(&settings.data);
    let dataset = dataset.map_err(|error| CommandError::Input(error.into()))?;
    Ok((settings, dataset))
}

/// The settings of a recipe's first trial that reads unlabelled images; without one, those of its
/// first trial.
///
/// # Errors
/// As for [`first_settings`].
pub(super) fn first_with_unlabelled(
    request: &RecipeRequest,
    inputs: &Inputs,
) -> Result<Settings, CommandError> {
    let plan = inputs.plan(request)?;
    for trial in &plan.trials {
        if let TrialSettings::Networks(settings) =
            read(&trial.located()).map_err(CommandError::Input)?
            && settings.method.reads_unlabelled()
        {
            return Ok(*settings);
        }
    }
    first_settings(request, inputs)
}

/// The settings of a recipe's first trial. `inputs` says which files are needed.
///
/// # Errors
/// As for [`super::ahead::plan`], or the trial trains no network.
pub(super) fn first_settings(
    request: &RecipeRequest,
    inputs: &Inputs,
) -> Result<Settings, CommandError> {
    let plan = inputs.plan(request)?;
    match read(&plan.trials[0].located()).map_err(CommandError::Input)? {
        TrialSettings::Networks(settings) => Ok(*settings),
        TrialSettings::Number(_) => {
            let recipe = request.recipe.display();
            Err(CommandError::Input(anyhow!("{recipe}: {NO_NETWORK}")))
        }
    }
}
