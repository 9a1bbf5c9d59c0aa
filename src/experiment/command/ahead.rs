//! Commands that look at a sweep before or while it runs: the trials it would run and why, the origin of a
//! value, the progress.

use crate::experiment::outlook::speed;
use crate::experiment::outlook::splits::SplitOutlook;
use crate::experiment::outlook::{Outlook, PowerOutlook, PowerRequest, SeedsOutlook, Status};
use crate::experiment::run::claim::refuse_foreign;
use crate::experiment::run::results::{TIMING, frozen as layouts};
use crate::experiment::run::round::{Known, Round};
use crate::experiment::settings::new_keys::NEW_KEYS;
use crate::experiment::settings::trial_settings::TrialSettings;
use crate::experiment::store::frozen::FrozenPlan;
use crate::experiment::store::program::Program;
use crate::experiment::store::reused::ReusedResults;
use crate::experiment::store::root::{Store, digests_of};
use crate::experiment::store::system::cores;
use crate::experiment::trial::draws::Wanted;
use crate::experiment::trial::inputs::{CommandError, Inputs, RecipeRequest, environment};
use crate::experiment::trial::key::StageKey;
use crate::experiment::trial::planned::stages_of;
use crate::recipe::{Explanation, Plan, Request};
use crate::report::{JsonLines, RECORDS, Record};
use crate::screen::say;
use anyhow::Result;
use rayon::prelude::*;
use std::path::{Path, PathBuf};

/// The number of trials whose settings are in memory at the same time. Those of ten thousand would take
/// hundreds of megabytes.
const STAGES_AT_ONCE: usize = 256;

/// The folder of a plan's results: `out`, or else the recipe's folder under `results/`.
pub fn results_folder(plan: &Plan, out: Option<&Path>) -> PathBuf {
    out.map_or_else(
        || Path::new("results").join(&plan.results),
        Path::to_path_buf,
    )
}

/// The folder of the results of a recipe before its plan is made; none if the recipe cannot be read.
fn expected_folder(request: &RecipeRequest, out: Option<&Path>) -> Option<PathBuf> {
    if let Some(out) = out {
        return Some(out.to_path_buf());
    }
    let environment = environment();
    let request = Request {
        recipe: &request.recipe,
        environment: &environment,
        set: &request.set,
    };
    let name = request.results(&NEW_KEYS)?;
    Some(Path::new("results").join(name))
}

/// The work that a sweep of the recipe would do with the results folder `out`, where the records in the files
/// `reuse` count, and the missing files that it would need.
///
/// # Errors
/// The recipe, its sweeps, the overrides or the files that they name (as far as they exist) are wrong, or the
/// data leaves a trial nothing to learn from or to be evaluated on. One error lists all.
pub fn plan(
    request: &RecipeRequest,
    out: Option<&Path>,
    reuse: &[PathBuf],
) -> Result<(Outlook, Vec<String>), CommandError> {
    let mut inputs = Inputs::where_files_may_be_absent();
    if let Some(folder) = expected_folder(request, out) {
        inputs = inputs.with_digests(digests_of(&folder));
    }
    let whole = inputs.plan(request)?;
    let folder = results_folder(&whole, out);
    if let Err(foreign) = refuse_foreign(&folder, &whole, &request.recipe) {
        crate::screen::say(&format!("warning: a sweep would stop here: {foreign}"));
    }
    let store = Store::look(&folder);
    let reused = ReusedResults::read(store.as_ref(), reuse).map_err(CommandError::Input)?;
    let known = Known {
        folder: &folder,
        store: store.as_ref(),
        reused: &reused,
    };
    let round = Round::new(&whole, &known).map_err(CommandError::Input)?;
    let until = SeedsOutlook::new(&whole, &round);
    let plan = round.plan;
    let mut frozen = FrozenPlan::new(&plan.recipe, cores());
    frozen.program = Some(Program::this());
    let mut wanted = Wanted::default();
    let mut trains_networks = true;
    for trials in plan.trials.chunks(STAGES_AT_ONCE) {
        let stages = trials.par_iter().map(stages_of);
        let stages: Vec<_> = stages.collect::<Result<_>>().map_err(CommandError::Input)?;
        for (trial, (settings, mut stages)) in trials.iter().zip(stages) {
            match &*settings {
                TrialSettings::Networks(settings) => {
                    let pictures = inputs.datasets.evaluated(&settings.data);
                    stages.iter_mut().for_each(|stage| stage.count(pictures));
                }
                TrialSettings::Number(_) => trains_networks = false,
            }
            frozen.add(trial, &stages);
            wanted.add(&settings);
        }
    }
    let is_done = |last: &StageKey| store.as_ref().is_some_and(|store| store.is_whole(last));
    frozen.reuse(is_done, |hash| reused.origin(hash));
    for note in reused.notes.iter().chain(&reused.unused(reuse, &frozen)) {
        say(&format!("warning: {note}"));
    }
    frozen.distinguish(&plan.uses());
    let draws = wanted.draw(&inputs.datasets);
    let splits = SplitOutlook::all(draws.map_err(CommandError::Input)?);
    let speed = trains_networks.then_some(speed::measured as fn(usize) -> Option<f64>);
    let outlook = Outlook::new(&plan, frozen, splits, store.as_ref(), speed).with_rounds(until);
    Ok((outlook, inputs.absent()))
}

/// How many seeds it takes to see an effect in the rows of the recipe, by the results in the folder `out` and those in
/// the files `reuse`.
///
/// # Errors
/// The recipe or its sweeps are wrong, the results cannot be read, no row is compared, or the deviation of a row's
/// differences is unknown.
pub fn power(
    request: &RecipeRequest,
    out: Option<&Path>,
    reuse: &[PathBuf],
    asked: PowerRequest,
) -> Result<PowerOutlook, CommandError> {
    let plan = Inputs::where_files_may_be_absent().plan(request)?;
    let folder = results_folder(&plan, out);
    let told = || -> Result<PowerOutlook> {
        let store = Store::look(&folder);
        let reused = ReusedResults::read(store.as_ref(), reuse)?;
        let (mut records, _) = JsonLines::<Record>::read_whole_lines(&folder.join(RECORDS))?;
        for trial in &plan.trials {
            if let Some(reused) = reused.get(&trial.hash) {
                records.insert(reused.record.clone());
            }
        }
        let (timing, _) = JsonLines::read_whole_lines(&folder.join(TIMING))?;
        PowerOutlook::new(&plan, &layouts(&plan, &[]), &records, &timing, asked)
    };
    told().map_err(CommandError::Input)
}

/// The origin of the value of a key of the recipe.
///
/// # Errors
/// A file of the recipe cannot be read, or the key does not exist.
pub fn explain(request: &RecipeRequest, key: &str) -> Result<Explanation, CommandError> {
    let environment = environment();
    let request = Request {
        recipe: &request.recipe,
        environment: &environment,
        set: &request.set,
    };
    Explanation::new(request, &NEW_KEYS, key).map_err(|error| CommandError::Input(error.into()))
}

/// The state of the sweeps of the results folder `folder`.
///
/// # Errors
/// No sweep has begun in the folder, or an incompatible version of this program made it.
pub fn status(folder: &Path) -> Result<Status, CommandError> {
    Status::read(folder).map_err(CommandError::Input)
}
