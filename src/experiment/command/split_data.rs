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
use anyhow::{Context, Result, anyhow, ensure};
use std::collections::BTreeMap;
use std::path::Path;
use toml::Table;

/// A split that was written.
struct Done {
    /// The table `[data]` of its dataset.
    data: Table,
    sha256: String,
    unlabelled: Vec<usize>,
    /// Its line in the summary.
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
    let settings = trials.iter().filter_map(|trial| match &*trial.settings {
        TrialSettings::Networks(settings) => Some(settings),
        TrialSettings::Number(_) => None,
    });
    let mut settings: Vec<_> = settings.collect();
    // Only a method with a teacher reads which images are unlabelled, so its splits are written first.
    settings.sort_by_key(|settings| !settings.method.has_teacher());
    for settings in settings {
        write(settings, &inputs, folder, &mut done)?;
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
) -> Result<(), CommandError> {
    let Some((name, made, files)) = made(settings, inputs, done).map_err(CommandError::Input)?
    else {
        return Ok(());
    };
    for (name, text) in files {
        let file = folder.join(name);
        match std::fs::read(&file) {
            Ok(found) if found == text => continue,
            Ok(_) => {
                let file = file.display();
                let error =
                    anyhow!("{file}: exists already with another content; needed: another folder");
                return Err(CommandError::Input(error));
            }
            Err(_) => write_atomically(&file, &text).map_err(CommandError::Output)?,
        }
    }
    done.insert(name, made);
    Ok(())
}

/// The files of the split of a trial: their names and texts. None if the split has been `done`.
type Made = (String, Done, [(String, Vec<u8>); 2]);

fn made(
    settings: &Settings,
    inputs: &Inputs,
    done: &BTreeMap<String, Done>,
) -> Result<Option<Made>> {
    let dataset = inputs.datasets.get(&settings.data)?;
    let split = draw(settings, &dataset)?;
    let config = registry::build(DATASETS, settings.data.clone())?;
    let names = file_names(&*config, &split, settings.split.seed.of(settings.seed));
    let made = Done {
        data: settings.data.clone(),
        sha256: split.sha256(),
        unlabelled: split.unlabelled.clone(),
        line: line(&names, &split, dataset.train.len()),
    };
    if let Some(other) = done.get(&names[0]) {
        let reads = settings.method.has_teacher();
        let same = (&other.data, &other.sha256) == (&made.data, &made.sha256)
            && (!reads || other.unlabelled == made.unlabelled);
        ensure!(
            same,
            "two splits of the recipe have the file name `{}`; write them into folders of their own, with --set",
            names[0]
        );
        return Ok(None);
    }
    let texts = TrainAnnotations::read(&dataset, &*config)?.texts(&split)?;
    let [labelled, unlabelled] = texts;
    let name = names[0].clone();
    let [first, second] = names;
    Ok(Some((
        name,
        made,
        [(first, labelled), (second, unlabelled)],
    )))
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
