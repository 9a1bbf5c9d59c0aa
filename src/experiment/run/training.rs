//! The stages that train: from the results of the stages before them to their own, step by step, from a checkpoint where one stands.

use super::attempt::Attempt;
use super::cadence::Cadence;
use super::perform::Workshop;
use super::progress::Reading;
use crate::experiment::settings::sections::Settings;
use crate::experiment::settings::trial_settings::MockSettings;
use crate::experiment::store::folder::Folder;
use crate::experiment::trial::parts::{self as trial, Ground};
use crate::experiment::trial::stage::{Kind, Stage};
use crate::graph::clip::{ClipRegions, VisionLanguage, VisionLanguageConfig};
use crate::method::Mock;
use crate::nn::params::move_to;
use crate::tensor::Place;
use crate::train::{
    Advance, Checkpoint, ClipTraining, Journal, MockTrainer, Trainer, Training, Window,
    restore_clip_tiny,
};
use anyhow::{Context, Result, anyhow, bail};
use std::time::Instant;

impl Workshop<'_> {
    /// Trains the networks of a burn-in or a distillation.
    ///
    /// # Errors
    /// Whatever ends the training; a stop that was asked for.
    pub(super) fn train_network(
        &self,
        stage: &Stage,
        settings: &Settings,
        attempt: &Attempt,
    ) -> Result<()> {
        let device = self.devices.take(settings)?;
        let mut trainer = self.trainer(stage, settings, &device.place)?;
        self.train(stage, attempt, &mut trainer)
    }

    /// The same without a network.
    ///
    /// # Errors
    /// As for [`Self::train_network`].
    pub(super) fn train_mock(
        &self,
        stage: &Stage,
        settings: &MockSettings,
        attempt: &Attempt,
    ) -> Result<()> {
        let MockSettings {
            seed,
            method,
            train,
        } = settings;
        let mock = Mock::new(method, *seed, train.steps, attempt.lease.token());
        self.train(stage, attempt, &mut MockTrainer::new(mock))
    }

    /// Trains the vision-language model for `steps`.
    ///
    /// # Errors
    /// As for [`Self::train_network`].
    pub(super) fn train_vlm(
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
}
