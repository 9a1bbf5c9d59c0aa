//! Cuts the missing stages of a plan into elements: what one job does on one allocation.
//!
//! A stage that several missing trials need is an element of its own, so that it is done once and the trials wait for
//! it alone. All other missing stages of a trial are one element: its evaluation needs no second wait in the queue. A
//! shared stage that the same trials need as the one before it joins that one's element.
//!
//! Elements are numbered level by level: those of level 0 need no other element, those of level 1 only elements of
//! level 0, and so on. Elements of one level that need the same ones follow each other, so that they can be one array
//! of jobs.

use super::jobs::Place;
use crate::experiment::store::frozen::FrozenPlan;
use crate::experiment::trial::key::StageKey;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What one job does. A job reads nothing of the plan but this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Element {
    /// The name for people.
    pub title: String,
    /// The kind of its longest stage, which decides what the job asks for.
    pub kind: String,
    /// The hashes of the trials whose stages it does; of a shared stage, of the first of them.
    pub trials: Vec<String>,
    /// Its stages, each after those that it needs.
    pub stages: Vec<StageKey>,
    /// The stages of other elements whose results it reads.
    pub needs: Vec<StageKey>,
}

/// Another element that has to be done before.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Before {
    /// An element of the same submission, by its number.
    Own(usize),
    /// An element that Slurm has already.
    Queued(Place),
}

/// An element with its place among the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The element.
    pub element: Element,
    /// 0 if it needs no element of this submission, or else one more than the highest of those.
    pub level: usize,
    /// The elements that have to be done before, in order.
    pub before: Vec<Before>,
}

/// What is not done yet, and who does it.
pub struct Missing<'a> {
    /// The plan.
    pub plan: &'a FrozenPlan,
    /// For each stage of the plan, true if a sweep would run it.
    pub wanted: &'a [bool],
    /// The stages that elements in the queue or at work do.
    pub queued: &'a BTreeMap<StageKey, Place>,
    /// The number of trials of an element whose longest stage is of a kind.
    pub trials_of: &'a dyn Fn(&str) -> usize,
}

/// An element while it is put together.
struct Draft {
    title: String,
    trials: Vec<usize>,
    /// Indices of stages, in the plan's order.
    stages: Vec<usize>,
}

impl Missing<'_> {
    /// The elements of everything that nobody does yet.
    pub fn elements(&self) -> Vec<Placed> {
        let trials = self.trials();
        let users = self.users(&trials);
        let shared = |stage: usize| users.get(&stage).is_some_and(|users| users.len() > 1);
        let mut drafts: Vec<Draft> = Vec::new();
        for (&stage, users) in users.iter().filter(|(_, users)| users.len() > 1) {
            let needs = self.own_needs(stage);
            let joined = drafts.iter_mut().find(|draft| {
                let same = |need: &usize| draft.stages.contains(need);
                let first = draft.stages[0];
                !needs.is_empty()
                    && needs.iter().all(same)
                    && self.same_users(first, users, &trials)
            });
            match joined {
                Some(draft) => draft.stages.push(stage),
                None => drafts.push(Draft {
                    title: self.plan.stages[stage].title.clone(),
                    trials: users.iter().take(1).copied().collect(),
                    stages: vec![stage],
                }),
            }
        }
        let mut own: Vec<Draft> = Vec::new();
        for &trial in &trials {
            let stages = self.stages_of(trial).filter(|stage| !shared(*stage));
            own.push(Draft {
                title: self.plan.trial_title(trial),
                trials: vec![trial],
                stages: stages.collect(),
            });
        }
        drafts.extend(self.packed(own, &drafts));
        self.placed(drafts)
    }

    /// The trials that nobody evaluates: indices, one for each evaluation.
    fn trials(&self) -> Vec<usize> {
        let mut seen = BTreeSet::new();
        let trials = self.plan.trials.iter().enumerate();
        let missing = trials.filter(|(_, trial)| {
            let last = trial.stages.last().filter(|_| trial.reused.is_none());
            last.is_some_and(|last| self.is_own(*last) && seen.insert(*last))
        });
        missing.map(|(index, _)| index).collect()
    }

    /// Returns true if this submission has to do `stage`.
    fn is_own(&self, stage: usize) -> bool {
        self.wanted[stage] && !self.queued.contains_key(&self.plan.stages[stage].key)
    }

    /// The stages of a trial that this submission has to do, in the plan's order.
    fn stages_of(&self, trial: usize) -> impl Iterator<Item = usize> {
        let stages: BTreeSet<usize> = self.plan.trials[trial].stages.iter().copied().collect();
        stages.into_iter().filter(|stage| self.is_own(*stage))
    }

    /// The trials that need each stage, in the plan's order of both.
    fn users(&self, trials: &[usize]) -> BTreeMap<usize, Vec<usize>> {
        let mut users: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for &trial in trials {
            for stage in self.stages_of(trial) {
                users.entry(stage).or_default().push(trial);
            }
        }
        users
    }

    /// Returns true if `users` are those of the stage `other`.
    fn same_users(&self, other: usize, users: &[usize], trials: &[usize]) -> bool {
        let needs_it = |trial: &&usize| self.plan.trials[**trial].stages.contains(&other);
        trials.iter().filter(needs_it).eq(users)
    }

    /// The stages that `stage` reads and that this submission has to do, too.
    fn own_needs(&self, stage: usize) -> Vec<usize> {
        let needs = self.plan.stages[stage].needs.iter().copied();
        needs.filter(|need| self.is_own(*need)).collect()
    }

    /// The same elements of trials, but as many in one as the profile wants. Only trials that wait for the same
    /// elements among `others` are put together.
    fn packed(&self, own: Vec<Draft>, others: &[Draft]) -> Vec<Draft> {
        let mut packed: Vec<(Vec<usize>, Draft)> = Vec::new();
        for draft in own {
            let most = (self.trials_of)(self.kind(&draft.stages));
            let waits: BTreeSet<usize> = draft
                .stages
                .iter()
                .flat_map(|stage| self.own_needs(*stage))
                .filter_map(|need| others.iter().position(|other| other.stages.contains(&need)))
                .collect();
            let waits: Vec<usize> = waits.into_iter().collect();
            let kind = self.kind(&draft.stages).to_string();
            let room = packed.iter_mut().rev().find(|(known, into)| {
                *known == waits && into.trials.len() < most && self.kind(&into.stages) == kind
            });
            match room {
                Some((_, into)) => {
                    into.trials.extend(draft.trials);
                    into.stages.extend(draft.stages);
                }
                None => packed.push((waits, draft)),
            }
        }
        let named = |(_, draft): (Vec<usize>, Draft)| Draft {
            title: match draft.trials.len() {
                1 => draft.title,
                count => format!("{} and {} more", draft.title, count - 1),
            },
            ..draft
        };
        packed.into_iter().map(named).collect()
    }

    /// The kind of the longest of `stages`.
    fn kind(&self, stages: &[usize]) -> &str {
        let stages = stages.iter().map(|stage| &self.plan.stages[*stage]);
        // The first of equals.
        let longest = stages.rev().max_by_key(|stage| stage.cost);
        longest.map_or("", |stage| stage.key.kind())
    }

    /// Puts the elements in their order.
    fn placed(&self, drafts: Vec<Draft>) -> Vec<Placed> {
        let owner: BTreeMap<usize, usize> = drafts
            .iter()
            .enumerate()
            .flat_map(|(index, draft)| draft.stages.iter().map(move |stage| (*stage, index)))
            .collect();
        let mut numbers: Vec<Option<usize>> = vec![None; drafts.len()];
        let mut placed: Vec<Placed> = Vec::new();
        for level in 0.. {
            let mut next: Vec<(Vec<Before>, String, usize)> = Vec::new();
            for (index, draft) in drafts.iter().enumerate() {
                if numbers[index].is_none()
                    && let Some(before) = self.before(index, draft, &owner, &numbers)
                {
                    next.push((before, self.kind(&draft.stages).to_string(), index));
                }
            }
            if next.is_empty() {
                break;
            }
            next.sort();
            for (before, kind, index) in next {
                numbers[index] = Some(placed.len());
                let element = self.element(&drafts[index], kind);
                placed.push(Placed {
                    element,
                    level,
                    before,
                });
            }
        }
        assert_eq!(placed.len(), drafts.len(), "the needs form no circle");
        placed
    }

    /// The elements that the draft `index` waits for; none if one of them has no number yet.
    fn before(
        &self,
        index: usize,
        draft: &Draft,
        owner: &BTreeMap<usize, usize>,
        numbers: &[Option<usize>],
    ) -> Option<Vec<Before>> {
        let mut before = BTreeSet::new();
        for need in draft
            .stages
            .iter()
            .flat_map(|stage| &self.plan.stages[*stage].needs)
        {
            if let Some(other) = owner.get(need).filter(|other| **other != index) {
                before.insert(Before::Own(numbers[*other]?));
            } else if self.wanted[*need]
                && let Some(place) = self.queued.get(&self.plan.stages[*need].key)
            {
                // What a job has done already needs no waiting, whatever else that job does.
                before.insert(Before::Queued(place.clone()));
            }
        }
        Some(before.into_iter().collect())
    }

    fn element(&self, draft: &Draft, kind: String) -> Element {
        let key = |stage: &usize| self.plan.stages[*stage].key.clone();
        let needs = draft
            .stages
            .iter()
            .flat_map(|stage| &self.plan.stages[*stage].needs);
        let needs: BTreeSet<usize> = needs.copied().collect();
        let needs = needs.iter().filter(|need| !draft.stages.contains(need));
        let trials = draft.trials.iter();
        Element {
            title: draft.title.clone(),
            kind,
            trials: trials
                .map(|trial| self.plan.trials[*trial].hash.clone())
                .collect(),
            stages: draft.stages.iter().map(key).collect(),
            needs: needs.map(key).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
