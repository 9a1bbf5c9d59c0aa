//! The state of a sweep, seen from another terminal: the finished trials, the running stages with their
//! progress, and the failures with the paths of their logs.

use super::commits::OtherCommit;
use super::estimate::Estimate;
use super::standing::{Position, State};
use crate::experiment::run::forecast::told;
use crate::experiment::store::frozen::{FrozenPlan, StageEntry};
use crate::experiment::store::root::Store;
use crate::experiment::trial::key::StageKey;
use crate::report::{JsonLines, RECORDS, Record, counted};
use anyhow::Result;
use serde::Serialize;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The state of the sweeps of a results folder.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Status {
    recipes: Vec<RecipeStatus>,
    /// The plans that cannot be read.
    warnings: Vec<String>,
}

/// The state of the last sweep of a recipe.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct RecipeStatus {
    recipe: String,
    #[serde(skip)]
    results: PathBuf,
    trials: usize,
    done: usize,
    /// The best finished trial: its mAP in percent and its title.
    best: Option<(f64, String)>,
    running: Vec<StageStatus>,
    failed: Vec<StageStatus>,
    interrupted: Vec<StageStatus>,
    estimate: Option<Estimate>,
    /// Work that was done at other commits than that of the last sweep.
    commits: Vec<OtherCommit>,
}

/// A stage that is neither finished nor untouched.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct StageStatus {
    key: StageKey,
    title: String,
    /// The last training step.
    steps: usize,
    #[serde(flatten)]
    state: State,
    log: PathBuf,
}

impl Status {
    /// Reads the results folder `folder`.
    ///
    /// # Errors
    /// No sweep has begun in the folder, or a plan in it cannot be read.
    pub fn read(folder: &Path) -> Result<Self> {
        let (store, plans, warnings) = FrozenPlan::read_all(folder)?;
        let (records, _) = JsonLines::read_whole_lines(&folder.join(RECORDS))?;
        let status = |plan| RecipeStatus::new(&store, plan, &records);
        let recipes = plans.into_iter().map(status).collect();
        Ok(Self { recipes, warnings })
    }

    /// Everything as JSON, for programs.
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("plain data has a JSON form")
    }
}

impl RecipeStatus {
    fn new(store: &Store, plan: FrozenPlan, records: &JsonLines<Record>) -> Self {
        let states: Vec<State> = plan
            .stages
            .iter()
            .map(|stage| State::of(store, stage))
            .collect();
        let ended = |stages: &[usize]| {
            stages
                .last()
                .is_some_and(|last| matches!(states[*last], State::Done { .. }))
        };
        let done = plan.trials.iter().filter(|trial| ended(&trial.stages));
        let best = done.clone().filter_map(|trial| {
            let mean_ap = records.get(&trial.hash)?.metrics?.mean_ap?;
            Some((mean_ap, format!("{}, seed {}", trial.label, trial.seed)))
        });
        let chosen = |wanted: fn(&State) -> bool| -> Vec<StageStatus> {
            let pairs = plan.stages.iter().zip(&states);
            pairs
                .filter(|(_, state)| wanted(state))
                .map(|(stage, state)| StageStatus::new(store, stage, state))
                .collect()
        };
        Self {
            trials: plan.trials.len(),
            done: done.count(),
            best: best.reduce(|best, next| if next.0 > best.0 { next } else { best }),
            running: chosen(|state| matches!(state, State::Running(_))),
            failed: chosen(|state| matches!(state, State::Failed { .. })),
            interrupted: chosen(|state| matches!(state, State::Interrupted(_))),
            estimate: Estimate::new(&plan, &states),
            commits: OtherCommit::all(store, &plan, plan.commit.as_deref()),
            recipe: plan.recipe,
            results: store.results().to_path_buf(),
        }
    }
}

impl StageStatus {
    fn new(store: &Store, stage: &StageEntry, state: &State) -> Self {
        Self {
            key: stage.key.clone(),
            title: stage.title.clone(),
            steps: stage.steps[1],
            state: state.clone(),
            log: store.stage(&stage.key).journal(),
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, recipe) in self.recipes.iter().enumerate() {
            if index > 0 {
                f.write_str("\n\n")?;
            }
            write!(f, "{recipe}")?;
        }
        for warning in &self.warnings {
            write!(f, "\nwarning: {warning}")?;
        }
        Ok(())
    }
}

impl fmt::Display for RecipeStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} of {} trials done",
            self.recipe, self.done, self.trials
        )?;
        if let Some((mean_ap, title)) = &self.best {
            write!(f, ", best mAP {mean_ap:.2} ({title})")?;
        }
        match &self.estimate {
            Some(estimate) if self.done < self.trials => {
                let left = Duration::from_secs_f64(estimate.clock_seconds);
                write!(
                    f,
                    ", about {} left with {}",
                    told(left),
                    counted(estimate.workers, "worker")
                )?;
            }
            _ => {}
        }
        for stage in &self.running {
            write!(f, "\nrunning: {stage}")?;
        }
        for stage in &self.interrupted {
            write!(f, "\ninterrupted: {stage}")?;
        }
        for stage in &self.failed {
            write!(f, "\nfailed: {stage}")?;
        }
        if let Some(StageStatus { key, .. }) = self.failed.first() {
            let results = self.results.display();
            write!(f, "\nto debug a failure: harness stage {results} {key}")?;
        }
        for commit in &self.commits {
            write!(f, "\n{commit} (not the commit of the last sweep)")?;
        }
        if self.running.is_empty() && self.done < self.trials {
            f.write_str("\nno process is working on it")?;
        }
        Ok(())
    }
}

impl fmt::Display for StageStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.title)?;
        match &self.state {
            State::Running(position) | State::Interrupted(position) => {
                write!(f, ", {}", At(position, self.steps))
            }
            State::Failed {
                attempts,
                reason,
                step,
            } => {
                let reason = reason.lines().next().unwrap_or_default();
                let attempts = counted(*attempts as usize, "attempt");
                write!(f, ": {reason} ({attempts}")?;
                if *step > 0 {
                    write!(f, ", would continue after step {step}/{}", self.steps)?;
                }
                write!(f, "); log: {}", self.log.display())
            }
            State::Outdated { .. } | State::Done { .. } | State::Missing => Ok(()),
        }
    }
}

/// A position in a training with this number of steps.
struct At<'a>(&'a Position, usize);

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(position, steps) = self;
        write!(f, "step {}/{steps}", position.step)?;
        if let Some(loss) = position.loss {
            write!(f, ", loss {loss:.3}")?;
        }
        match position.kept_per_image {
            Some(kept) => write!(f, ", {kept:.1} labels/image"),
            None => Ok(()),
        }
    }
}
