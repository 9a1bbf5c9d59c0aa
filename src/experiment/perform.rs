//! Doing a stage: from the results of the stages before it to its own, continuing where an earlier process was interrupted.

use super::attempt::Attempt;
use super::cadence::Cadence;
use super::devices::Devices;
use super::environment::Kept;
use super::folder::{Failure, Folder};
use super::interrupt::{Interrupt, Interrupted};
use super::progress::{Progress, Reading};
use super::scheduler::{self, Task, Turn};
use super::settings::{EvalModel, Settings};
use super::stage::{Kind, Stage};
use super::store::Store;
use super::supervise::Link;
use super::trial::{self, Datasets, Ground};
use super::trial_settings::{MockSettings, TrialSettings};
use crate::atomic::write_durably;
use crate::data::{Dataset, Sample};
use crate::eval::{Evaluator, Found, Metrics};
use crate::graph::Mask2Former;
use crate::graph::clip::{ClipRegions, VisionLanguage, VisionLanguageConfig};
use crate::method::{Mock, predict};
use crate::nn::params::move_to;
use crate::structures::Picture;
use crate::tensor::Place;
use crate::train::{
    Advance, Checkpoint, ClipTraining, Journal, MockTrainer, STUDENT, Trainer, Training, Window,
    mock_state, restore_clip_tiny, warnings,
};
use anyhow::{Context, Result, anyhow, bail};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Pictures that are evaluated at once: enough to fill the caches, little memory at any size.
const EVALUATED_AT_ONCE: usize = 4;

/// What an evaluation leaves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Steps of training.
    pub steps: usize,
    /// Metrics by the name of the model.
    pub models: BTreeMap<String, Metrics>,
    /// What a reader of the tables must know.
    pub warnings: Vec<String>,
}

/// What all stages work with.
pub struct Workshop<'a> {
    store: &'a Store,
    datasets: &'a Datasets,
    progress: &'a Progress,
    environment: &'a Kept,
    devices: &'a Devices,
    interrupt: &'a Interrupt,
    link: &'a Link,
    /// How often this run tries a stage that failed again.
    retries: u32,
    /// Attempts at each stage that this run does not take for its own time: those before it began, and its own.
    past: Mutex<BTreeMap<String, u64>>,
    /// Failures of this run's own attempts at each stage.
    failures: Mutex<BTreeMap<String, u32>>,
}

impl<'a> Workshop<'a> {
    /// For a run of `tasks`.
    pub fn new(
        store: &'a Store,
        datasets: &'a Datasets,
        progress: &'a Progress,
        environment: &'a Kept,
        devices: &'a Devices,
        interrupt: &'a Interrupt,
        link: &'a Link,
        retries: u32,
        tasks: &[Task<Stage>],
    ) -> Self {
        let attempts = |task: &Task<Stage>| (task.key.clone(), store.stage(&task.key).attempts());
        Self {
            store,
            datasets,
            progress,
            environment,
            devices,
            interrupt,
            link,
            retries,
            past: Mutex::new(tasks.iter().map(attempts).collect()),
            failures: Mutex::default(),
        }
    }

    /// Does `stage`, unless another process has it in hand or has done it, and keeps the time that it took.
    ///
    /// # Errors
    /// Whatever ends the training or the evaluation, a panic included; a checkpoint, once written, stays. What ended it in another
    /// process during this run, or in one before this one under the same supervisor.
    pub fn perform(&self, stage: &Stage) -> Result<Turn> {
        let folder = self.store.stage(&stage.key);
        if let Some(failure) = self.link.earlier_failure(&stage.key)
            && !self.store.is_whole(stage)
        {
            let retries = self.left(stage);
            // Who was killed could not note it.
            if folder.attempts() == failure.attempt {
                folder
                    .fail(&Failure {
                        retries,
                        ..failure.clone()
                    })
                    .ok();
            }
            bail!(failure.reason);
        }
        let outcome = self.attempt(stage);
        match &outcome {
            Ok(Turn::Held) => {}
            Ok(Turn::Done | Turn::Stopped) => self.link.ends(&stage.key),
            Err(error) => {
                let (attempt, reason) = (folder.attempts(), format!("{error:#}"));
                let failure = Failure {
                    attempt,
                    reason,
                    retries: 0,
                };
                self.link.fails(&stage.key, failure);
            }
        }
        outcome
    }

    /// As [`Self::perform`], whatever processes before this one have met with.
    fn attempt(&self, stage: &Stage) -> Result<Turn> {
        let start = Instant::now();
        let folder = self.store.stage(&stage.key);
        let Some(lease) = folder.lease()? else {
            return Ok(Turn::Held);
        };
        if self.store.is_whole(stage) {
            self.progress.without(stage.cost);
            return Ok(Turn::Done);
        }
        let number = lease.token();
        let other = folder.failure().filter(|failure| {
            failure.attempt + 1 == number
                && failure.attempt > lock(&self.past).get(&stage.key).copied().unwrap_or(0)
        });
        // Another process failed during this run. Where it would try again, this attempt is that one.
        let left = match other {
            Some(Failure {
                reason, retries: 0, ..
            }) => bail!(reason),
            Some(failure) => failure.retries - 1,
            None => 0,
        };
        self.link.begins(stage, number);
        self.environment.put(&folder)?;
        let attempt = Attempt {
            resumed: folder.checkpoint().exists(),
            folder,
            lease,
            start,
        };
        let outcome = scheduler::contained(|| {
            let outcome = match &*stage.settings {
                TrialSettings::Network(settings) => self.work(stage, settings, &attempt),
                TrialSettings::Mock(settings) => self.mock(stage, settings, &attempt),
            };
            match outcome {
                Err(error) if error.is::<Interrupted>() => Ok(Turn::Stopped),
                outcome => outcome.map(|()| Turn::Done),
            }
        });
        let kept = attempt.folder.add_seconds(start.elapsed().as_secs_f64());
        let reason = match outcome {
            Ok(turn) => return kept.map(|()| turn),
            Err(reason) => reason,
        };
        let own = self.left(stage);
        let failure = Failure {
            attempt: number,
            reason: reason.clone(),
            retries: own.max(left),
        };
        // Where the disk is full, the failure cannot be noted either: the reason itself goes on.
        let noted = attempt.folder.fail(&failure).is_ok();
        if own == 0 && failure.retries > 0 && noted {
            // For the other's sake it is not over.
            self.link.ends(&stage.key);
            return Ok(Turn::Held);
        }
        lock(&self.past).insert(stage.key.clone(), number);
        Err(anyhow!(reason))
    }

    /// How often this run will try `stage` again, which has just failed.
    fn left(&self, stage: &Stage) -> u32 {
        let mut failures = lock(&self.failures);
        let before = failures.entry(stage.key.clone()).or_default();
        *before += 1;
        self.retries.saturating_sub(*before - 1)
    }

    fn work(&self, stage: &Stage, settings: &Settings, attempt: &Attempt) -> Result<()> {
        match stage.kind {
            Kind::Vlm { steps } => self.train_vlm(stage, settings, attempt, steps),
            Kind::BurnIn { .. } | Kind::Distill { .. } => {
                let device = self.devices.take(settings)?;
                let mut trainer = self.trainer(stage, settings, &device.place)?;
                self.train(stage, attempt, &mut trainer)
            }
            Kind::Evaluate => self.evaluate(stage, settings, attempt),
        }
    }

    /// The same stages without a network; all else is as in a training.
    fn mock(&self, stage: &Stage, settings: &MockSettings, attempt: &Attempt) -> Result<()> {
        if stage.kind != Kind::Evaluate {
            let MockSettings {
                seed,
                method,
                train,
            } = settings;
            let mock = Mock::new(method, *seed, train.steps, attempt.lease.token());
            return self.train(stage, attempt, &mut MockTrainer::new(mock));
        }
        let (source, checkpoint) = self.trained(stage)?;
        let state = mock_state(&checkpoint)?;
        let metrics = Metrics {
            mean_ap: Some(state.mean_ap()),
            ap50: Some(state.ap50()),
            ..Metrics::default()
        };
        let models = BTreeMap::from([(STUDENT.to_string(), metrics)]);
        write_evaluation(attempt, &checkpoint, models, &source)
    }

    fn train_vlm(
        &self,
        stage: &Stage,
        settings: &Settings,
        attempt: &Attempt,
        steps: usize,
    ) -> Result<()> {
        let Some(VisionLanguageConfig::ClipTiny(config)) = &settings.vlm else {
            bail!("this trial trains no vision-language model");
        };
        let size = settings.data.get("size").and_then(toml::Value::as_integer);
        let size = usize::try_from(size.context("data.size")?)?;
        let mut training = ClipTraining::new(config, size);
        if let Some(checkpoint) = self.interrupted(stage, &attempt.folder)? {
            training.resume(&checkpoint)?;
        }
        let progress = self
            .progress
            .stage(&stage.title, stage.cost, 0, training.step(), steps);
        // Minutes of training: the recipe has no checkpoints for it.
        let mut cadence = Cadence::new(steps, Instant::now());
        while training.step() < steps {
            let reading = Reading {
                loss: Some(training.advance()?),
                ..Reading::default()
            };
            progress.at(training.step(), reading);
            if training.step() < steps {
                self.rest(attempt, &mut cadence, training.step(), || {
                    Ok(training.checkpoint(&stage.key, true))
                })?;
            }
        }
        attempt.end(&training.checkpoint(&stage.key, false))
    }

    /// The networks of a training stage before their first step.
    fn trainer(&self, stage: &Stage, settings: &Settings, place: &Place) -> Result<Trainer> {
        let ground = Ground::new(settings, self.datasets, place)?;
        let method = match stage.kind {
            Kind::Distill { .. } => settings.method.clone(),
            _ => trial::burn_in(&settings.method),
        };
        let mut method = ground.method(settings, &method)?;
        if method.needs_vlm().is_some() {
            method.attach_vlm(self.vlm(stage, settings, &ground, place)?);
        }
        Ok(Trainer::new(method, &settings.train, ground.loader))
    }

    /// Takes the steps of a training stage that are missing.
    fn train(&self, stage: &Stage, attempt: &Attempt, trainer: &mut dyn Training) -> Result<()> {
        let folder = &attempt.folder;
        let [from, to] = stage.kind.steps();
        let distill = matches!(stage.kind, Kind::Distill { .. });
        let mut window = Window::default();
        if let Some(checkpoint) = self.interrupted(stage, folder)? {
            trainer.resume(&checkpoint)?;
            window = checkpoint.window().clone();
        } else {
            if let Some(key) = stage.needs.iter().find(|key| key.starts_with("burn-in-")) {
                trainer.begin(&Checkpoint::load(&self.store.stage(key).result(), key)?)?;
            }
            if distill {
                trainer.start_average();
            }
        }

        let mut journal = Journal::open(&folder.journal(), trainer.step(), window)?;
        let progress = self
            .progress
            .stage(&stage.title, stage.cost, from, trainer.step(), to);
        let mut cadence = Cadence::new(stage.settings.checkpoint(), Instant::now());
        while trainer.step() < to {
            let Advance { loss, kept } = trainer.advance(&mut journal)?;
            let step = trainer.step();
            progress.at(
                step,
                Reading {
                    loss: Some(loss),
                    kept,
                    mean_ap: None,
                },
            );
            if step == to {
                break;
            }
            let planned = cadence.is_planned(step);
            self.rest(attempt, &mut cadence, step, || {
                if planned {
                    journal.flush()?;
                }
                attempt.sync(&journal)?;
                let mut checkpoint = trainer.checkpoint(&stage.key, true);
                checkpoint.put_window(journal.window());
                Ok(checkpoint)
            })?;
        }
        journal.flush()?;
        attempt.sync(&journal)?;
        // Only a run that goes on needs the optimizer's moments, two thirds of the file.
        attempt.end(&trainer.checkpoint(&stage.key, !distill))
    }

    /// Between two steps of a training: puts its state in place where that is due, and ends the training if a stop was asked for.
    fn rest(
        &self,
        attempt: &Attempt,
        cadence: &mut Cadence,
        step: usize,
        state: impl FnOnce() -> Result<Checkpoint>,
    ) -> Result<()> {
        let stop = self.interrupt.check();
        if stop.is_err() || cadence.is_due(step, Instant::now()) {
            attempt.save(&state()?, &attempt.folder.checkpoint())?;
            cadence.written(Instant::now());
        }
        Ok(stop?)
    }

    /// The state in which an earlier attempt was interrupted; none if there is none, or a damaged one: the stage then begins anew.
    fn interrupted(&self, stage: &Stage, folder: &Folder) -> Result<Option<Checkpoint>> {
        let path = folder.checkpoint();
        if !path.exists() {
            return Ok(None);
        }
        match Checkpoint::load(&path, &stage.key) {
            Err(error) if error.damaged => {
                let (title, error) = (&stage.title, anyhow!(error));
                let text = format!("warning: {title}: {error:#}; the stage begins anew");
                self.progress.say(&text);
                Ok(None)
            }
            loaded => Ok(Some(loaded?)),
        }
    }

    /// The vision-language model of the trial.
    fn vlm(
        &self,
        stage: &Stage,
        settings: &Settings,
        ground: &Ground,
        place: &Place,
    ) -> Result<Box<dyn VisionLanguage>> {
        let vlm = settings.vlm.as_ref();
        match vlm.context("no vision-language model is set")? {
            VisionLanguageConfig::ClipTiny(config) => {
                let key = stage.needs.iter().find(|key| key.starts_with("vlm-"));
                let key = key.context("the stage of the vision-language model is missing")?;
                let checkpoint = Checkpoint::load(&self.store.stage(key).result(), key)?;
                let mut model = restore_clip_tiny(config, &checkpoint)?;
                move_to(&mut model, place);
                Ok(Box::new(model))
            }
            VisionLanguageConfig::Prototypes(config) => {
                Ok(Box::new(ground.prototypes(settings, config)?))
            }
            VisionLanguageConfig::Clip(config) => {
                let model = ClipRegions::new(config, &ground.dataset.classes)?;
                Ok(Box::new(model.at(place)))
            }
        }
    }

    /// The training that an evaluation follows: its folder and what it left.
    fn trained(&self, stage: &Stage) -> Result<(Folder, Checkpoint)> {
        let key = stage.needs.first();
        let key = key.context("an evaluation follows a training")?;
        let source = self.store.stage(key);
        let checkpoint = Checkpoint::load(&source.result(), key)?;
        Ok((source, checkpoint))
    }

    fn evaluate(&self, stage: &Stage, settings: &Settings, attempt: &Attempt) -> Result<()> {
        let (source, checkpoint) = self.trained(stage)?;
        let dataset = self.datasets.get(&settings.data).map_err(trial::named)?;
        let evaluator = Evaluator::new(&dataset)?;
        let device = self.devices.take(settings)?;
        let mut model = trial::model(settings, dataset.classes.len())?;
        move_to(&mut model, &device.place);

        let names = [EvalModel::Teacher, EvalModel::Student, EvalModel::Average];
        let names: Vec<&str> = names
            .map(EvalModel::name)
            .into_iter()
            .filter(|name| checkpoint.holds(name))
            .collect();
        let images = dataset.val.len();
        let progress = self
            .progress
            .stage(&stage.title, stage.cost, 0, 0, names.len() * images);
        let mut reading = Reading::default();
        let mut models = BTreeMap::new();
        for (i, name) in names.iter().enumerate() {
            checkpoint.take_model(name, &mut model)?;
            let seen = |done: usize| {
                progress.at(i * images + done, reading);
                self.interrupt.check()
            };
            let metrics = metrics(&model, settings, &dataset, &evaluator, seen)?;
            reading.mean_ap = metrics.mean_ap;
            models.insert(name.to_string(), metrics);
        }
        write_evaluation(attempt, &checkpoint, models, &source)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes the metrics `models` of what the training in `source` left.
fn write_evaluation(
    attempt: &Attempt,
    checkpoint: &Checkpoint,
    models: BTreeMap<String, Metrics>,
    source: &Folder,
) -> Result<()> {
    let evaluation = Evaluation {
        steps: checkpoint.step(),
        models,
        warnings: warnings(&source.journal())?,
    };
    let text = serde_json::to_string_pretty(&evaluation)? + "\n";
    attempt.lease.check()?;
    let path = attempt.folder.metrics();
    write_durably(&path, text.as_bytes(), attempt.durability())
}

/// The metrics of `model` on the evaluated images; `seen` hears how many are done
/// and may end it.
fn metrics(
    model: &Mask2Former,
    settings: &Settings,
    dataset: &Dataset,
    evaluator: &Evaluator,
    seen: impl Fn(usize) -> Result<(), Interrupted>,
) -> Result<Metrics> {
    let Settings { eval, .. } = settings;
    let mut found = Found::default();
    let indices: Vec<usize> = (0..dataset.val.len()).collect();
    for part in indices.chunks(EVALUATED_AT_ONCE) {
        let samples = part.iter().map(|index| dataset.val.load(*index));
        let samples = samples.collect::<Result<Vec<_>>>()?;
        let pictures: Vec<Picture> = samples.iter().map(|s| eval.view(&s.picture)).collect();
        let pictures: Vec<&Picture> = pictures.iter().collect();
        let size = |sample: &Sample| (sample.picture.height, sample.picture.width);
        let sizes: Vec<(usize, usize)> = samples.iter().map(size).collect();
        let detections = predict(model, &pictures, &sizes, eval.top);
        for (sample, detections) in samples.iter().zip(&detections) {
            evaluator.add(&mut found, sample.image_id, detections)?;
        }
        seen(part.last().map_or(0, |last| last + 1))?;
    }
    evaluator.evaluate(found)
}
