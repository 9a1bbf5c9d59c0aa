//! The state of a sweep, seen from another terminal: the finished trials, the running stages with their
//! progress, and the failures with the paths of their logs.

use super::commits::OtherCommit;
use super::estimate::Estimate;
use super::standing::{Position, StageState};
use crate::experiment::run::forecast::readable;
use crate::experiment::store::frozen::{FrozenPlan, StageEntry};
use crate::experiment::store::root::Store;
use crate::experiment::trial::key::StageKey;
use crate::report::{JsonLines, RECORDS, Record};
use crate::screen::{Page, Screen, Tone, counted, counted_of};
use anyhow::Result;
use serde::Serialize;
use std::fmt::{self, Write};
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
    /// The trials that need it: their labels and seeds.
    trials: Vec<String>,
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
                .enumerate()
                .filter(|(_, (_, state))| wanted(state))
                .map(|(index, (stage, state))| StageStatus {
                    trials: users(&plan, index),
                    ..StageStatus::new(store, stage, state)
                })
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
            estimate: Estimate::new(&plan, &states, None),
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
            trials: Vec::new(),
        }
    }
}

/// The titles of the trials of `plan` that need the stage `index`.
fn users(plan: &FrozenPlan, index: usize) -> Vec<String> {
    let trials = plan.trials.iter().enumerate();
    let trials = trials.filter(|(_, trial)| trial.stages.contains(&index));
    trials.map(|(trial, _)| plan.trial_title(trial)).collect()
}

impl Status {
    /// Everything for people, in lines that fit `screen`.
    pub fn text(&self, screen: Screen) -> String {
        let mut page = Page::new(screen);
        self.write(&mut page).expect("a text in memory");
        page.finish()
    }

    fn write(&self, f: &mut Page) -> fmt::Result {
        for (index, recipe) in self.recipes.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            recipe.write(f)?;
        }
        for warning in &self.warnings {
            writeln!(f, "warning: {warning}")?;
        }
        Ok(())
    }
}

impl RecipeStatus {
    fn write(&self, f: &mut Page) -> fmt::Result {
        let name = f.paint(Tone::Heading, &self.recipe);
        let done = counted_of(self.done, self.trials, "trial");
        write!(f, "{name}: {done} done")?;
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
        writeln!(f)?;
        for stage in &self.running {
            writeln!(f, "running: {stage}")?;
        }
        for stage in &self.interrupted {
            writeln!(f, "interrupted: {stage}")?;
        }
        for stage in &self.failed {
            let failed = f.paint(Tone::Bad, "failed");
            writeln!(f, "{failed}: {stage}")?;
            if stage.trials.len() > 1 {
                let lost = counted(stage.trials.len(), "trial");
                writeln!(f, "  it costs {lost}: {}", stage.trials.join("; "))?;
            }
        }
        if let Some(StageStatus { key, .. }) = self.failed.first() {
            let results = self.results.display();
            writeln!(f, "to debug a failure: harness stage {results} {key}")?;
        }
        for commit in &self.commits {
            writeln!(f, "{commit} (not the program of the last sweep)")?;
        }
        if self.running.is_empty() && self.done < self.trials {
            writeln!(f, "no process is working on it")?;
        }
        Ok(())
    }
}

impl fmt::Display for StageStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.title)?;
        match &self.state {
            StageState::Running(position) | StageState::Interrupted(position) => {
                match &position.counted {
                    Some(counted) => write!(f, ", {counted}"),
                    // An evaluation that has not read its first image.
                    None if self.steps == 0 => Ok(()),
                    None => write!(f, ", {}", At(position, self.steps)),
                }
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
