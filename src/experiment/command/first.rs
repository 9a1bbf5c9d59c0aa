//! The first trial of a recipe, for commands that need one network or one dataset.

use crate::data::Dataset;
use crate::data::export::export;
use crate::experiment::settings::sections::Settings;
use crate::experiment::settings::trial_settings::TrialSettings;
use crate::experiment::trial::inputs::{CommandError, Inputs, RecipeRequest};
use crate::experiment::trial::planned::read;
use crate::registry::ComponentErrors;
use crate::screen::counted;
use anyhow::anyhow;
use std::path::Path;

/// Writes the dataset of a recipe's first trial as COCO JSON and PNG to `folder`, and returns a summary
/// with the oddities of the dataset.
///
/// # Errors
/// As for [`super::ahead::plan`], or the folder is not empty or not writable. No weights are needed.
pub fn export_data(request: &RecipeRequest, folder: &Path) -> Result<String, CommandError> {
    let (_, dataset) = first(request, &Inputs::of_the_data())?;
    let written = export(&dataset, folder).map_err(CommandError::Input)?;
    let mut lines = vec![format!(
        "{} with {} in {}",
        counted(written.images, "image"),
        counted(written.annotations, "annotation"),
        folder.display()
    )];
    lines.extend(dataset.findings.lines());
    Ok(lines.join("\n"))
}

/// The settings of a recipe's first trial and the names of its classes.
///
/// # Errors
/// As for [`super::ahead::plan`].
pub fn first_trial(request: &RecipeRequest) -> Result<(Settings, Vec<String>), CommandError> {
    first(request, &Inputs::default()).map(|(settings, dataset)| (settings, dataset.classes))
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

fn first_settings(request: &RecipeRequest, inputs: &Inputs) -> Result<Settings, CommandError> {
    let plan = inputs.plan(request)?;
    match read(&plan.trials[0].located()).map_err(CommandError::Input)? {
        TrialSettings::Networks(settings) => Ok(*settings),
        TrialSettings::Number(_) => {
            let recipe = request.recipe.display();
            let message = "trials of method.name = \"mock\" have no dataset and no network";
            Err(CommandError::Input(anyhow!("{recipe}: {message}")))
        }
    }
}
