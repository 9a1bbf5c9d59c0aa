//! The plan of a sweep as it was when the sweep began: `.store/plans/<recipe>.json`. Other processes read the
//! stages of a sweep there, even if the recipe has been edited since.

use super::program::Program;
use super::root::Store;
use crate::atomic::write_atomically;
use crate::experiment::settings::report::ReportConfig;
use crate::experiment::trial::key::StageKey;
use crate::experiment::trial::stage::Stage;
use crate::recipe::{Places, Trial};
use crate::report::ResultsFolder;
use anyhow::{Context, Result, anyhow};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A plan as it was when a sweep began. The recipe may have been edited since.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FrozenPlan {
    /// The name of the recipe.
    pub recipe: String,
    /// The number of trials that run at the same time.
    pub workers: usize,
    /// The recipe's file as an absolute path; none in a plan of an earlier program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<PathBuf>,
    /// The results folder as an absolute path without links; none in a plan of an earlier program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
    /// The git commit of the recipe's folder; none outside a repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The source code of the program; none in a plan of an earlier program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<Program>,
    /// What the recipe says about its report.
    #[serde(default, skip_serializing_if = "ReportConfig::is_default")]
    pub report: ReportConfig,
    /// The trials, in the plan's order.
    pub trials: Vec<TrialEntry>,
    /// The stages, each once, after those that it needs.
    pub stages: Vec<StageEntry>,
    /// The indices of the stages by key.
    #[serde(skip)]
    known: BTreeMap<StageKey, usize>,
}

/// A trial of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TrialEntry {
    /// The identity of the trial.
    pub hash: String,
    /// The label of the row that uses it first.
    pub label: String,
    /// The seed.
    pub seed: u64,
    /// The absolute paths of its settings; none in a plan of an earlier program.
    #[serde(default, skip_serializing_if = "Places::is_empty")]
    pub places: Places,
    /// The origin of its result, if that was computed elsewhere and counts here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reused: Option<String>,
    /// The indices of its stages; the last one evaluates.
    pub stages: Vec<usize>,
}

/// A stage of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StageEntry {
    /// The identity.
    pub key: StageKey,
    /// The name for people.
    pub title: String,
    /// The indices of the stages whose results it reads.
    pub needs: Vec<usize>,
    /// The expected work; only comparisons are meaningful.
    pub cost: u64,
    /// The training steps before the stage and at its end; equal numbers for other work.
    pub steps: [usize; 2],
    /// The number of trials that need it.
    pub trials: usize,
}

impl StageEntry {
    /// The share of the stage that is done after `step` steps, 0 to 1.
    pub fn share(&self, step: usize) -> f64 {
        let [from, to] = self.steps;
        let all = to.saturating_sub(from);
        if all == 0 {
            return 0.0;
        }
        (step.saturating_sub(from) as f64 / all as f64).min(1.0)
    }
}

impl FrozenPlan {
    /// Saves the plan in `store`, for `harness status` and `harness stage`.
    ///
    /// # Errors
    /// The store is not writable.
    pub fn write(&self, store: &Store) -> Result<()> {
        let text = serde_json::to_string(self)? + "\n";
        write_atomically(&store.plan(&self.recipe), text.as_bytes())
    }

    /// Reads a plan that a sweep has saved.
    ///
    /// # Errors
    /// The file cannot be read or is damaged. The error names it.
    pub fn read(path: &Path) -> Result<Self> {
        let text =
            std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("{} is damaged", path.display()))
    }

    /// Reads the plans of all sweeps that have begun in the results folder `folder`, with its store. The
    /// texts name plans that cannot be read.
    ///
    /// # Errors
    /// No sweep has begun in the folder, or an incompatible version of this program has used it.
    pub fn read_all(folder: &Path) -> Result<(Store, Vec<Self>, Vec<String>)> {
        ResultsFolder::require(folder)?;
        let none = |why: &str| anyhow!("{}: no sweep has begun here: {why}", folder.display());
        let store = Store::look(folder).ok_or_else(|| none("there is no .store in it"))?;
        store.accept()?;
        let (mut plans, mut damaged) = (Vec::new(), Vec::new());
        for path in store.plans() {
            match Self::read(&path) {
                Ok(plan) => plans.push(plan),
                Err(error) => damaged.push(format!("{error:#}")),
            }
        }
        if plans.is_empty() {
            return Err(none("its store holds no plan"));
        }
        Ok((store, plans, damaged))
    }

    /// The plan of `recipe`, without trials.
    pub fn new(recipe: &str, workers: usize) -> Self {
        Self {
            recipe: recipe.to_string(),
            workers,
            source: None,
            folder: None,
            commit: None,
            program: None,
            report: ReportConfig::default(),
            trials: Vec::new(),
            stages: Vec::new(),
            known: BTreeMap::new(),
        }
    }

    /// Lets the results count that `origin` knows from elsewhere, unless the trial's own evaluation is done.
    pub fn reuse(
        &mut self,
        is_done: impl Fn(&StageKey) -> bool,
        origin: impl Fn(&str) -> Option<String>,
    ) {
        for trial in &mut self.trials {
            let last = trial.stages.last().map(|last| &self.stages[*last].key);
            if !last.is_some_and(&is_done) {
                trial.reused = origin(&trial.hash);
            }
        }
    }

    /// Decides which stages a sweep runs: those that a missing evaluation needs and that are not done. A trial
    /// whose result was computed elsewhere needs none. This is the only place that decides it for `plan`, `sweep` and
    /// `status`.
    ///
    /// `is_done` receives the index of a stage. It is called once for every stage that may have to run, and
    /// for no other.
    pub fn wanted(&self, is_done: impl FnMut(usize) -> bool) -> Vec<bool> {
        self.wanted_of(|_| true, is_done)
    }

    /// Does the same for the trials for whose index `is_meant` returns true.
    pub fn wanted_of(
        &self,
        is_meant: impl Fn(usize) -> bool,
        mut is_done: impl FnMut(usize) -> bool,
    ) -> Vec<bool> {
        let mut wanted = vec![false; self.stages.len()];
        let own = self.trials.iter().enumerate();
        let own = own.filter(|(index, trial)| trial.reused.is_none() && is_meant(*index));
        for last in own.filter_map(|(_, trial)| trial.stages.last()) {
            wanted[*last] = true;
        }
        // A stage comes after those that it needs.
        for (index, stage) in self.stages.iter().enumerate().rev() {
            wanted[index] = wanted[index] && !is_done(index);
            if wanted[index] {
                stage.needs.iter().for_each(|need| wanted[*need] = true);
            }
        }
        wanted
    }

    /// Adds a trial with its stages.
    pub fn add(&mut self, trial: &Trial, stages: &[Stage]) {
        let mut own = Vec::with_capacity(stages.len());
        for stage in stages {
            let next = self.stages.len();
            let index = *self.known.entry(stage.key.clone()).or_insert(next);
            if index == next {
                let needs = stages[..own.len()].iter().zip(&own);
                let needs = needs.filter(|(other, _)| stage.needs.contains(&other.key));
                self.stages.push(StageEntry {
                    key: stage.key.clone(),
                    title: stage.title.clone(),
                    needs: needs.map(|(_, index)| *index).collect(),
                    cost: stage.cost,
                    steps: stage.steps,
                    trials: 0,
                });
            }
            self.stages[index].trials += 1;
            own.push(index);
        }
        self.trials.push(TrialEntry {
            hash: trial.hash.clone(),
            label: trial.label.clone(),
            seed: trial.seed,
            places: trial.places.clone(),
            reused: None,
            stages: own,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_missing_evaluation_needs_is_not_wanted() {
        let stage = |key: &str, needs: &[usize]| StageEntry {
            key: key.parse().unwrap(),
            title: key.into(),
            needs: needs.to_vec(),
            cost: 1,
            steps: [0, 1],
            trials: 1,
        };
        let trial = |stages: &[usize]| TrialEntry {
            hash: "h".into(),
            label: "l".into(),
            seed: 0,
            places: Places::new(),
            reused: None,
            stages: stages.to_vec(),
        };
        let mut plan = FrozenPlan::new("r", 1);
        plan.stages = vec![
            stage("burn-in-0", &[]),
            stage("distill-1", &[0]),
            stage("evaluate-1", &[1]),
            stage("distill-2", &[0]),
            stage("evaluate-2", &[3]),
        ];
        plan.trials = vec![trial(&[0, 1, 2]), trial(&[0, 3, 4])];
        let wanted = |done: [bool; 5]| plan.wanted(|stage| done[stage]);
        // The first trial's training was deleted after its evaluation. The second one's was not, but its
        // burn-in was.
        let only_the_last = [false, false, false, false, true];
        assert_eq!(wanted([false, false, true, true, false]), only_the_last);
        let all_of_the_second = [true, false, false, true, true];
        assert_eq!(
            wanted([false, false, true, false, false]),
            all_of_the_second
        );
        let mut asked = Vec::new();
        plan.wanted(|stage| {
            asked.push(stage);
            stage == 2 || stage == 3
        });
        assert_eq!(asked, [4, 3, 2], "what nobody needs is not looked at");
    }
}
