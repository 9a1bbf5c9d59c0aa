//! `harness data split`: writes the splits of a recipe as COCO annotations for other frameworks.

use crate::atomic::write_atomically;
use crate::data::DATASETS;
use crate::data::split::Split;
use crate::data::split_files::{TrainAnnotations, file_names};
use crate::experiment::settings::sections::Settings;
use crate::experiment::settings::trial_settings::TrialSettings;
use crate::experiment::trial::draws::draw;
use crate::experiment::trial::inputs::{CommandError, Inputs, RecipeRequest};
use crate::experiment::trial::planned::planned;
use crate::registry;
use crate::report::labelled_words;
use anyhow::{Context, Result, anyhow, bail};
use std::collections::BTreeMap;
use std::path::Path;

/// A split that was written: its hash and its line in the summary.
struct Done {
    sha256: String,
    line: String,
}

/// Writes the two files of every different split of the recipe's trials to `folder`, and returns a summary. No weights
/// are needed.
///
/// # Errors
/// As for [`super::ahead::plan`], two different splits have the same file name, or a file cannot be written or has
/// another content already.
pub fn split_data(request: &RecipeRequest, folder: &Path) -> Result<String, CommandError> {
    let inputs = Inputs::of_the_data();
    let plan = inputs.plan(request)?;
    let trials = planned(&plan).map_err(CommandError::Input)?;
    let made = std::fs::create_dir_all(folder);
    made.with_context(|| format!("{}: cannot be made", folder.display()))
        .map_err(CommandError::Output)?;
    let mut done: BTreeMap<String, Done> = BTreeMap::new();
    for trial in &trials {
        if let TrialSettings::Networks(settings) = &*trial.settings {
            write(settings, &inputs, folder, &mut done).map_err(CommandError::Input)?;
        }
    }
    if done.is_empty() {
        let error = anyhow!("{}: no trial of it has a dataset", request.recipe.display());
        return Err(CommandError::Input(error));
    }
    let lines: Vec<String> = done.into_values().map(|done| done.line).collect();
    Ok(lines.join("\n"))
}

/// Writes the split of a trial, unless that has been `done` for another trial.
fn write(
    settings: &Settings,
    inputs: &Inputs,
    folder: &Path,
    done: &mut BTreeMap<String, Done>,
) -> Result<()> {
    let dataset = inputs.datasets.get(&settings.data)?;
    let split = draw(settings, &dataset)?;
    let config = registry::build(DATASETS, settings.data.clone())?;
    let names = file_names(&*config, &split, settings.split.seed.of(settings.seed));
    let sha256 = split.sha256();
    match done.get(&names[0]) {
        Some(other) if other.sha256 == sha256 => return Ok(()),
        Some(_) => bail!(
            "two splits of the recipe have the file name `{}`; write them into folders of their own, with --set",
            names[0]
        ),
        None => {}
    }
    let annotations = TrainAnnotations::read(&dataset, &*config)?;
    for (name, text) in names.iter().zip(annotations.texts(&split)?) {
        let file = folder.join(name);
        match std::fs::read(&file) {
            Ok(found) if found == text => continue,
            Ok(_) => bail!(
                "{}: exists already with another content; needed: another folder",
                file.display()
            ),
            Err(_) => write_atomically(&file, &text)?,
        }
    }
    let line = line(&names, &split, dataset.train.len());
    done.insert(names[0].clone(), Done { sha256, line });
    Ok(())
}

/// The line of a split in the summary.
fn line([labelled, unlabelled]: &[String; 2], split: &Split, all: usize) -> String {
    let further = split
        .unlabelled
        .iter()
        .filter(|image| **image >= all)
        .count();
    let further = match further {
        0 => String::new(),
        count => format!(" ({count} further unlabelled images are in none of the files)"),
    };
    format!(
        "{labelled}, {unlabelled}: {}; split (SHA-256) {}{further}",
        labelled_words(split.chosen.len(), split.labelled.len(), all),
        split.sha256()
    )
}
