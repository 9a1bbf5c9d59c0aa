//! Shows the work of a sweep before it runs: each trial once, with the rows that use it and the reason why it
//! would run; the shared stages; the time.

use super::commits::OtherCommit;
use super::estimate::Estimate;
use super::reason::{Earlier, Reason};
use super::splits::SplitOutlook;
use super::standing::StageState;
use super::until::SeedsOutlook;
use crate::experiment::store::frozen::{FrozenPlan, StageEntry};
use crate::experiment::store::root::Store;
use crate::recipe::{Plan, SweepPlan};
use crate::screen::{Column, Grid, Page, Screen, Tone, counted, counted_of};
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt::{self, Write};

/// Number of digits of a hash that are shown: enough to find a trial among thousands.
const SHOWN_DIGITS: usize = 8;

/// The columns down to which the rows of a trial and its state are broken into lines.
const ROWS_LEAST: usize = 22;
const STATE_LEAST: usize = 14;

/// A plan compared with the content of its results folder.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Outlook {
    recipe: String,
    seeds: Vec<u64>,
    sweeps: Vec<SweepPlan>,
    /// The data of the trials, as far as it is there.
    splits: Vec<SplitOutlook>,
    /// The number of results that need no training of their own.
    folded: usize,
    trials: Vec<TrialOutlook>,
    stages: Vec<StageOutlook>,
    /// The number of stages that a sweep would run.
    wanted: usize,
    estimate: Option<Estimate>,
    /// Work that was done by programs of other commits than this one's.
    commits: Vec<OtherCommit>,
    /// What all rounds take, if the rows get seeds until they are decided. The trials are those that are needed so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<SeedsOutlook>,
}

/// One trial.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct TrialOutlook {
    hash: String,
    label: String,
    seed: u64,
    /// The rows that use it, as `sweep: label`.
    rows: Vec<String>,
    #[serde(flatten)]
    reason: Reason,
    /// Indices into the stages.
    stages: Vec<usize>,
}

/// One stage.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct StageOutlook {
    #[serde(flatten)]
    stage: StageEntry,
    #[serde(flatten)]
    state: StageState,
}

impl Outlook {
    /// Compares `plan`, whose stages and commit are in `frozen`, with the `store` of a results folder, if there
    /// is one. `splits` are the data of its trials. `speed` measures the operations per second of one of a
    /// number of workers; none if the trials train no networks.
    pub fn new(
        plan: &Plan,
        frozen: FrozenPlan,
        splits: Vec<SplitOutlook>,
        store: Option<&Store>,
        speed: Option<fn(usize) -> Option<f64>>,
    ) -> Self {
        let commits = store.filter(|store| store.other_version().is_none());
        let commits = commits.map(|store| OtherCommit::all(store, &frozen));
        let states: Vec<StageState> = match store {
            Some(store) => frozen
                .stages
                .iter()
                .map(|stage| StageState::of(store, stage))
                .collect(),
            None => vec![StageState::Missing; frozen.stages.len()],
        };
        let nothing = Earlier::default();
        let plain = |index: usize| {
            Reason::of(
                &frozen.trials[index],
                &plan.trials[index].settings,
                &states,
                &nothing,
            )
        };
        let new: BTreeSet<(&str, u64)> = (0..frozen.trials.len())
            .filter(|index| plain(*index) == Reason::New)
            .map(|index| {
                (
                    frozen.trials[index].label.as_str(),
                    frozen.trials[index].seed,
                )
            })
            .collect();
        let earlier = match store {
            Some(store) if !new.is_empty() => {
                Earlier::read(store, &|label, seed| new.contains(&(label, seed)))
            }
            _ => nothing,
        };
        let mut rows = plan.uses();
        let trials = frozen
            .trials
            .iter()
            .enumerate()
            .map(|(index, trial)| TrialOutlook {
                hash: trial.hash.clone(),
                label: trial.label.clone(),
                seed: trial.seed,
                rows: std::mem::take(&mut rows[index]),
                reason: Reason::of(trial, &plan.trials[index].settings, &states, &earlier),
                stages: trial.stages.clone(),
            });
        let trials = trials.collect();
        let estimate = Estimate::new(&frozen, &states, speed);
        let wanted = frozen
            .wanted(|stage| states[stage].is_done())
            .into_iter()
            .filter(|wanted| *wanted)
            .count();
        let stages = frozen.stages.into_iter().zip(states);
        Self {
            recipe: plan.recipe.clone(),
            seeds: plan.seeds.clone(),
            sweeps: plan.sweeps.clone(),
            splits,
            folded: plan.folded(),
            trials,
            stages: stages
                .map(|(stage, state)| StageOutlook { stage, state })
                .collect(),
            wanted,
            estimate,
            commits: commits.unwrap_or_default(),
            until: None,
        }
    }

    /// The same with what all rounds take.
    pub fn with_rounds(self, until: Option<SeedsOutlook>) -> Self {
        Self { until, ..self }
    }

    /// Everything as JSON, for programs.
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("plain data has a JSON form")
    }

    /// Everything for people, in lines that fit `screen`.
    pub fn text(&self, screen: Screen) -> String {
        let mut page = Page::new(screen);
        self.write(&mut page).expect("a text in memory");
        page.finish()
    }

    /// The trials. Where there is little room, the hash is left out and long cells are broken into lines.
    fn trials(&self) -> Grid {
        let cells = |cell: &dyn Fn(&TrialOutlook) -> String| self.trials.iter().map(cell).collect();
        let numbers = (1..=self.trials.len()).map(|number| number.to_string());
        let hash = |trial: &TrialOutlook| trial.hash.chars().take(SHOWN_DIGITS).collect();
        let columns = vec![
            Column::text("trial", numbers.collect()),
            Column::text("hash", cells(&hash)),
            Column::text("seed", cells(&|trial| trial.seed.to_string())),
            Column::text("rows", cells(&|trial| trial.rows.join("\n"))).breaks_to(ROWS_LEAST),
            Column::text("state", cells(&|trial| trial.reason.to_string()))
                .breaks_to(STATE_LEAST)
                .toned(tone),
        ];
        Grid::new(columns, &["hash"])
    }

    fn write_sweeps(&self, f: &mut Page) -> fmt::Result {
        for SweepPlan {
            name,
            question,
            reference,
            rows,
            ..
        } in &self.sweeps
        {
            let groups: BTreeSet<_> = rows
                .iter()
                .filter_map(|row| row.group.as_ref().map(|group| &group.title))
                .collect();
            let reference = match reference {
                Some(label) => format!(", reference `{label}`"),
                None if !groups.is_empty() => {
                    format!(", a reference in each of {} groups", groups.len())
                }
                None => String::new(),
            };
            let name = f.paint(Tone::Heading, name);
            let rows = counted(rows.len(), "row");
            writeln!(f, "{name}: {rows}{reference}. {question}")?;
        }
        Ok(())
    }

    fn write_shared(&self, f: &mut Page) -> fmt::Result {
        for StageOutlook { stage, state } in self.stages.iter().filter(|one| one.stage.trials > 1) {
            let there = match state {
                StageState::Done { .. } => ", done",
                StageState::Running(_) => ", running",
                StageState::Interrupted(_) => ", interrupted",
                StageState::Failed { .. } => ", failed before",
                StageState::Outdated { .. } => ", of another code version",
                StageState::Missing => "",
            };
            writeln!(
                f,
                "shared: {}, used by {}{there}",
                stage.title,
                counted(stage.trials, "trial")
            )?;
        }
        Ok(())
    }

    fn write(&self, f: &mut Page) -> fmt::Result {
        f.grid(&self.trials());
        self.write_sweeps(f)?;
        self.write_shared(f)?;
        for split in &self.splits {
            split.write(f)?;
        }
        for note in SplitOutlook::notes(&self.splits) {
            writeln!(f, "{note}")?;
        }
        let trials = self.trials.len();
        match &self.until {
            Some(until) => writeln!(
                f,
                "{}: {}. {}",
                self.recipe,
                counted(trials, "trial"),
                until.text()
            )?,
            None => writeln!(
                f,
                "{}: {} ({} per seed, {})",
                self.recipe,
                counted(trials, "trial"),
                trials / self.seeds.len().max(1),
                counted(self.seeds.len(), "seed")
            )?,
        }
        if self.folded > 0 {
            let more = counted(self.folded, "more result");
            writeln!(f, "the same trials give {more}")?;
        }
        for commit in &self.commits {
            writeln!(f, "{commit} (not this program's commit)")?;
        }
        let outdated = |trial: &TrialOutlook| matches!(trial.reason, Reason::Outdated { .. });
        if self.trials.iter().any(outdated) {
            writeln!(
                f,
                "the results are of another code version: `sweep --renew` moves them to a subfolder and does the work again"
            )?;
        }
        let missing = self
            .trials
            .iter()
            .filter(|trial| !matches!(trial.reason, Reason::Done | Reason::Reused { .. }))
            .count();
        write!(
            f,
            "to run: {} in {}",
            counted_of(missing, trials, "trial"),
            counted(self.wanted, "stage")
        )?;
        match &self.estimate {
            _ if missing == 0 => Ok(()),
            Some(estimate) => write!(f, ", {estimate}"),
            None => write!(
                f,
                "; the time is unknown until a first stage has been timed"
            ),
        }
    }
}

/// The colour of a trial's state.
fn tone(state: &str) -> Tone {
    match state.split([' ', ':']).next() {
        Some("done") => Tone::Good,
        Some("failed") => Tone::Bad,
        _ => Tone::Plain,
    }
}
