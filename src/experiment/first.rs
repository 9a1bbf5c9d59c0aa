//! The first trial of a recipe, for commands that need one network or one dataset.

use super::inputs::{Ask, Inputs, Stop, read};
use super::settings::Settings;
use super::trial;
use super::trial_settings::TrialSettings;
use crate::data::Dataset;
use crate::data::export::export;
use anyhow::anyhow;
use std::path::Path;

/// Writes the dataset of a recipe's first trial as COCO JSON and PNG to `folder` and tells what it holds.
///
/// # Errors
/// As [`super::plan`]; the folder is not empty or not writable.
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
/// As [`super::plan`].
pub fn first_trial(ask: &Ask) -> Result<(Settings, Vec<String>), Stop> {
    first(ask).map(|(settings, dataset)| (settings, dataset.classes))
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
