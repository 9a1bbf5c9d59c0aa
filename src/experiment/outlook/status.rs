//! The state of a sweep, seen from another terminal: the finished trials, the running stages with their
//! progress, and the failures with the paths of their logs.

use super::commits::OtherCommit;
use super::estimate::Estimate;
use super::standing::{Position, StageState};
use crate::experiment::cluster::standing::{ElementStanding, ElementState, Standing};
use crate::experiment::run::forecast::readable;
use crate::experiment::store::frozen::{FrozenPlan, StageEntry};
use crate::experiment::store::root::Store;
use crate::experiment::trial::key::StageKey;
use crate::report::{JsonLines, RECORDS, Record};
use crate::screen::{Page, Screen, Tone, counted, counted_of};
use anyhow::Result;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The number of elements that a line names.
const NAMED: usize = 4;

/// The state of the sweeps of a results folder.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Status {
    recipes: Vec<RecipeStatus>,
    /// The elements of submissions that are not done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    elements: Vec<ElementStanding>,
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
    /// True if jobs wait or run that may work on it.
    #[serde(skip)]
    is_queued: bool,
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
        let (store, plans, mut warnings) = FrozenPlan::read_all(folder)?;
        let (records, _) = JsonLines::read_whole_lines(&folder.join(RECORDS))?;
        let standing = Standing::lately(&store);
        let elements = standing.elements(&store);
        warnings.extend(standing.unreadable.iter().cloned());
        if !elements.is_empty() {
            warnings.extend(standing.short_leads(&store));
            let silent = standing.silent.as_ref();
            warnings.extend(silent.map(|error| format!("Slurm cannot be asked: {error}")));
        }
        let waits = |element: &ElementStanding| !matches!(element.state, ElementState::Over { .. });
        let is_queued = elements.iter().any(waits);
        let status = |plan| RecipeStatus {
            is_queued,
            ..RecipeStatus::new(&store, plan, &records)
        };
        let recipes = plans.into_iter().map(status).collect();
        Ok(Self {
            recipes,
            elements,
            warnings,
        })
    }

    /// Returns true if every trial of every recipe is done.
    pub fn is_done(&self) -> bool {
        let mut recipes = self.recipes.iter();
        recipes.all(|recipe| recipe.done == recipe.trials)
    }

    /// Returns true if a stage runs, or a job waits that will run one.
    pub fn is_worked_on(&self) -> bool {
        let mut recipes = self.recipes.iter();
        recipes.any(|recipe| !recipe.running.is_empty() || recipe.is_queued)
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
            is_queued: false,
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
        if !self.elements.is_empty() {
            writeln!(f)?;
            write_elements(f, &self.elements)?;
        }
        for warning in &self.warnings {
            writeln!(f, "warning: {warning}")?;
        }
        Ok(())
    }
}

/// What Slurm does with the elements that are not done. Elements that wait for one reason share a line.
fn write_elements(f: &mut Page, elements: &[ElementStanding]) -> fmt::Result {
    writeln!(f, "Slurm: {} not done", counted(elements.len(), "element"))?;
    let mut others: BTreeMap<(u8, String), Vec<&ElementStanding>> = BTreeMap::new();
    for element in elements {
        let (order, text) = match &element.state {
            ElementState::Running { node, left } => {
                let ElementStanding { title, place, .. } = element;
                writeln!(f, "  at work: {title} ({place} on {node}, {left} left)")?;
                continue;
            }
            ElementState::Orphan => (
                0,
                "at work, although Slurm says that their jobs are over".into(),
            ),
            ElementState::Queued { reason, start } if start.is_empty() => {
                (1, format!("waiting: {reason}"))
            }
            ElementState::Queued { reason, start } => {
                (1, format!("waiting: {reason}, expected {start}"))
            }
            ElementState::Unknown => (2, "submitted".into()),
            ElementState::Over { reason } => (3, format!("over: {reason}")),
        };
        others.entry((order, text)).or_default().push(element);
    }
    let is_over = others.keys().any(|(order, _)| *order == 3);
    for ((order, text), elements) in others {
        let named = elements
            .iter()
            .take(NAMED)
            .map(|element| match element.place.as_str() {
                "" => element.title.clone(),
                place => format!("{} ({place})", element.title),
            });
        let mut named: Vec<String> = named.collect();
        if let Some(more) = elements.len().checked_sub(NAMED).filter(|more| *more > 0) {
            named.push(format!("{more} more"));
        }
        writeln!(f, "  {text}: {}", named.join("; "))?;
        // Of elements that ended alike, one log tells as much as all.
        let mut logs = elements.iter().filter_map(|element| element.log.as_ref());
        if let Some(log) = logs.find(|log| order == 3 && log.exists()) {
            writeln!(f, "    log: {}", log.display())?;
        }
    }
    if is_over {
        writeln!(f, "  what is over and not done: `harness submit` again")?;
    }
    Ok(())
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
        if self.running.is_empty() && self.done < self.trials && !self.is_queued {
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
