//! A running sweep: which stages are missing, what a stage's end means for the trials, when the tables are written.

use super::perform::Workshop;
use super::progress::Progress;
use super::results::Results;
use super::scheduler::{self, Rules, Task, Workers};
use crate::atomic::{Durability, write_durably};
use crate::experiment::store::environment::hand_on;
use crate::experiment::store::measured::Evaluation;
use crate::experiment::store::root::Store;
use crate::experiment::trial::planned::Planned;
use crate::experiment::trial::stage::{Kind, Stage};
use crate::train::last_lines;
use anyhow::Result;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The shortest time between two writings of the tables.
const BETWEEN_TABLES: Duration = Duration::from_secs(1);
/// That time at least, in times of what a writing takes: of ten thousand trials it takes a while.
const TABLES_SHARE: u32 = 20;
/// Between two looks at whether tables are due.
const LOOK: Duration = Duration::from_millis(200);
/// Journal lines that a failure shows.
const LAST_LINES: usize = 3;

/// A running sweep.
pub struct Run<'a> {
    trials: &'a [Planned],
    store: &'a Store,
    results: Results<'a>,
    /// The trials that end with each evaluation.
    ends: BTreeMap<&'a str, Vec<usize>>,
    failed: Vec<String>,
    warnings: Vec<String>,
    /// Whether something has ended since the tables were written.
    due: bool,
    /// When the tables were written, and how long not to write them from then on.
    written: Option<(Instant, Duration)>,
}

impl<'a> Run<'a> {
    /// A run in which no trial has ended.
    pub fn new(trials: &'a [Planned], store: &'a Store, results: Results<'a>) -> Self {
        let mut ends: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (index, trial) in trials.iter().enumerate() {
            ends.entry(&trial.last().key).or_default().push(index);
        }
        Self {
            trials,
            store,
            results,
            ends,
            failed: Vec::new(),
            warnings: Vec::new(),
            due: true,
            written: None,
        }
    }

    /// Takes the trials whose evaluation stands in the store.
    ///
    /// # Errors
    /// The store is not writable.
    pub fn take_finished(&mut self) -> Result<()> {
        for index in 0..self.trials.len() {
            let path = self.store.stage(&self.trials[index].last().key).metrics();
            // A damaged one is computed again.
            if let Ok(evaluation) = Evaluation::read(&path) {
                self.take(index, Ok(&evaluation))?;
            }
        }
        Ok(())
    }

    /// Writes down which trials make which tables.
    ///
    /// # Errors
    /// The results folder is not writable.
    pub fn freeze(&self) -> Result<()> {
        self.results.freeze()
    }

    /// Trials that have ended.
    pub fn finished(&self) -> usize {
        self.results.ended()
    }

    /// What was wrong with the results that were there.
    pub fn notes(&self) -> Vec<String> {
        self.results.notes().to_vec()
    }

    /// The stages that are missing, each once, and those whose result is there but damaged.
    pub fn tasks(&self) -> (Vec<Task<Stage>>, Vec<String>) {
        let mut done: BTreeMap<&str, bool> = BTreeMap::new();
        let mut notes = Vec::new();
        let mut is_whole = |stage: &'a Stage| {
            *done.entry(&stage.key).or_insert_with(|| {
                let whole = self.store.is_whole(stage);
                if !whole && self.store.holds_result(stage) {
                    let title = &stage.title;
                    notes.push(format!("the result of `{title}` is damaged and made again"));
                }
                whole
            })
        };
        let mut chosen: Vec<&Stage> = Vec::new();
        let mut keys: BTreeSet<&str> = BTreeSet::new();
        for trial in self.trials {
            let mut wanted = BTreeSet::from([trial.last().key.as_str()]);
            let mut missing = Vec::new();
            for stage in trial.stages.iter().rev() {
                if wanted.contains(stage.key.as_str()) && !is_whole(stage) {
                    wanted.extend(stage.needs.iter().map(String::as_str));
                    missing.push(stage);
                }
            }
            let missing = missing.into_iter().rev();
            chosen.extend(missing.filter(|stage| keys.insert(&stage.key)));
        }
        let task = |stage: &Stage| {
            let needs = stage.needs.iter();
            Task {
                key: stage.key.clone(),
                needs: needs
                    .filter(|need| keys.contains(need.as_str()))
                    .cloned()
                    .collect(),
                cost: stage.cost,
                work: stage.clone(),
            }
        };
        (chosen.into_iter().map(task).collect(), notes)
    }

    /// Runs the missing stages; tables appear soon after every trial and at the end.
    ///
    /// # Errors
    /// Results cannot be written. That tables cannot be written for a while is told and no error.
    pub fn finish(
        self,
        tasks: &[Task<Stage>],
        workers: Workers,
        rules: Rules,
        workshop: &Workshop,
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
            let ended = scheduler::run(
                tasks,
                workers,
                rules,
                |stage| workshop.perform(stage),
                |task, outcome| {
                    let mut run = lock(&run);
                    run.end(&task.work, outcome, progress)?;
                    run.write_if_due(progress);
                    Ok(())
                },
            );
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
            // The store has all that was found: the tables are tried again, at the latest at the end.
            Err(error) => progress.say(&format!("warning: {error:#}; to be tried again")),
        }
        let pause = BETWEEN_TABLES.max(TABLES_SHARE * start.elapsed());
        self.written = Some((Instant::now(), pause));
    }

    /// A stage has ended: the trials that end with it have their result.
    fn end(&mut self, stage: &Stage, outcome: Result<(), &str>, progress: &Progress) -> Result<()> {
        if stage.kind != Kind::Evaluate {
            return Ok(());
        }
        let found = match outcome {
            Ok(()) => Ok(Evaluation::read(&self.store.stage(&stage.key).metrics())?),
            Err(reason) => Err(reason),
        };
        for index in self
            .ends
            .get(stage.key.as_str())
            .cloned()
            .unwrap_or_default()
        {
            self.take(index, found.as_ref().map_err(|reason| *reason))?;
            let trial = &self.trials[index];
            let title = format!("{}, seed {}", trial.label, trial.seed);
            progress.trial(&title, self.results.reached(index));
        }
        self.due = true;
        Ok(())
    }

    fn take(&mut self, index: usize, outcome: Result<&Evaluation, &str>) -> Result<()> {
        let trial = &self.trials[index];
        let (reported, seconds) = (trial.settings.reported(), self.own_seconds(trial));
        let steps = match outcome {
            Ok(evaluation) => {
                self.keep(trial, evaluation)?;
                let warnings = evaluation.warnings.iter();
                let named = |warning| format!("{}, seed {}: {warning}", trial.label, trial.seed);
                self.warnings.extend(warnings.map(named));
                evaluation.steps
            }
            Err(reason) => {
                self.keep_failure(trial, reason)?;
                let text = self.failure(index, reason);
                self.failed.push(text);
                trial.settings.steps()
            }
        };
        self.results.take(index, steps, seconds, reported, outcome)
    }

    /// Puts together in the trial's own folder what its stages left.
    fn keep(&self, trial: &Planned, evaluation: &Evaluation) -> Result<()> {
        let folder = self.store.trial(&trial.hash);
        let status = json!({ "status": "ok" }).to_string() + "\n";
        if std::fs::read_to_string(folder.status()).is_ok_and(|text| text == status) {
            return Ok(());
        }
        let mut journal = Vec::new();
        for stage in &trial.stages {
            let path = self.store.stage(&stage.key).journal();
            journal.extend(std::fs::read(path).unwrap_or_default());
        }
        let metrics = serde_json::to_string_pretty(evaluation)? + "\n";
        self.keep_settings(trial, trial.last())?;
        // All of it can be made again from the stages.
        let write =
            |path: PathBuf, content: &[u8]| write_durably(&path, content, Durability::Cached);
        write(folder.journal(), &journal)?;
        write(folder.metrics(), metrics.as_bytes())?;
        write(folder.status(), status.as_bytes())
    }

    /// Notes in the trial's own folder how it failed.
    fn keep_failure(&self, trial: &Planned, reason: &str) -> Result<()> {
        let stage = self.failed_stage(trial);
        self.keep_settings(trial, stage.unwrap_or(trial.last()))?;
        let journal = stage.map(|stage| self.store.stage(&stage.key).journal());
        let status = json!({
            "status": "failed",
            "reason": reason,
            "stage": stage.map(|stage| &stage.key),
            "last-lines": journal.map(|journal| last_lines(&journal, LAST_LINES)),
        });
        let text = status.to_string() + "\n";
        let path = self.store.trial(&trial.hash).status();
        write_durably(&path, text.as_bytes(), Durability::Cached)
    }

    /// Writes the settings of the trial, and where `stage`, its last, was computed.
    fn keep_settings(&self, trial: &Planned, stage: &Stage) -> Result<()> {
        let folder = self.store.trial(&trial.hash);
        folder.make()?;
        let settings = format!("# {}, seed {}\n{}", trial.label, trial.seed, trial.table);
        write_durably(&folder.settings(), settings.as_bytes(), Durability::Cached)?;
        hand_on(&self.store.stage(&stage.key), &folder)
    }

    /// The first stage of a failed trial that is not done and has failed.
    fn failed_stage<'b>(&self, trial: &'b Planned) -> Option<&'b Stage> {
        let missing = trial
            .stages
            .iter()
            .filter(|stage| !self.store.is_whole(stage));
        let mut failed = missing.filter(|stage| self.store.stage(&stage.key).failure().is_some());
        failed.next()
    }

    /// Label, seed and reason of a failure, with the last lines of its journal.
    fn failure(&self, index: usize, reason: &str) -> String {
        let trial = &self.trials[index];
        let mut text = format!("{}, seed {}: {reason}", trial.label, trial.seed);
        let stage = self.failed_stage(trial);
        let journal = stage.map(|stage| self.store.stage(&stage.key).journal());
        if let Some(journal) = journal.filter(|journal| journal.exists()) {
            text.push_str(&format!("\n  {}, its last lines:", journal.display()));
            for line in last_lines(&journal, LAST_LINES) {
                text.push_str(&format!("\n    {line}"));
            }
        }
        if self.results.has_earlier(index) {
            text.push_str("\n  the result of an earlier run stays in the records and tables");
        }
        text
    }

    /// Seconds of the stages that follow the shared ones.
    fn own_seconds(&self, trial: &Planned) -> f64 {
        let own = trial.stages.iter().filter(|stage| !stage.shared);
        own.map(|stage| self.store.stage(&stage.key).seconds())
            .sum()
    }

    /// Seconds of all stages of the plan.
    pub fn work_seconds(&self) -> f64 {
        let stages = self.trials.iter().flat_map(|trial| &trial.stages);
        let keys: BTreeSet<&String> = stages.map(|stage| &stage.key).collect();
        keys.into_iter()
            .map(|key| self.store.stage(key).seconds())
            .sum()
    }

    /// Trials that failed: label, seed and reason, and what was going on before.
    pub fn failed(&self) -> Vec<String> {
        self.failed.clone()
    }

    /// What a reader of the tables must know.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
