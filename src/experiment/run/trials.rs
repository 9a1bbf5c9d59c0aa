//! A running sweep: finds the missing stages, completes trials when stages end, and writes the tables.

mod kept;
mod told;

use super::devices::model_of;
use super::executor::Executor;
use super::failures::Failures;
use super::progress::Progress;
use super::results::{Computed, Results, TrialData};
use super::scheduler::{self, Rules, Task};
use super::validation;
use crate::experiment::settings::trial_settings::TrialSettings;
use crate::experiment::store::environment::MadeBy;
use crate::experiment::store::frozen::{FrozenPlan, StageEntry};
use crate::experiment::store::measured::Evaluation;
use crate::experiment::store::reused::ReusedResults;
use crate::experiment::store::root::Store;
use crate::experiment::trial::draws::{Draw, split_name};
use crate::experiment::trial::key::StageKey;
use crate::experiment::trial::planned::Planned;
use crate::experiment::trial::stage::{Stage, StageKind};
use crate::report::{SplitRecord, Table as ResultTable};
use anyhow::Result;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The shortest time between two writings of the tables.
const BETWEEN_TABLES: Duration = Duration::from_secs(1);
/// The time between two writings is at least this many times the duration of one. With ten thousand trials,
/// writing takes long.
const TABLES_SHARE: u32 = 20;
/// The time between two checks for due tables.
const LOOK: Duration = Duration::from_millis(200);
/// The number of journal lines shown with a failure.
const LAST_LINES: usize = 3;

/// A running sweep.
pub struct Run<'a> {
    trials: &'a [Planned],
    frozen: &'a FrozenPlan,
    store: &'a Store,
    results: Results<'a>,
    /// The trials that end with each evaluation.
    ends: BTreeMap<&'a StageKey, Vec<usize>>,
    failures: Failures,
    warnings: Vec<String>,
    /// The oddities of each dataset, by its table `[data]`.
    findings: BTreeMap<String, Vec<String>>,
    /// The splits that are not drawn by the program's own rule, by [`split_name`].
    splits: BTreeMap<String, SplitRecord>,
    /// True if something has ended since the tables were written.
    due: bool,
    /// The time when the tables were last written, and the time to wait from then on.
    written: Option<(Instant, Duration)>,
}

impl<'a> Run<'a> {
    /// A run of the plan `frozen`, whose trials are `trials`: none has ended.
    pub fn new(
        trials: &'a [Planned],
        frozen: &'a FrozenPlan,
        store: &'a Store,
        results: Results<'a>,
    ) -> Self {
        let mut ends: BTreeMap<&StageKey, Vec<usize>> = BTreeMap::new();
        for (index, trial) in trials.iter().enumerate() {
            ends.entry(&trial.last().key).or_default().push(index);
        }
        Self {
            trials,
            frozen,
            store,
            results,
            ends,
            failures: Failures::default(),
            warnings: Vec::new(),
            findings: BTreeMap::new(),
            splits: BTreeMap::new(),
            due: true,
            written: None,
        }
    }

    /// Adds a draw, for the records of its trials: the oddities of its dataset, and its split unless that follows from
    /// the recipe.
    pub fn add_draw(&mut self, draw: &Draw) {
        let data = draw.settings.data.to_string();
        self.findings.insert(data, draw.findings.clone());
        if !draw.is_told_by_the_recipe {
            let Draw { census, .. } = draw;
            let classes = census.classes.iter();
            let instances =
                classes.map(|class| (class.name.clone(), class.parts.labelled.instances));
            let record = SplitRecord {
                origin: draw.origin.clone(),
                sha256: draw.sha256.clone(),
                training_images: census.training_images,
                chosen: draw.chosen,
                labelled: census.all.labelled.images,
                unlabelled: census.all.unlabelled.images,
                instances: instances.collect(),
            };
            self.splits.insert(split_name(&draw.settings), record);
        }
    }

    /// Takes the results of the trials whose evaluation is in the store, and those of `reused` that count.
    ///
    /// # Errors
    /// The store is not writable.
    pub fn take_finished(&mut self, reused: &ReusedResults) -> Result<()> {
        for index in 0..self.trials.len() {
            let entry = &self.frozen.trials[index];
            if let (Some(_), Some(result)) = (&entry.reused, reused.get(&entry.hash)) {
                self.results.take_reused(index, &result.record);
                continue;
            }
            let path = self.store.stage(&self.trials[index].last().key).metrics();
            // A damaged one is computed again.
            if let Ok(evaluation) = Evaluation::read(&path) {
                self.take(index, Ok(&evaluation))?;
            }
        }
        Ok(())
    }

    /// Takes the failures of the trials that have not ended: those with a stage that failed and is not to be tried
    /// again.
    ///
    /// # Errors
    /// The store is not writable.
    pub fn take_failures(&mut self) -> Result<()> {
        for index in 0..self.trials.len() {
            if self.results.has_ended(index) {
                continue;
            }
            let stage = self.failed_stage(&self.trials[index]);
            let failure = stage.and_then(|stage| self.store.stage(&stage.key).failure());
            if let Some(failure) = failure.filter(|failure| failure.retries == 0) {
                self.take(index, Err(&failure.reason))?;
            }
        }
        Ok(())
    }

    /// Writes the records and tables of the trials that have ended.
    ///
    /// # Errors
    /// The results folder is not writable.
    pub fn write(&mut self) -> Result<()> {
        self.results.write()
    }

    /// Saves the plan: its stages, the settings of its trials, and which trials make which tables.
    ///
    /// # Errors
    /// The results folder is not writable.
    pub fn freeze(&self) -> Result<()> {
        self.trials.par_iter().try_for_each(|trial| {
            match self.store.trial(&trial.hash).settings().exists() {
                true => Ok(()),
                false => self.keep_settings(trial),
            }
        })?;
        self.frozen.write(self.store)?;
        self.results.freeze()
    }

    /// The number of trials that have ended.
    pub fn finished(&self) -> usize {
        self.results.ended()
    }

    /// The problems of the existing results.
    pub fn notes(&self) -> Vec<String> {
        self.results.notes().to_vec()
    }

    /// The missing stages, each once, and a note for every result that is damaged. Trials whose failures were taken
    /// have none.
    pub fn tasks(&self) -> (Vec<Task<Stage>>, Vec<String>) {
        let entries = &self.frozen.stages;
        let mut notes = Vec::new();
        let is_meant = |trial: usize| !self.results.has_failed(trial);
        let wanted = self.frozen.wanted_of(is_meant, |stage| {
            let StageEntry { key, title, .. } = &entries[stage];
            let whole = self.store.is_whole(key);
            if !whole && self.store.holds_result(key) {
                notes.push(format!(
                    "the result of `{title}` is damaged and will be computed again"
                ));
            }
            whole
        });
        let stages = self.trials.iter().flat_map(|trial| &trial.stages);
        let stages: BTreeMap<&StageKey, &Stage> = stages.map(|stage| (&stage.key, stage)).collect();
        let task = |entry: &StageEntry| {
            let needs = entry.needs.iter().filter(|need| wanted[**need]);
            Task {
                key: entry.key.to_string(),
                needs: needs.map(|need| entries[*need].key.to_string()).collect(),
                cost: entry.cost,
                work: Stage {
                    title: entry.title.clone(),
                    ..stages[&entry.key].clone()
                },
            }
        };
        let chosen = entries.iter().zip(&wanted).filter(|(_, wanted)| **wanted);
        (chosen.map(|(entry, _)| task(entry)).collect(), notes)
    }

    /// Runs the missing stages. Tables are written soon after every trial and at the end.
    ///
    /// # Errors
    /// Results cannot be written. If only the tables cannot be written for a while, this is reported and is
    /// not an error.
    pub fn finish(
        self,
        tasks: &[Task<Stage>],
        executor: &dyn Executor,
        rules: Rules,
        progress: &Progress,
    ) -> Result<Self> {
        let run = Mutex::new(self);
        let over = (Mutex::new(false), Condvar::new());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut guard = lock(&over.0);
                while !*guard {
                    let waited = over.1.wait_timeout(guard, LOOK);
                    guard = waited.unwrap_or_else(PoisonError::into_inner).0;
                    lock(&run).write_if_due(progress);
                }
            });
            let ended = scheduler::run(tasks, executor, rules, |task, outcome| {
                let mut run = lock(&run);
                run.end(&task.work, outcome, progress)?;
                run.write_if_due(progress);
                Ok(())
            });
            *lock(&over.0) = true;
            over.1.notify_all();
            ended
        })?;
        let mut run = run.into_inner().unwrap_or_else(PoisonError::into_inner);
        run.results.write()?;
        Ok(run)
    }

    fn write_if_due(&mut self, progress: &Progress) {
        let rests = |(at, pause): (Instant, Duration)| at.elapsed() < pause;
        if !self.due || self.written.is_some_and(rests) {
            return;
        }
        let start = Instant::now();
        match self.results.write() {
            Ok(()) => self.due = false,
            // The store has all results. The tables are tried again, at the latest at the end.
            Err(error) => progress.print(&format!(
                "warning: {error:#}; the tables will be written again later"
            )),
        }
        let pause = BETWEEN_TABLES.max(TABLES_SHARE * start.elapsed());
        self.written = Some((Instant::now(), pause));
    }

    /// Records the end of a stage and the results of the trials that end with it.
    fn end(&mut self, stage: &Stage, outcome: Result<(), &str>, progress: &Progress) -> Result<()> {
        if stage.kind != StageKind::Evaluate {
            return Ok(());
        }
        let found = match outcome {
            Ok(()) => Ok(Evaluation::read(&self.store.stage(&stage.key).metrics())?),
            Err(reason) => Err(reason),
        };
        for index in self.ends.get(&stage.key).cloned().unwrap_or_default() {
            let is_news = self.take(index, found.as_ref().map_err(|reason| *reason))?;
            match self.results.reached(index).filter(|_| found.is_ok()) {
                Some(metric) => progress.trial(&self.frozen.trial_title(index), metric),
                None => progress.failed(is_news.then(|| self.cost(index)).as_deref()),
            }
        }
        self.due = true;
        Ok(())
    }

    /// Takes the outcome of a trial. Returns true if it is a failure that no other trial has told.
    fn take(&mut self, index: usize, outcome: Result<&Evaluation, &str>) -> Result<bool> {
        let mut is_news = false;
        let trial = &self.trials[index];
        let reported = trial.settings.reported();
        let computed = Computed {
            seconds: self.own_seconds(trial),
            device: self.device_of(trial),
        };
        let steps = match outcome {
            Ok(evaluation) => {
                self.keep(trial, evaluation)?;
                let warnings = evaluation.warnings.iter();
                let title = self.frozen.trial_title(index);
                let named = |warning| format!("{title}: {warning}");
                self.warnings.extend(warnings.map(named));
                evaluation.steps
            }
            Err(reason) => {
                self.keep_failure(trial, reason)?;
                let stage = self.failed_stage(trial).map(|stage| &stage.key);
                is_news = self.failures.add(index, stage, reason);
                trial.settings.steps()
            }
        };
        let data = match &*trial.settings {
            TrialSettings::Networks(settings) => TrialData {
                findings: {
                    let of_data = self.findings.get(&settings.data.to_string()).cloned();
                    let mut findings = of_data.unwrap_or_default();
                    findings.extend(validation::finding(settings));
                    findings
                },
                split: self.splits.get(&split_name(settings)).cloned(),
            },
            TrialSettings::Number(_) => TrialData::default(),
        };
        self.results
            .take(index, steps, computed, reported, outcome, data)?;
        Ok(is_news)
    }

    /// The seconds of the stages after the shared ones.
    fn own_seconds(&self, trial: &Planned) -> f64 {
        let own = trial.stages.iter().filter(|stage| !stage.shared);
        own.map(|stage| self.store.stage(&stage.key).seconds())
            .sum()
    }

    /// The devices of the trial's stages, each once; none if no stage names any.
    fn device_of(&self, trial: &Planned) -> Option<String> {
        let made = trial.stages.iter().filter_map(|stage| {
            let environment = self.store.stage(&stage.key).environment();
            MadeBy::of(&std::fs::read(environment).ok()?)
        });
        let models = made.flat_map(|made| made.devices);
        let models: BTreeSet<String> = models.map(|name| model_of(&name).to_string()).collect();
        let models: Vec<String> = models.into_iter().collect();
        (!models.is_empty()).then(|| models.join(", "))
    }

    /// The seconds of all stages of the plan.
    pub fn work_seconds(&self) -> f64 {
        let stages = self.trials.iter().flat_map(|trial| &trial.stages);
        let keys: BTreeSet<&StageKey> = stages.map(|stage| &stage.key).collect();
        keys.into_iter()
            .map(|key| self.store.stage(key).seconds())
            .sum()
    }

    /// The tables of the sweeps.
    pub fn tables(&self) -> Vec<ResultTable> {
        self.results.tables()
    }

    /// Warnings for the reader of the tables.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
