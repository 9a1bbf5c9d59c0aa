//! The state of a sweep, seen from another terminal: the finished trials, the running stages with their
//! progress, and the failures with the paths of their logs.

use super::commits::OtherCommit;
use super::estimate::Estimate;
use super::standing::{Position, StageState};
use crate::experiment::run::forecast::readable;
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
    /// The best finished trial: its first metric in percent and its title.
    best: Option<(f64, String)>,
    /// The name of that metric.
    metric: Option<String>,
    running: Vec<StageStatus>,
    failed: Vec<StageStatus>,
    interrupted: Vec<StageStatus>,
    estimate: Option<Estimate>,
    /// Work that was done by other programs than that of the last sweep.
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
    state: StageState,
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
        let states: Vec<StageState> = plan
            .stages
            .iter()
            .map(|stage| StageState::of(store, stage))
            .collect();
        let ended = |stages: &[usize]| {
            stages
                .last()
                .is_some_and(|last| matches!(states[*last], StageState::Done { .. }))
        };
        let done = plan
            .trials
            .iter()
            .filter(|trial| trial.reused.is_some() || ended(&trial.stages));
        let best = done.clone().filter_map(|trial| {
            let (name, value) = records.get(&trial.hash)?.metrics.as_ref()?.first()?;
            let title = format!("{}, seed {}", trial.label, trial.seed);
            Some((name, value?, title))
        });
        let best = best.reduce(|best, next| if next.1 > best.1 { next } else { best });
        let chosen = |wanted: fn(&StageState) -> bool| -> Vec<StageStatus> {
            let pairs = plan.stages.iter().zip(&states);
            pairs
                .filter(|(_, state)| wanted(state))
                .map(|(stage, state)| StageStatus::new(store, stage, state))
                .collect()
        };
        Self {
            trials: plan.trials.len(),
            done: done.count(),
            metric: best.as_ref().map(|(name, ..)| name.to_string()),
            best: best.map(|(_, value, title)| (value, title)),
            running: chosen(|state| matches!(state, StageState::Running(_))),
            failed: chosen(|state| matches!(state, StageState::Failed { .. })),
            interrupted: chosen(|state| matches!(state, StageState::Interrupted(_))),
            estimate: Estimate::new(&plan, &states),
            commits: OtherCommit::all(store, &plan),
            recipe: plan.recipe,
            results: store.results().to_path_buf(),
        }
    }
}

impl StageStatus {
    fn new(store: &Store, stage: &StageEntry, state: &StageState) -> Self {
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
        if let (Some(metric), Some((value, title))) = (&self.metric, &self.best) {
            write!(f, ", best {metric} {value:.2} ({title})")?;
        }
        match &self.estimate {
            Some(estimate) if self.done < self.trials => {
                let left = Duration::from_secs_f64(estimate.clock_seconds);
                write!(
                    f,
                    ", about {} left with {}",
                    readable(left),
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
            write!(f, "\n{commit} (not the program of the last sweep)")?;
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
            StageState::Running(position) | StageState::Interrupted(position) => {
                write!(f, ", {}", At(position, self.steps))
            }
            StageState::Failed {
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
            StageState::Outdated { .. } | StageState::Done { .. } | StageState::Missing => Ok(()),
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
