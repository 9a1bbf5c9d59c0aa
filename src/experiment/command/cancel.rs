//! `harness cancel`: takes elements of a results folder out of Slurm's queue. Their checkpoints stay, and the next
//! `harness submit` goes on from there.

use crate::experiment::cluster::jobs::Place;
use crate::experiment::cluster::standing::Standing;
use crate::experiment::store::frozen::FrozenPlan;
use crate::experiment::trial::inputs::CommandError;
use crate::screen::counted;
use anyhow::{Result, anyhow};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A request to cancel.
#[derive(Debug)]
pub struct CancelRequest {
    /// The results folder.
    pub results: PathBuf,
    /// Only the trial whose hash begins with this.
    pub trial: Option<String>,
    /// Only elements that do not run.
    pub pending: bool,
}

/// Cancels the elements that `request` means, and says how many.
///
/// # Errors
/// The folder has no such trial, or Slurm cannot be asked or refuses.
pub fn cancel(request: &CancelRequest) -> Result<String, CommandError> {
    let (store, plans, _) = FrozenPlan::read_all(&request.results).map_err(CommandError::Input)?;
    if let Some(start) = &request.trial {
        let mut trials = plans.iter().flat_map(|plan| &plan.trials);
        if start.is_empty() || !trials.any(|trial| trial.hash.starts_with(start)) {
            let folder = request.results.display();
            let wrong = anyhow!(
                "--trial {start}: no trial of {folder} has a hash that begins so; `harness plan` shows them"
            );
            return Err(CommandError::Input(wrong));
        }
    }
    let mut standing = Standing::now(&store);
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
            let is_meant = match (&request.trial, handed.elements.get(number)) {
                (None, _) => true,
                (Some(_), None) => false,
                // A stage that other trials need, too, stays.
                (Some(start), Some(element)) => {
                    let evaluates = element.stages.iter().any(|key| key.evaluates());
                    evaluates && element.trials.iter().any(|trial| trial.starts_with(start))
                }
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
