//! What remains of a sweep: the elements that are missing and that no job does are handed over.

use super::handover::Handover;
use super::parts::{missing, some};
use super::request::SubmitEnd;
use crate::experiment::cluster::data::data_states;
use crate::experiment::cluster::jobs::Place;
use crate::experiment::cluster::lead::Paces;
use crate::experiment::cluster::profiles::Profiles;
use crate::experiment::cluster::standing::Standing;
use crate::experiment::cluster::submission::{Origin, Submission};
use crate::experiment::command::begun::Begun;
use crate::experiment::store::provenance::Provenance;
use crate::experiment::store::root::Store;
use crate::experiment::trial::key::StageKey;
use crate::recipe::Plan;
use crate::screen::{counted, say};
use anyhow::{Result, anyhow};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

/// A sweep of which something may remain.
pub struct Remaining<'a> {
    /// The sweep.
    pub begun: &'a Begun,
    /// What the jobs ask for.
    pub profiles: &'a Profiles,
    /// The plan with the trials of all seeds.
    pub whole: &'a Plan,
    /// The number of times that a failed stage is tried again.
    pub retries: u32,
    /// The lines about the run in the head of every table.
    pub lines: Vec<String>,
}

impl Remaining<'_> {
    /// What was handed over of the store, as Slurm sees it now.
    ///
    /// # Errors
    /// Slurm cannot be asked, or the store is not writable.
    pub fn standing(store: &Store) -> Result<Standing> {
        let mut standing = Standing::now(store);
        standing.refuse_unreadable()?;
        if let Some(error) = &standing.silent {
            return Err(anyhow!(
                "{error}; nothing was submitted, because Slurm has to say which earlier jobs still run"
            ));
        }
        standing.adopt()?;
        Ok(standing)
    }

    /// Hands over what is missing of the trials for whose index `is_meant` returns true. Returns none if nothing is
    /// missing and no job waits or runs.
    ///
    /// # Errors
    /// The folder of the submission is not writable.
    pub fn hand_over(
        &self,
        standing: &Standing,
        is_meant: impl Fn(usize) -> bool,
    ) -> Result<Option<SubmitEnd>> {
        let Begun { frozen, store, .. } = self.begun;
        let queued = standing.stages();
        let elements = missing(frozen, Some(store), &queued, self.profiles, is_meant);
        let alive = standing.alive();
        if elements.is_empty() {
            if alive.is_empty() {
                return Ok(None);
            }
            let places: Vec<String> = alive.iter().map(|(place, ..)| place.to_string()).collect();
            return Ok(Some(SubmitEnd::AllQueued(format!(
                "Nothing to submit: {} of earlier submissions wait or run ({})",
                counted(places.len(), "element"),
                some(&places)
            ))));
        }
        let paces = Paces::new(store, frozen.stages.iter().map(|stage| &stage.key));
        let jobs = elements.iter().map(|placed| &placed.element);
        let jobs = jobs.map(|element| (&*element.kind, &*element.stages));
        for warning in paces.warnings(self.profiles, jobs) {
            say(&format!("warning: {warning}"));
        }
        let queued: BTreeSet<String> = alive.iter().map(|(place, ..)| place.job.clone()).collect();
        let handover = Handover {
            begun: self.begun,
            whole: self.whole,
            profiles: self.profiles,
            elements: &elements,
            queued: &queued,
        };
        let origin = Origin {
            number: Submission::next_number(store),
            began: since_1970(),
            provenance: self.begun.provenance.clone(),
            diff: diff_of(&self.begun.provenance),
            lines: self.lines.clone(),
            data: data_states(self.whole)?,
            retries: self.retries,
            workers: frozen.workers,
        };
        handover.run(&origin).map(Some)
    }

    /// Names elements of earlier plans of this recipe that the plan no longer has, and cancels them if that is wanted.
    ///
    /// # Errors
    /// A submission cannot be read, or Slurm cancels nothing.
    pub fn unwanted(&self, standing: &Standing, cancels: bool) -> Result<()> {
        let Begun { frozen, plan, .. } = self.begun;
        let known: BTreeSet<&StageKey> = frozen.stages.iter().map(|stage| &stage.key).collect();
        let mut found: Vec<String> = Vec::new();
        for handed in &standing.handed {
            if handed.submission.plan()?.recipe != plan.recipe {
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
