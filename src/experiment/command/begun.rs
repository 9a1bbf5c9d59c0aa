//! The beginning that `harness sweep` and `harness submit` have in common: the recipe is planned and checked, the
//! results folder is opened, and what it holds already is known.

use super::ahead::results_folder;
use super::check::check_once;
use crate::atomic::ensure_writable;
use crate::experiment::cluster::standing::Standing;
use crate::experiment::outlook::commits::OtherCommit;
use crate::experiment::run::claim::refuse_foreign;
use crate::experiment::run::interrupt::Interrupt;
use crate::experiment::run::results::Results;
use crate::experiment::run::round::{Known, Round};
use crate::experiment::run::trials::Run;
use crate::experiment::settings::report::ReportConfig;
use crate::experiment::settings::trial_settings::TrialSettings;
use crate::experiment::store::frozen::FrozenPlan;
use crate::experiment::store::provenance::Provenance;
use crate::experiment::store::renew::set_aside;
use crate::experiment::store::reused::{ReusedResults, origin_lines};
use crate::experiment::store::root::Store;
use crate::experiment::trial::draws::Draw;
use crate::experiment::trial::inputs::{CommandError, Inputs, RecipeRequest};
use crate::experiment::trial::planned::{Planned, planned};
use crate::recipe::Plan;
use crate::report::layout;
use crate::screen::counted;
use anyhow::{Result, bail};
use std::path::{Path, PathBuf};

/// What both commands are asked for.
pub struct BeginRequest<'a> {
    /// The recipe and its overrides.
    pub recipe: &'a RecipeRequest,
    /// The folder of the results; with none, the recipe's folder under `results/`.
    pub out: Option<&'a Path>,
    /// True if results of another version of the computations are moved aside.
    pub renew: bool,
    /// True if the tables of another recipe in the results folder may be replaced.
    pub replace: bool,
    /// Files of records whose results count.
    pub reuse: &'a [PathBuf],
    /// True if the check of pictures shows its progress.
    pub shows: bool,
    /// A request to stop.
    pub interrupt: &'a Interrupt,
    /// The plan with the trials of all seeds.
    pub plan: &'a Plan,
}

/// A sweep whose plan is checked and whose results folder is open.
pub struct Begun {
    /// The datasets, as far as they have been read.
    pub inputs: Inputs,
    /// The plan: the trials that are needed so far.
    pub plan: Plan,
    /// How far its rows are, if they get seeds until they are decided.
    pub round: Option<String>,
    /// The results folder.
    pub folder: PathBuf,
    /// Its store.
    pub store: Store,
    /// The trials with their stages, in the plan's order.
    pub trials: Vec<Planned>,
    /// The splits of their data.
    pub draws: Vec<Draw>,
    /// The folder that results of another version were moved to.
    pub aside: Option<PathBuf>,
    /// The provenance of the run.
    pub provenance: Provenance,
    /// The results from elsewhere that count.
    pub reused: ReusedResults,
    /// The plan as other processes read it.
    pub frozen: FrozenPlan,
}

impl Begun {
    /// Begins what `request` asks for. `workers` checks that the trials can be computed, and returns how many run at
    /// the same time.
    ///
    /// # Errors
    /// The recipe, its data or the results folder is wrong, or `workers` refuses the trials.
    pub fn new(
        request: &BeginRequest,
        inputs: Inputs,
        workers: impl FnOnce(&[Planned]) -> Result<usize>,
    ) -> Result<Self, CommandError> {
        let recipe = &request.recipe.recipe;
        let folder = results_folder(request.plan, request.out);
        if !request.replace {
            refuse_foreign(&folder, request.plan, recipe).map_err(CommandError::Input)?;
        }
        ensure_writable(&folder).map_err(CommandError::Input)?;
        let aside = match request.renew {
            true => refuse_with_jobs(&folder)
                .and_then(|()| set_aside(&folder))
                .map_err(CommandError::Input)?,
            false => None,
        };
        let store = Store::open(&folder).map_err(CommandError::Input)?;
        let reused =
            ReusedResults::read(Some(&store), request.reuse).map_err(CommandError::Input)?;
        let known = Known {
            folder: &folder,
            store: Some(&store),
            reused: &reused,
        };
        let round = Round::keep(request.plan, &known).map_err(CommandError::Input)?;
        let (sentence, plan) = (round.sentence(), round.plan);
        let mut trials = planned(&plan).map_err(CommandError::Input)?;
        let draws = inputs.split(&trials).map_err(CommandError::Input)?;
        inputs.count(&mut trials);
        let (datasets, interrupt) = (&inputs.datasets, request.interrupt);
        check_once(&trials, datasets, &store, interrupt, request.shows)
            .map_err(CommandError::Input)?;
        let workers = workers(&trials).map_err(CommandError::Input)?;
        let provenance = Provenance::new(recipe, &request.recipe.set, &plan);
        let mut frozen = frozen(&plan, &trials, recipe, &provenance, workers);
        frozen.folder = folder.canonicalize().ok();
        frozen.reuse(|last| store.is_whole(last), |hash| reused.origin(hash));
        let order = frozen.trials.iter().map(|trial| trial.hash.as_str());
        reused.keep(&store, order).map_err(CommandError::Output)?;
        Ok(Self {
            inputs,
            plan,
            round: sentence,
            folder,
            store,
            trials,
            draws,
            aside,
            provenance,
            reused,
            frozen,
        })
    }

    /// The lines about the run in the head of every table.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = self.provenance.lines();
        let commits = OtherCommit::all(&self.store, &self.frozen);
        lines.extend(commits.iter().map(ToString::to_string));
        lines.extend(origin_lines(&self.frozen));
        lines
    }

    /// Ends a round of `whole`, the plan with the trials of all seeds: the decisions that have fallen are kept, in the
    /// store and in the head of the tables, whose lines are `lines`. Returns the number of trials that the next round
    /// adds; 0 if none follows.
    ///
    /// # Errors
    /// The results folder cannot be read or written.
    pub fn close(&self, whole: &Plan, lines: &[String]) -> Result<usize> {
        if whole.range.is_none() {
            return Ok(0);
        }
        let known = Known {
            folder: &self.folder,
            store: Some(&self.store),
            reused: &self.reused,
        };
        let next = Round::keep(whole, &known)?;
        let more = next.more_than(&self.plan);
        if more == 0 {
            let _alone = self.store.lock_tables()?;
            layout::merge(&self.folder, &next.tables(lines))?;
        }
        Ok(more)
    }

    /// The run of the plan, in which no trial has ended. `lines` are those of [`Self::lines`].
    ///
    /// # Errors
    /// Existing records cannot be read.
    pub fn run(&self, lines: &[String]) -> Result<Run<'_>, CommandError> {
        let results = Results::open(&self.store, &self.folder, &self.plan, lines);
        let results = results.map_err(CommandError::Input)?;
        let mut run = Run::new(&self.trials, &self.frozen, &self.store, results);
        for draw in &self.draws {
            run.add_draw(draw);
        }
        Ok(run)
    }
}

/// The plan as a sweep begins it.
pub fn frozen(
    plan: &Plan,
    trials: &[Planned],
    recipe: &Path,
    provenance: &Provenance,
    workers: usize,
) -> FrozenPlan {
    let mut frozen = FrozenPlan::new(&plan.recipe, workers);
    frozen.source = std::path::absolute(recipe).ok();
    frozen.commit = provenance.system.commit.clone();
    frozen.program = Some(provenance.system.program.clone());
    frozen.report = report_of(trials);
    for (trial, planned) in plan.trials.iter().zip(trials) {
        frozen.add(trial, &planned.stages);
    }
    frozen.distinguish(&plan.uses());
    frozen
}

/// What the recipe says about its report; the default if no trial trains networks.
fn report_of(trials: &[Planned]) -> ReportConfig {
    let found = trials.iter().find_map(|trial| match &*trial.settings {
        TrialSettings::Networks(settings) => Some(settings.report.clone()),
        TrialSettings::Number(_) => None,
    });
    found.unwrap_or_default()
}

/// Refuses to move the results of another version aside while jobs of Slurm wait or run for them: they read the folder
/// of their submission.
fn refuse_with_jobs(folder: &Path) -> Result<()> {
    let old = Store::look(folder).filter(|store| store.other_version().is_some());
    let Some(standing) = old.map(|store| Standing::now(&store)) else {
        return Ok(());
    };
    match standing.alive().len() {
        0 => Ok(()),
        jobs => bail!(
            "{}: {} of Slurm wait or run for these results; `harness cancel` takes them out of the queue",
            folder.display(),
            counted(jobs, "element")
        ),
    }
}
