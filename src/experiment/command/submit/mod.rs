//! `harness submit`: hands the missing work of a recipe over to Slurm and returns. The same command again hands over
//! what is still missing.

mod handover;
mod parts;
mod remaining;
mod request;
mod shown;

pub use remaining::Remaining;
pub use request::{SubmitEnd, SubmitRequest};
pub use shown::would_submit;

use super::begun::{BeginRequest, Begun};
use super::finish;
use crate::experiment::cluster::mounts;
use crate::experiment::cluster::profiles::Profiles;
use crate::experiment::cluster::submission::lock;
use crate::experiment::run::claim::other_work;
use crate::experiment::run::interrupt::Interrupt;
use crate::experiment::store::sources;
use crate::experiment::trial::inputs::{CommandError, Inputs};
use crate::recipe::Plan;
use crate::screen::say;
use anyhow::Result;
use parts::{absolute, kinds, workers};
use std::time::Duration;

/// Hands the missing work of a recipe over.
///
/// # Errors
/// The recipe, the profile or the results folder is wrong, or Slurm cannot be asked.
pub fn submit(request: &SubmitRequest) -> Result<SubmitEnd, CommandError> {
    let (profiles, _) = Profiles::find(&request.recipe.recipe, request.profile.as_deref())
        .map_err(CommandError::Input)?;
    let interrupt = Interrupt::default();
    let mut inputs = Inputs::default();
    let whole = inputs.plan(&request.recipe)?;
    let mut is_first = true;
    loop {
        let begin = BeginRequest {
            recipe: &request.recipe,
            out: request.out.as_deref(),
            renew: request.renew && is_first,
            replace: request.replace,
            reuse: &request.reuse,
            shows: true,
            interrupt: &interrupt,
            plan: &whole,
        };
        let begun = Begun::new(&begin, inputs, |trials| {
            Ok(workers(&profiles, trials.len()))
        })?;
        match round(request, &profiles, &begun, &whole, is_first)? {
            Some(end) => return Ok(end),
            None => inputs = begun.inputs,
        }
        is_first = false;
    }
}

/// Hands over what is missing of `begun`. Returns none if a round of seeds has ended whose results no record had yet,
/// as when no last job wrote them: then the next round is to begin. `tells` chooses whether warnings are shown.
fn round(
    request: &SubmitRequest,
    profiles: &Profiles,
    begun: &Begun,
    whole: &Plan,
    tells: bool,
) -> Result<Option<SubmitEnd>, CommandError> {
    let _alone = lock(&begun.store).map_err(CommandError::Input)?;
    let lines = begun.lines();
    let mut run = begun.run(&lines)?;
    let warnings = other_work(&begun.store, &begun.frozen);
    let warnings = warnings
        .into_iter()
        .chain(mounts::warning(&absolute(&begun.folder)));
    let unused = begun.reused.unused(&request.reuse, &begun.frozen);
    let notes = run
        .notes()
        .into_iter()
        .chain(begun.reused.notes.iter().cloned());
    let notes: Vec<String> = notes.chain(unused).chain(warnings).collect();
    let notes = notes
        .into_iter()
        .chain(profiles.notes(&kinds(&begun.frozen)));
    for note in notes.filter(|_| tells) {
        say(&format!("warning: {note}"));
    }
    let mut saved = || -> Result<usize> {
        run.freeze()?;
        sources::write(&begun.folder, &begun.plan)?;
        run.take_finished(&begun.reused)?;
        if whole.range.is_none() {
            return Ok(0);
        }
        run.take_failures()?;
        run.write()?;
        begun.close(whole, &lines)
    };
    if saved().map_err(CommandError::Output)? > 0 {
        return Ok(None);
    }
    let standing = Remaining::standing(&begun.store).map_err(CommandError::Output)?;
    let remaining = Remaining {
        begun,
        profiles,
        whole,
        retries: request.retries,
        lines,
    };
    let handed = || {
        remaining.unwanted(&standing, request.cancel_unwanted)?;
        remaining.hand_over(&standing, |_| true)
    };
    match handed().map_err(CommandError::Output)? {
        Some(end) => Ok(Some(end)),
        None => {
            let outcome = finish::write(begun, run, begun.frozen.workers, Duration::ZERO)?;
            Ok(Some(SubmitEnd::Finished(Box::new(outcome))))
        }
    }
}
