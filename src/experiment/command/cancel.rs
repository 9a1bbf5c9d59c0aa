//! `harness cancel`: takes elements of a results folder out of Slurm's queue. Their checkpoints stay, and the next
//! `harness submit` goes on from there.

use crate::experiment::cluster::jobs::Place;
use crate::experiment::cluster::standing::Standing;
use crate::experiment::cluster::submission::lock;
use crate::experiment::store::frozen::FrozenPlan;
use crate::experiment::trial::inputs::CommandError;
use crate::experiment::trial::key::StageKey;
use crate::screen::counted;
use anyhow::{Result, anyhow, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A request to cancel.
#[derive(Debug)]
pub struct CancelRequest {
    /// The results folder.
    pub results: PathBuf,
    /// Only the trial whose hash begins with this.
    pub trial: Option<String>,
    /// Only elements of the recipe with this name that no other recipe of the folder needs.
    pub recipe: Option<String>,
    /// Only elements that do not run.
    pub pending: bool,
}

/// Cancels the elements that `request` means, and says how many.
///
/// # Errors
/// The folder has no such trial or recipe, or Slurm cannot be asked or refuses.
pub fn cancel(request: &CancelRequest) -> Result<String, CommandError> {
    let (store, plans, _) = FrozenPlan::read_all(&request.results).map_err(CommandError::Input)?;
    if let Some(start) = &request.trial {
        one_trial(&plans, start, &request.results).map_err(CommandError::Input)?;
    }
    let alone = request
        .recipe
        .as_deref()
        .map(|name| stages_alone(&plans, name));
    let alone = alone.transpose().map_err(CommandError::Input)?;
    let _alone = lock(&store).map_err(CommandError::Input)?;
    let mut standing = Standing::now(&store);
    standing.refuse_unreadable().map_err(CommandError::Input)?;
    if let Some(error) = &standing.silent {
        return Err(CommandError::Output(anyhow!(
            "{error}; nothing was cancelled"
        )));
    }
    standing.adopt().map_err(CommandError::Output)?;
    let mut cancelled = 0;
    for handed in &standing.handed {
        let mut by_array: BTreeMap<&str, Vec<Place>> = BTreeMap::new();
        for (place, of, array, number) in standing.alive() {
            let Some(element) = handed.elements.get(number) else {
                continue;
            };
            let mut stages = element.stages.iter();
            let is_meant = match (&request.trial, &alone) {
                // A stage that other trials need, too, stays.
                (Some(start), _) => {
                    let of_trial = |trial: &String| trial.starts_with(start);
                    stages.any(StageKey::evaluates) && element.trials.iter().any(of_trial)
                }
                (None, Some(alone)) => stages.all(|key| alone.contains(key)),
                (None, None) => true,
            };
            let runs = request.pending && standing.is_at_work(&place);
            if of.submission == handed.submission && is_meant && !runs {
                by_array.entry(&array.name).or_default().push(place);
            }
        }
        for (name, places) in by_array {
            standing
                .cancel(handed, name, &places)
                .map_err(CommandError::Output)?;
            cancelled += places.len();
        }
    }
    Ok(match cancelled {
        0 => "Nothing to cancel: no element waits or runs".into(),
        count => format!(
            "Cancelled: {}; `harness submit` goes on from their checkpoints",
            counted(count, "element")
        ),
    })
}

/// Checks that the hash of one trial begins with `start`.
fn one_trial(plans: &[FrozenPlan], start: &str, results: &Path) -> Result<()> {
    let trials = plans.iter().flat_map(|plan| &plan.trials);
    let hashes = trials.map(|trial| &*trial.hash);
    let meant: BTreeSet<&str> = hashes.filter(|hash| hash.starts_with(start)).collect();
    match meant.len() {
        1 => Ok(()),
        0 => bail!(
            "--trial {start}: no trial of {} has a hash that begins so; `harness plan` shows them",
            results.display()
        ),
        several => {
            bail!("--trial {start}: the hashes of {several} trials begin so; write more of it")
        }
    }
}

/// The stages of the plan of the recipe `name` that no other one of `plans` has.
fn stages_alone<'a>(plans: &'a [FrozenPlan], name: &str) -> Result<BTreeSet<&'a StageKey>> {
    let keys = |plan: &'a FrozenPlan| plan.stages.iter().map(|stage| &stage.key);
    let (own, others): (Vec<_>, Vec<_>) = plans.iter().partition(|plan| plan.recipe == name);
    if own.is_empty() {
        let known: Vec<&str> = plans.iter().map(|plan| &*plan.recipe).collect();
        bail!(
            "--recipe {name}: no recipe of this folder is called so; allowed: {}",
            known.join(", ")
        );
    }
    let others: BTreeSet<&StageKey> = others.into_iter().flat_map(keys).collect();
    let own = own.into_iter().flat_map(keys);
    Ok(own.filter(|key| !others.contains(key)).collect())
}
