//! The stages that train: from the results of earlier stages, or from a checkpoint, step by step to their own
//! result.

use super::attempt::Attempt;
use super::beacon::Beacon;
use super::cadence::Cadence;
use super::perform::Workshop;
use super::progress::StageNumbers;
use super::snapshots::Album;
use crate::experiment::settings::sections::Settings;
use crate::experiment::settings::trial_settings::TrialSettings;
use crate::experiment::store::folder::{StageFolder, Unit};
use crate::experiment::trial::parts::TrialParts;
use crate::experiment::trial::stage::{Stage, StageKind};
use crate::graph::clip::{ClipRegions, VisionLanguage, VisionLanguageConfig};
use crate::method::{Phase, Start};
use crate::nn::params::move_to;
use crate::tensor::Place;
use crate::train::{
    Advance, Checkpoint, ClipTraining, Journal, NumberTrainer, Trainer, Training, Window,
    restore_clip_tiny,
};
use anyhow::{Context, Result, anyhow, bail};
use std::time::Instant;

impl Workshop<'_> {
    /// Trains the vision-language model, or a phase of the trial's method.
    ///
    /// # Errors
    /// Any error that ends the training, or a requested stop.
    pub(super) fn train(&self, stage: &Stage, attempt: &Attempt) -> Result<()> {
        match (&*stage.settings, stage.kind) {
            (TrialSettings::Networks(settings), StageKind::Vlm) => {
                self.train_vlm(stage, settings, attempt)
            }
            (TrialSettings::Networks(settings), StageKind::Train(phase)) => {
                let device = self.devices.take(settings)?;
                let album = self.album(stage, settings, phase);
                let phase = settings.phases().swap_remove(phase);
                let mut trainer = self.trainer(stage, settings, &phase, &device.place)?;
                self.train_phase(stage, &phase, attempt, album.as_ref(), &mut trainer)
            }
            (TrialSettings::Number(settings), StageKind::Train(phase)) => {
                let phase = settings.phases().swap_remove(phase);
                let number = phase.number(settings.seed, attempt.lease.token())?;
                self.train_phase(
                    stage,
                    &phase,
                    attempt,
                    None,
                    &mut NumberTrainer::new(number),
                )
            }
            (_, StageKind::Evaluate) | (TrialSettings::Number(_), StageKind::Vlm) => {
                bail!("the stage {} trains nothing", stage.key)
            }
        }
    }

    fn train_vlm(&self, stage: &Stage, settings: &Settings, attempt: &Attempt) -> Result<()> {
        let Some(VisionLanguageConfig::ClipTiny(config)) = settings.method.vlm() else {
            bail!("this trial trains no vision-language model");
        };
        let size = settings.data.get("size").and_then(toml::Value::as_integer);
        let size = usize::try_from(size.context("data.size")?)?;
        let mut training = ClipTraining::new(config, size);
        if let Some(checkpoint) = self.interrupted(stage, &attempt.folder)? {
            training.resume(&checkpoint)?;
        }
        // It trains for minutes, so the recipe has no checkpoints for it.
        let cadence = Cadence::new(config.steps, Instant::now());
        self.take_steps(stage, attempt, &mut training, (None, None), cadence)?;
        attempt.end(&training.checkpoint(stage.key.as_str(), false))
    }

    /// The networks of a phase before their first step.
    fn trainer(
        &self,
        stage: &Stage,
        settings: &Settings,
        phase: &Phase,
        place: &Place,
    ) -> Result<Trainer> {
        let settings = &settings.of_phase(phase.name);
        let parts = TrialParts::new(settings, self.datasets, place)?;
        let mut learner = parts.learner(settings, phase)?;
        if phase.labels && settings.method.vlm().is_some() {
            learner.attach_vlm(self.vlm(stage, settings, &parts, place)?);
        }
        let (train, first) = settings.curve(phase);
        Ok(Trainer::new(learner, &train, first, parts.loader))
    }

    /// Trains a phase to its end, from the networks that it starts from or from where it was interrupted.
    fn train_phase(
        &self,
        stage: &Stage,
        phase: &Phase,
        attempt: &Attempt,
        album: Option<&Album>,
        training: &mut dyn Training,
    ) -> Result<()> {
        let folder = &attempt.folder;
        let mut window = Window::default();
        if let Some(checkpoint) = self.interrupted(stage, folder)? {
            training.resume(&checkpoint)?;
            window = checkpoint.window().clone();
        } else {
            match phase.start {
                Start::Fresh => {}
                Start::GoOn(_) => training.go_on(&self.source(stage)?)?,
                Start::Under(_) => training.take_teacher(&self.source(stage)?)?,
            }
            if phase.average {
                training.start_average();
            }
        }
        let mut journal = Journal::open(&folder.journal(), training.step(), window)?;
        journal.show(self.log);
        let cadence = Cadence::new(stage.settings.checkpoint(), Instant::now());
        let files = (Some(&mut journal), album);
        self.take_steps(stage, attempt, training, files, cadence)?;
        journal.flush()?;
        attempt.sync(&journal)?;
        // Only a run that continues needs the optimizer's moments, two thirds of the file.
        attempt.end(&training.checkpoint(stage.key.as_str(), phase.goes_on))
    }

    /// The result of the training that a stage starts from.
    fn source(&self, stage: &Stage) -> Result<Checkpoint> {
        let key = stage.source.as_ref();
        let key = key.context("the training that this stage starts from is missing")?;
        Ok(Checkpoint::load(
            &self.store.stage(key).result(),
            key.as_str(),
        )?)
    }

    /// Takes the steps of a training that are missing, with checkpoints on the way, its readings in the journal and
    /// snapshots of the album, as far as it has these.
    fn take_steps(
        &self,
        stage: &Stage,
        attempt: &Attempt,
        training: &mut dyn Training,
        (mut journal, album): (Option<&mut Journal>, Option<&Album>),
        mut cadence: Cadence,
    ) -> Result<()> {
        let [from, to] = stage.steps;
        let progress = self
            .progress
            .stage(&stage.title, stage.cost, from, training.step(), to);
        let beacon = journal
            .is_none()
            .then(|| Beacon::new(&attempt.folder, training.step(), to, Unit::Steps));
        self.snap(stage, attempt, album, training)?;
        while training.step() < to {
            let Advance {
                loss,
                kept,
                readings,
            } = training.advance()?;
            let step = training.step();
            if let Some(journal) = &mut journal {
                journal.add(step, readings)?;
            }
            progress.at(
                step,
                StageNumbers {
                    loss: Some(loss),
                    kept,
                    metric: None,
                },
            );
            if let Some(beacon) = &beacon {
                beacon.at(step);
            }
            self.snap(stage, attempt, album, training)?;
            if step == to {
                break;
            }
            let planned = cadence.is_planned(step);
            self.rest(attempt, &mut cadence, step, || {
                let Some(journal) = &mut journal else {
                    return Ok(training.checkpoint(stage.key.as_str(), true));
                };
                if planned {
                    journal.flush()?;
                }
                attempt.sync(journal)?;
                let mut checkpoint = training.checkpoint(stage.key.as_str(), true);
                checkpoint.put_window(journal.window());
                Ok(checkpoint)
            })?;
        }
        Ok(())
    }

    /// Runs between two steps of a training: writes a checkpoint if one is due, and ends the training if a
    /// stop was requested.
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

    /// The state in which an earlier attempt was interrupted. None if there is no state or a damaged one; the
    /// stage then starts again.
    fn interrupted(&self, stage: &Stage, folder: &StageFolder) -> Result<Option<Checkpoint>> {
        let path = folder.checkpoint();
        if !path.exists() {
            return Ok(None);
        }
        match Checkpoint::load(&path, stage.key.as_str()) {
            Err(error) if error.damaged => {
                let (title, error) = (&stage.title, anyhow!(error));
                let text = format!(
                    "warning: {title}: {error:#}; the stage starts again from the beginning"
                );
                self.progress.print(&text);
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
        parts: &TrialParts,
        place: &Place,
    ) -> Result<Box<dyn VisionLanguage>> {
        let vlm = settings.method.vlm();
        match vlm.context("no vision-language model is set")? {
            VisionLanguageConfig::ClipTiny(config) => {
                let key = stage.vlm.as_ref();
                let key = key.context("the stage of the vision-language model is missing")?;
                let checkpoint = Checkpoint::load(&self.store.stage(key).result(), key.as_str())?;
                let mut model = restore_clip_tiny(config, &checkpoint)?;
                move_to(&mut model, place);
                Ok(Box::new(model))
            }
            VisionLanguageConfig::Prototypes(config) => {
                Ok(Box::new(parts.prototypes(settings, config)?))
            }
            VisionLanguageConfig::Clip(config) => {
                let model = ClipRegions::new(config, &parts.dataset.classes)?;
                Ok(Box::new(model.at(place)))
            }
        }
    }
}
