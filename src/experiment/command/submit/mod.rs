//! `harness submit`: hands the missing work of a recipe over to Slurm and returns. The same command again hands over
//! what is still missing.

mod handover;
mod parts;
mod request;
mod shown;

pub use request::{SubmitEnd, SubmitRequest};
pub use shown::would_submit;

use super::begun::{BeginRequest, Begun};
use super::finish;
use crate::experiment::cluster::data::data_states;
use crate::experiment::cluster::jobs::Place;
use crate::experiment::cluster::lead::Paces;
use crate::experiment::cluster::mounts;
use crate::experiment::cluster::profiles::Profiles;
use crate::experiment::cluster::standing::Standing;
use crate::experiment::cluster::submission::{Origin, Submission, lock};
use crate::experiment::run::claim::other_work;
use crate::experiment::run::interrupt::Interrupt;
use crate::experiment::run::round::Failed;
use crate::experiment::store::provenance::Provenance;
use crate::experiment::store::sources;
use crate::experiment::trial::inputs::{CommandError, Inputs};
use crate::experiment::trial::key::StageKey;
use crate::screen::{counted, say};
use anyhow::{Result, anyhow};
use handover::Handover;
use parts::{absolute, kinds, missing, some, workers};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Hands the missing work of a recipe over.
///
/// # Errors
/// The recipe, the profile or the results folder is wrong, or Slurm cannot be asked.
pub fn submit(request: &SubmitRequest) -> Result<SubmitEnd, CommandError> {
    let (profiles, _) = Profiles::find(&request.recipe.recipe, request.profile.as_deref())
        .map_err(CommandError::Input)?;
    let interrupt = Interrupt::default();
    let inputs = Inputs::default();
    let whole = inputs.plan(&request.recipe)?;
    let begin = BeginRequest {
        recipe: &request.recipe,
        out: request.out.as_deref(),
        renew: request.renew,
        replace: request.replace,
        reuse: &request.reuse,
        shows: true,
        interrupt: &interrupt,
        plan: &whole,
        failed: Failed::Again,
    };
    let begun = Begun::new(&begin, inputs, |trials| {
        Ok(workers(&profiles, trials.len()))
    })?;
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
    for note in notes.iter().chain(&profiles.unused(&kinds(&begun.frozen))) {
        say(&format!("warning: {note}"));
    }
    let mut saved = || -> Result<()> {
        run.freeze()?;
        sources::write(&begun.folder, &begun.plan)?;
        run.take_finished(&begun.reused)
    };
    saved().map_err(CommandError::Output)?;

    let mut standing = Standing::now(&begun.store);
    if let Some(error) = &standing.silent {
        return Err(CommandError::Output(anyhow!(
            "{error}; nothing was submitted, because Slurm has to say which earlier jobs still run"
        )));
    }
    standing.adopt().map_err(CommandError::Output)?;
    unwanted(&begun, &standing, request.cancel_unwanted).map_err(CommandError::Output)?;
    let elements = missing(
        &begun.frozen,
        Some(&begun.store),
        &standing.stages(),
        &profiles,
    );
    let alive = standing.alive();
    if elements.is_empty() {
        if !alive.is_empty() {
            let places: Vec<String> = alive.iter().map(|(place, ..)| place.to_string()).collect();
            return Ok(SubmitEnd::AllQueued(format!(
                "Nothing to submit: {} of earlier submissions wait or run ({})",
                counted(places.len(), "element"),
                some(&places)
            )));
        }
        let outcome = finish::write(&begun, run, begun.frozen.workers, Duration::ZERO)?;
        return Ok(SubmitEnd::Finished(Box::new(outcome)));
    }
    let paces = Paces::new(
        &begun.store,
        begun.frozen.stages.iter().map(|stage| &stage.key),
    );
    let jobs = elements.iter().map(|placed| &placed.element);
    let jobs = jobs.map(|element| (&*element.kind, &*element.stages));
    for warning in paces.warnings(&profiles, jobs) {
        say(&format!("warning: {warning}"));
    }
    let queued: BTreeSet<String> = alive.iter().map(|(place, ..)| place.job.clone()).collect();
    let handover = Handover {
        begun: &begun,
        profiles: &profiles,
        elements: &elements,
        queued: &queued,
    };
    let origin = Origin {
        number: Submission::all(&begun.store).len(),
        began: since_1970(),
        provenance: begun.provenance.clone(),
        diff: diff_of(&begun.provenance),
        lines,
        data: data_states(&begun.plan).map_err(CommandError::Input)?,
        retries: request.retries,
        workers: begun.frozen.workers,
    };
    handover.run(&origin).map_err(CommandError::Output)
}

/// Names elements of earlier plans of this recipe that the plan no longer has, and cancels them if that is wanted.
fn unwanted(begun: &Begun, standing: &Standing, cancels: bool) -> Result<()> {
    let known: BTreeSet<&StageKey> = begun.frozen.stages.iter().map(|stage| &stage.key).collect();
    let mut found: Vec<String> = Vec::new();
    for handed in &standing.handed {
        if handed.submission.plan()?.recipe != begun.plan.recipe {
            continue;
        }
        let mut by_array: BTreeMap<&str, Vec<Place>> = BTreeMap::new();
        for (place, of, array, number) in standing.alive() {
            let stages = handed.elements.get(number).map(|element| &element.stages);
            if of.submission == handed.submission
                && stages.is_some_and(|stages| !stages.iter().any(|key| known.contains(key)))
            {
                by_array.entry(&array.name).or_default().push(place);
            }
        }
        for (name, places) in by_array {
            found.extend(places.iter().map(Place::to_string));
            if cancels {
                standing.cancel(handed, name, &places)?;
            }
        }
    }
    if found.is_empty() {
        return Ok(());
    }
    let what = format!(
        "{} of an earlier plan of this recipe ({})",
        counted(found.len(), "element"),
        some(&found)
    );
    say(&match cancels {
        true => format!("cancelled: {what}"),
        false => format!(
            "note: {what} wait or run, and this plan does not need them; --cancel-unwanted cancels them"
        ),
    });
    Ok(())
}

/// The differences of the recipe's folder from its commit, as text.
fn diff_of(provenance: &Provenance) -> Option<String> {
    let diff = provenance.system.diff.as_ref()?;
    Some(String::from_utf8_lossy(diff).into_owned())
}

fn since_1970() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
