//! Everything of a results folder that was handed over, joined with what Slurm says of it. The store knows what is
//! done; Slurm explains what the store cannot know.

use super::elements::Element;
use super::ends::End;
use super::jobs::{Jobs, Place, SubmittedArray};
use super::lead::Paces;
use super::profiles::Profiles;
use super::queue::{Job, end_in_words, reason_in_words};
use super::slurm::Slurm;
use super::submission::Submission;
use crate::experiment::run::interrupt::YIELD_CODE;
use crate::experiment::store::root::Store;
use crate::experiment::trial::key::StageKey;
use anyhow::{Result, bail};
use serde::Serialize;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// A submission with what was handed over of it.
pub struct Handed {
    /// The submission.
    pub submission: Submission,
    /// What its jobs do.
    pub elements: Vec<Element>,
    /// The arrays that Slurm has, or may have.
    pub arrays: Vec<SubmittedArray>,
    /// What its jobs ask for.
    profiles: Profiles,
    /// The number of submissions before it.
    earlier: usize,
}

impl Handed {
    /// All submissions of `store`, the newest first, and why others cannot be read.
    fn all(store: &Store) -> (Vec<Self>, Vec<String>) {
        let read = |submission: Submission| -> Result<Self> {
            Ok(Self {
                elements: submission.elements()?,
                arrays: submission.arrays()?,
                profiles: submission.profiles()?,
                earlier: submission.origin()?.number,
                submission,
            })
        };
        let (mut all, mut unreadable) = (Vec::new(), Vec::new());
        for submission in Submission::all(store) {
            match read(submission) {
                Ok(handed) if handed.arrays.is_empty() => {}
                Ok(handed) => all.push(handed),
                Err(error) => unreadable.push(format!("{error:#}")),
            }
        }
        all.sort_by_key(|handed| std::cmp::Reverse(handed.earlier));
        (all, unreadable)
    }

    /// The clusters that it went to.
    fn clusters(&self) -> String {
        self.profiles.usual.clusters.clone()
    }

    /// The number of the element at `index` of an array.
    fn number(array: &SubmittedArray, index: usize) -> Option<usize> {
        (index < array.count).then_some(array.first + index)
    }

    /// The title of the element that does the stage `key`.
    fn title_of(&self, key: &StageKey) -> Option<&str> {
        let mut elements = self.elements.iter();
        let found = elements.find(|element| element.stages.contains(key));
        found.map(|element| element.title.as_str())
    }

    /// The names of the arrays whose elements are not all done in `store`.
    fn unfinished(&self, store: &Store) -> Vec<String> {
        let is_done = |element: &Element| element.stages.iter().all(|key| store.is_whole(key));
        let unfinished = self.arrays.iter().filter(|array| {
            let elements = self.elements.iter().skip(array.first).take(array.count);
            array.job.is_none() || !elements.into_iter().all(is_done)
        });
        unfinished.map(|array| array.name.clone()).collect()
    }
}

/// Everything that was handed over, with the jobs that Slurm knows of it.
pub struct Standing {
    /// The submissions, the newest first.
    pub handed: Vec<Handed>,
    /// Slurm's jobs by their names.
    jobs: BTreeMap<String, Vec<Job>>,
    /// Why Slurm could not be asked.
    pub silent: Option<String>,
    /// Why submissions could not be read.
    pub unreadable: Vec<String>,
}

/// The state of an element that is not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum ElementState {
    /// A job runs it.
    Running {
        /// The node.
        node: String,
        /// The time that the job may still run.
        left: String,
    },
    /// It waits.
    Queued {
        /// Why, in words.
        reason: String,
        /// When it is expected to start; empty if unknown.
        start: String,
    },
    /// Slurm says that its job is over, but a process still works on it.
    Orphan,
    /// It is over and not done.
    Over {
        /// How it ended, in words.
        reason: String,
    },
    /// It is unknown, because Slurm cannot be asked.
    Unknown,
}

/// An element that is not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ElementStanding {
    /// The name for people.
    pub title: String,
    /// Its job and index, as `28_0`; empty if Slurm did not take it.
    pub place: String,
    /// Its state.
    #[serde(flatten)]
    pub state: ElementState,
    /// The output of its jobs.
    pub log: Option<PathBuf>,
}

impl Standing {
    /// What was handed over of `store`, as Slurm sees it now. One call of `squeue` for each cluster asks for all of it.
    pub fn now(store: &Store) -> Self {
        Self::asked(store, Slurm::queue)
    }

    /// The same, but a page that is written every few seconds asks Slurm no more often than every 30 seconds.
    pub fn lately(store: &Store) -> Self {
        Self::asked(store, Slurm::queue_lately)
    }

    fn asked(store: &Store, ask: fn(&Slurm, &[String]) -> Result<Vec<Job>>) -> Self {
        let (handed, unreadable) = Handed::all(store);
        let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for one in &handed {
            let of_cluster = names.entry(one.clusters()).or_default();
            of_cluster.extend(one.unfinished(store));
        }
        let (mut jobs, mut silent) = (BTreeMap::<String, Vec<Job>>::new(), None);
        for (clusters, names) in names {
            match ask(&Slurm { clusters }, &names) {
                Ok(found) => {
                    for job in found {
                        jobs.entry(job.name.clone()).or_default().push(job);
                    }
                }
                Err(error) => silent = Some(format!("{error:#}")),
            }
        }
        Self {
            handed,
            jobs,
            silent,
            unreadable,
        }
    }

    /// Refuses to go on if a submission cannot be read: its jobs may still run, and would be handed over again.
    ///
    /// # Errors
    /// One cannot be read. The error names the file.
    pub fn refuse_unreadable(&self) -> Result<()> {
        match &self.unreadable[..] {
            [] => Ok(()),
            all => bail!(
                "{}; its jobs may wait or run. When they have ended, its folder may be removed",
                all.join("; ")
            ),
        }
    }

    /// What the accounts say of the arrays that are not done in `store`; nothing where there are none.
    fn accounts(&self, store: &Store) -> Vec<Job> {
        let mut found = Vec::new();
        for clusters in self
            .handed
            .iter()
            .map(Handed::clusters)
            .collect::<BTreeSet<_>>()
        {
            let of_cluster = self.handed.iter().filter(|one| one.clusters() == clusters);
            let undone = of_cluster.flat_map(|one| {
                let names = one.unfinished(store);
                let arrays = one.arrays.iter();
                arrays.filter(move |array| names.contains(&array.name))
            });
            let undone: Vec<&SubmittedArray> = undone.collect();
            let names: Vec<String> = undone.iter().map(|array| array.name.clone()).collect();
            // Times in UTC sort as texts do.
            if let Some(since) = undone.iter().map(|array| &array.at).min() {
                let slurm = Slurm { clusters };
                found.extend(slurm.accounts(&names, since).unwrap_or_default());
            }
        }
        found
    }

    /// Finds the jobs of intents whose number was not noted, in the queue or in the accounts, and notes them. An intent
    /// that Slurm knows nothing of was never handed over.
    ///
    /// # Errors
    /// The folder of the submission is not writable.
    pub fn adopt(&mut self) -> Result<()> {
        for handed in &mut self.handed {
            let path = handed.submission.jobs();
            let file = Jobs::at(&path);
            let slurm = Slurm {
                clusters: handed.clusters(),
            };
            for array in handed.arrays.iter_mut().filter(|array| array.job.is_none()) {
                let queued = self.jobs.get(&array.name).and_then(|jobs| jobs.first());
                let job = queued.map(|job| job.job.clone()).or_else(|| {
                    let jobs = slurm.accounts(std::slice::from_ref(&array.name), &array.at)?;
                    jobs.first().map(|job| job.job.clone())
                });
                match &job {
                    Some(job) => file.submitted(&array.name, job)?,
                    None => file.refused(&array.name)?,
                }
                array.job = job;
            }
            handed.arrays.retain(|array| array.job.is_some());
        }
        Ok(())
    }

    /// The elements that wait or run, each with its submission, its array and its number.
    pub fn alive(&self) -> Vec<(Place, &Handed, &SubmittedArray, usize)> {
        let mut alive = Vec::new();
        for handed in &self.handed {
            for array in &handed.arrays {
                let jobs = self.jobs.get(&array.name).into_iter().flatten();
                for job in jobs.filter(|job| job.is_alive()) {
                    if let Some(place) = job.place()
                        && let Some(number) = Handed::number(array, place.index)
                    {
                        alive.push((place, handed, array, number));
                    }
                }
            }
        }
        alive.sort_by(|one, other| one.0.cmp(&other.0));
        alive
    }

    /// Cancels elements of the array `name` of a submission, and notes it, so that they are not taken for lost.
    ///
    /// # Errors
    /// Slurm refuses, or the folder of the submission is not writable.
    pub fn cancel(&self, handed: &Handed, name: &str, places: &[Place]) -> Result<()> {
        let slurm = Slurm {
            clusters: handed.clusters(),
        };
        slurm.cancel(places)?;
        let indices = places.iter().map(|place| place.index).collect();
        Jobs::at(&handed.submission.jobs()).cancelled(name, indices)
    }

    /// Returns true if the element at `place` is on a node.
    pub fn is_at_work(&self, place: &Place) -> bool {
        let mut jobs = self.jobs.values().flatten();
        jobs.any(|job| job.is_at_work() && job.place().as_ref() == Some(place))
    }

    /// The stages that elements which wait or run do, or have done.
    pub fn stages(&self) -> BTreeMap<StageKey, Place> {
        let mut stages = BTreeMap::new();
        for (place, handed, _, number) in self.alive() {
            if let Some(element) = handed.elements.get(number) {
                let keys = element.stages.iter();
                stages.extend(keys.map(|key| (key.clone(), place.clone())));
            }
        }
        stages
    }

    /// Warnings about jobs of the newest submission that are told too late that their time is nearly over.
    pub fn short_leads(&self, store: &Store) -> Vec<String> {
        let Some(newest) = self.handed.first() else {
            return Vec::new();
        };
        let all = self.handed.iter().flat_map(|handed| &handed.elements);
        let paces = Paces::new(store, all.flat_map(|element| &element.stages));
        let undone = |element: &&Element| !element.stages.iter().all(|key| store.is_whole(key));
        let jobs = newest.elements.iter().filter(undone);
        let jobs = jobs.map(|element| (&*element.kind, &*element.stages));
        paces.warnings(&newest.profiles, jobs)
    }

    /// The elements that are not done in `store`. Of several submissions of a stage the newest counts.
    pub fn elements(&self, store: &Store) -> Vec<ElementStanding> {
        let mut claimed: BTreeSet<&StageKey> = BTreeSet::new();
        let mut found = Vec::new();
        let (alive, accounts) = (self.stages(), OnceCell::new());
        for handed in &self.handed {
            for array in &handed.arrays {
                for index in 0..array.count {
                    let Some(element) = handed.elements.get(array.first + index) else {
                        continue;
                    };
                    let missing = |key: &&StageKey| !store.is_whole(key);
                    let is_newest = element.stages.iter().filter(missing);
                    let is_newest = is_newest.filter(|key| !claimed.contains(key)).count() > 0;
                    claimed.extend(&element.stages);
                    if !is_newest {
                        continue;
                    }
                    let state = self.state(store, handed, array, index, &alive, &accounts);
                    let place = array.job.clone().map(|job| Place { job, index });
                    found.push(ElementStanding {
                        title: element.title.clone(),
                        log: place.as_ref().map(|place| handed.submission.log(place)),
                        place: place.map_or_else(String::new, |place| place.to_string()),
                        state,
                    });
                }
            }
        }
        found
    }

    /// The state of the element `index` of an array. `alive` are the stages that jobs in the queue or at work do,
    /// `accounts` what the accounts say, once they were asked.
    fn state(
        &self,
        store: &Store,
        handed: &Handed,
        array: &SubmittedArray,
        index: usize,
        alive: &BTreeMap<StageKey, Place>,
        accounts: &OnceCell<Vec<Job>>,
    ) -> ElementState {
        let number = array.first + index;
        let element = &handed.elements[number];
        let of = |jobs: &[Job]| jobs.iter().find(|job| job.index == Some(index)).cloned();
        let queued = self.jobs.get(&array.name).and_then(|jobs| of(jobs));
        let held = element.stages.iter().any(|key| store.stage(key).is_held());
        match queued {
            Some(job) if job.is_at_work() => {
                return ElementState::Running {
                    node: job.nodes,
                    left: job.left,
                };
            }
            Some(job) if job.is_alive() => {
                return ElementState::Queued {
                    reason: reason_in_words(&job.reason),
                    start: job.start,
                };
            }
            // A queue that cannot be asked has not said that the job is over.
            _ if held && self.silent.is_none() => return ElementState::Orphan,
            _ => {}
        }
        if self.silent.is_some() {
            return ElementState::Unknown;
        }
        if array.cancelled.contains(&index) {
            return over("cancelled");
        }
        let job = queued.or_else(|| {
            let jobs = accounts.get_or_init(|| self.accounts(store));
            let is_it =
                |job: &&Job| array.job.as_ref() == Some(&job.job) && job.index == Some(index);
            jobs.iter().find(is_it).cloned()
        });
        // What ended a job from outside is known to Slurm alone.
        if let Some(job) = job.as_ref().filter(|job| job.was_ended_from_outside()) {
            return over(&end_in_words(&job.state));
        }
        if let Some(end) = handed.submission.note(number).filter(End::left_work) {
            let out_of_time = end.code == YIELD_CODE;
            return over(match out_of_time {
                true => "it was out of time and was not queued again",
                false => &end.reason,
            });
        }
        let mut failures = element.stages.iter().map(|key| store.stage(key));
        let failure = failures.find_map(|stage| {
            let failure = stage.failure()?;
            // Another attempt has begun since.
            (failure.attempt == stage.attempts()).then_some(failure)
        });
        if let Some(failure) = failure {
            return over(failure.reason.lines().next().unwrap_or_default());
        }
        // Slurm cancels what needs a job that has failed.
        let mut needs = element.needs.iter();
        let need = needs.find(|need| !store.is_whole(need));
        let is_in_vain = |need: &&StageKey| match &job {
            Some(job) if job.waits_in_vain() => true,
            Some(job) if !job.was_never_on_a_node() => false,
            _ => !alive.contains_key(need),
        };
        if let Some(need) = need.filter(is_in_vain) {
            let title = handed.title_of(need).unwrap_or(need.as_str());
            return over(&format!("it needs {title}, which is not done"));
        }
        match job {
            Some(job) => over(&end_in_words(&job.state)),
            None => over("lost: Slurm no longer knows it"),
        }
    }
}

fn over(reason: &str) -> ElementState {
    ElementState::Over {
        reason: reason.to_string(),
    }
}
