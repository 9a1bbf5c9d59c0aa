//! Checks the data of a recipe: `harness data check`, and the check that a sweep makes by itself before its
//! first training.

use super::ahead::results_folder;
use crate::data::{DATASETS, Dataset};
use crate::experiment::outlook::splits::SplitOutlook;
use crate::experiment::run::interrupt::Interrupt;
use crate::experiment::run::pictures::check;
use crate::experiment::settings::sections::Settings;
use crate::experiment::settings::trial_settings::TrialSettings;
use crate::experiment::store::checked::Checked;
use crate::experiment::store::root::Store;
use crate::experiment::trial::datasets::Datasets;
use crate::experiment::trial::inputs::{CommandError, Inputs, RecipeRequest};
use crate::experiment::trial::planned::{Planned, planned};
use crate::registry;
use crate::report::counted;
use anyhow::{Result, anyhow, bail};
use std::collections::BTreeMap;
use std::path::Path;

/// The number of damaged pictures that a sweep names; `data check` names all.
const NAMED: usize = 10;

/// Reads the datasets of all trials of a recipe, draws their splits and decodes every picture. Returns a
/// summary. The pictures without an error are noted in the results folder, `out` or else that of the recipe,
/// so that a sweep does not decode them again.
///
/// # Errors
/// As for [`super::ahead::plan`], or files of the dataset are missing, or pictures cannot be decoded. The error names
/// all of them. No weights are needed.
pub fn check_data(request: &RecipeRequest, out: Option<&Path>) -> Result<String, CommandError> {
    let inputs = Inputs::of_the_splits();
    let plan = inputs.plan(request)?;
    let folder = results_folder(&plan, out);
    let trials = planned(&plan).map_err(CommandError::Input)?;
    let wrong = |error| CommandError::Input(error);
    let datasets = datasets(&trials, &inputs.datasets, |_, _| true).map_err(wrong)?;
    let draws = inputs.split(&trials);

    let mut known = Checked::read(&folder);
    let found = check(&datasets, &mut known, &Interrupt::default(), true);
    if found.decoded > found.problems.len() {
        known.write(&folder).map_err(CommandError::Output)?;
    }
    let mut problems: Vec<String> = Vec::new();
    problems.extend(draws.as_ref().err().map(|error| format!("{error:#}")));
    problems.extend(found.problems);
    if !problems.is_empty() {
        let count = counted(problems.len(), "problem");
        return Err(wrong(anyhow!("{count}\n  {}", problems.join("\n  "))));
    }
    let splits = SplitOutlook::all(draws.map_err(wrong)?);
    let mut lines: Vec<String> = splits.iter().flat_map(SplitOutlook::seeds).collect();
    lines.extend(SplitOutlook::notes(&splits));
    lines.push(format!(
        "{}: no problem; {} decoded, {} as before",
        counted(found.pictures, "picture"),
        found.decoded,
        found.pictures - found.decoded
    ));
    Ok(lines.join("\n"))
}

/// Decodes the pictures of the unfinished `trials` whose recipe wants that (`data.check = "once"`), as far as
/// they were not decoded before.
///
/// # Errors
/// Pictures cannot be decoded. The error names the first of them.
pub fn check_once(
    trials: &[Planned],
    all: &Datasets,
    store: &Store,
    interrupt: &Interrupt,
    shows: bool,
) -> Result<()> {
    let wanted = |trial: &Planned, settings: &Settings| {
        let dataset = registry::build(DATASETS, settings.data.clone());
        dataset.is_ok_and(|dataset| dataset.checks_pictures()) && !store.is_whole(&trial.last().key)
    };
    let datasets = datasets(trials, all, wanted)?;
    if datasets.is_empty() {
        return Ok(());
    }
    let mut known = Checked::read(store.results());
    let found = check(&datasets, &mut known, interrupt, shows);
    if found.decoded > found.problems.len() {
        known.write(store.results())?;
    }
    let problems = &found.problems;
    if problems.is_empty() {
        return Ok(());
    }
    let more = match problems.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!("\n  ... and {more} more: `harness data check` names all"),
    };
    bail!(
        "{} of {} cannot be used (data.check = \"never\" trains without this check)\n  {}{more}",
        problems.len(),
        counted(found.pictures, "picture"),
        problems[..problems.len().min(NAMED)].join("\n  ")
    )
}

/// The datasets of those `trials` that are `wanted`, each once.
fn datasets(
    trials: &[Planned],
    all: &Datasets,
    wanted: impl Fn(&Planned, &Settings) -> bool,
) -> Result<Vec<Dataset>> {
    let mut found = BTreeMap::new();
    for trial in trials {
        let TrialSettings::Networks(settings) = &*trial.settings else {
            continue;
        };
        let name = settings.data.to_string();
        if !found.contains_key(&name) && wanted(trial, settings) {
            found.insert(name, all.get(&settings.data)?);
        }
    }
    Ok(found.into_values().collect())
}
