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
use std::path::Path;

/// A split that is to be written.
struct Wanted<'a> {
    settings: &'a Settings,
    /// The names of its two files.
    names: [String; 2],
    split: Split,
    /// The number of training images.
    training_images: usize,
}

/// Writes the two files of every different split of the recipe's trials to `folder`, and returns a summary. No weights
/// are needed. Nothing is written before all splits are known to have names of their own.
///
/// # Errors
/// As for [`super::ahead::plan`], two different splits have the same file name, or a file cannot be written or has
/// another content already.
pub fn split_data(request: &RecipeRequest, folder: &Path) -> Result<String, CommandError> {
    let inputs = Inputs::of_the_splits();
    let plan = inputs.plan(request)?;
    let trials = planned(&plan).map_err(CommandError::Input)?;
    let settings = trials.iter().filter_map(|trial| match &*trial.settings {
        TrialSettings::Networks(settings) => Some(&**settings),
        TrialSettings::Number(_) => None,
    });
    let wanted = wanted(settings.collect(), &inputs).map_err(CommandError::Input)?;
    if wanted.is_empty() {
        let error = anyhow!("{}: no trial of it has a dataset", request.recipe.display());
        return Err(CommandError::Input(error));
    }
    let made = std::fs::create_dir_all(folder);
    made.with_context(|| format!("{}: cannot be made", folder.display()))
        .map_err(CommandError::Output)?;
    for one in &wanted {
        write(one, &inputs, folder)?;
    }
    let mut lines: Vec<String> = wanted.iter().map(line).collect();
    lines.sort();
    Ok(lines.join("\n"))
}

/// The different splits of trials with these settings.
fn wanted<'a>(mut settings: Vec<&'a Settings>, inputs: &Inputs) -> Result<Vec<Wanted<'a>>> {
    // Not every method reads which images are unlabelled; the splits of those that do come first.
    settings.sort_by_key(|settings| !settings.method.reads_unlabelled());
    let mut found: Vec<Wanted> = Vec::new();
    for settings in settings {
        let dataset = inputs.datasets.get(&settings.data)?;
        let split = draw(settings, &dataset)?;
        let config = registry::build(DATASETS, settings.data.clone())?;
        let seed = settings.split.seed.of(settings.seed);
        let names = file_names(&*config, &split, seed, settings.split.unlabelled);
        let of_one_name = |one: &&Wanted, file: usize| one.names[file] == names[file];
        let labelled = found.iter().find(|one| of_one_name(one, 0));
        let unlabelled = found.iter().find(|one| of_one_name(one, 1));
        let is_same = |one: &Wanted| {
            (&one.settings.data, one.split.sha256()) == (&settings.data, split.sha256())
        };
        let reads = settings.method.reads_unlabelled();
        let clash = match (labelled, unlabelled) {
            (Some(one), _) if !is_same(one) => Some(0),
            (_, Some(one)) if reads && one.split.unlabelled != split.unlabelled => Some(1),
            _ => None,
        };
        if let Some(file) = clash {
            bail!(
                "two splits of the recipe have the file name `{}`; write them into folders of their own, with --set",
                names[file]
            );
        }
        if unlabelled.is_none() && (reads || labelled.is_none()) {
            found.push(Wanted {
                settings,
                names,
                split,
                training_images: dataset.train.len(),
            });
        }
    }
    Ok(found)
}

/// Writes the two files of a split, as far as they are not there.
fn write(wanted: &Wanted, inputs: &Inputs, folder: &Path) -> Result<(), CommandError> {
    let texts = texts(wanted, inputs).map_err(CommandError::Input)?;
    for (name, text) in wanted.names.iter().zip(texts) {
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
    Ok(())
}

/// The texts of the two files of a split.
fn texts(wanted: &Wanted, inputs: &Inputs) -> Result<[Vec<u8>; 2]> {
    let data = &wanted.settings.data;
    let dataset = inputs.datasets.get(data)?;
    let config = registry::build(DATASETS, data.clone())?;
    TrainAnnotations::read(&dataset, &*config)?.texts(&wanted.split)
}

/// The line of a split in the summary.
fn line(wanted: &Wanted) -> String {
    let Wanted { names, split, .. } = wanted;
    let ([labelled, unlabelled], all) = (names, wanted.training_images);
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
