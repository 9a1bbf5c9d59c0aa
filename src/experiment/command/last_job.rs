//! The last job of a submission (`harness work --finish`): it writes the records and tables of what the other jobs
//! left. If rows get seeds until they are decided, and all trials of the round have ended, it hands over the next
//! round.
//!
//! A trial that has failed is not tried again here, so that no trial is tried for ever: a `harness submit` of the user
//! does that. Nothing more is handed over if a trial was lost or cancelled, or if the recipe has been submitted again
//! with other trials.

use super::begun::Begun;
use super::finish;
use super::submit::{Remaining, SubmitEnd};
use super::sweep::Outcome;
use crate::experiment::cluster::submission::{Origin, Submission, lock};
use crate::experiment::run::round::{Known, Round};
use crate::experiment::store::frozen::FrozenPlan;
use crate::experiment::store::sources;
use crate::experiment::trial::inputs::CommandError;
use crate::recipe::Plan;
use anyhow::{Result, anyhow, bail};
use std::collections::BTreeSet;
use std::path::Path;

/// Ends the submission in the folder `path`. Also returns what became of the next round; none if there is none, or if
/// trials of this one are left.
///
/// # Errors The folder cannot be read, or the results folder is not writable. Failed and missing trials are no error,
/// and neither is a next round that cannot be handed over.
pub fn last_job(path: &Path) -> Result<(Outcome, Option<String>), CommandError> {
    let read = || -> Result<_> {
        let submission = Submission::open(path)?;
        let (plan, whole) = (submission.plan()?, submission.whole()?);
        let origin = submission.origin()?;
        Ok((submission, plan, whole, origin))
    };
    let (submission, plan, whole, origin) = read().map_err(CommandError::Input)?;
    let begun = finish::begun(&submission, plan, &origin)?;
    let outcome = finish::finish(&begun, &origin)?;
    let Some(whole) = whole else {
        return Ok((outcome, None));
    };
    let more = begun.close(&whole, &origin.lines);
    let more = more.map_err(CommandError::Output)?;
    if more == 0 || outcome.left > 0 {
        return Ok((outcome, None));
    }
    let next = match next_round(&submission, &begun, &whole, &origin) {
        Ok(text) => format!("Next round of seeds: {text}"),
        Err(error) => format!(
            "The next round of seeds is not handed over: {error:#}. `harness submit` with the same recipe does that"
        ),
    };
    Ok((outcome, Some(next)))
}

/// Hands over the next round after that of `begun`, and says so in words.
///
/// # Errors
/// Jobs may not submit jobs here, another process does it now, or the plan has been replaced.
fn next_round(
    submission: &Submission,
    begun: &Begun,
    whole: &Plan,
    origin: &Origin,
) -> Result<String> {
    let store = &begun.store;
    let _alone = lock(store)?;
    let now = FrozenPlan::read(&store.plan(&whole.recipe))?;
    let known: BTreeSet<&str> = now.trials.iter().map(|trial| &*trial.hash).collect();
    let own = || begun.plan.trials.iter().map(|trial| &*trial.hash);
    if own().any(|hash| !known.contains(hash)) {
        bail!("the recipe has been submitted again with other trials");
    }
    let known = Known {
        folder: &begun.folder,
        store: Some(store),
        reused: &begun.reused,
    };
    let round = Round::keep(whole, &known)?;
    let next = finish::begun(submission, round.plan, origin);
    let mut next = next.map_err(|error| anyhow!("{error}"))?;
    (next.frozen.source, next.frozen.folder) = (now.source, now.folder);
    let lines = next.lines();
    let run = next.run(&lines).map_err(|error| anyhow!("{error}"))?;
    run.freeze()?;
    sources::write(&next.folder, &next.plan)?;
    let standing = Remaining::standing(store)?;
    let remaining = Remaining {
        begun: &next,
        profiles: &submission.profiles()?,
        whole,
        retries: origin.retries,
        lines,
    };
    let earlier: BTreeSet<&str> = own().collect();
    let is_new = |trial: usize| !earlier.contains(&*next.frozen.trials[trial].hash);
    match remaining.hand_over(&standing, is_new)? {
        Some(SubmitEnd::Handed(text) | SubmitEnd::AllQueued(text)) => Ok(text),
        Some(SubmitEnd::Partly(text)) => bail!(text),
        Some(SubmitEnd::Finished(_)) | None => bail!("nothing of it is missing"),
    }
}
