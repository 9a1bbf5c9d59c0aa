//! The stages that train: from the results of earlier stages, or from a checkpoint, step by step to their own
//! result.

use super::attempt::Attempt;
use super::beacon::Beacon;
use super::cadence::Cadence;
use super::interrupt::Interrupted;
use super::perform::Workshop;
use super::progress::StageNumbers;
use super::snapshots::Album;
use super::validation::Validation;
use super::vlm::vlm;
use crate::experiment::settings::sections::Settings;
use crate::experiment::settings::trial_settings::TrialSettings;
use crate::experiment::store::folder::{StageFolder, Unit};
use crate::experiment::store::pace::Pace;
use crate::experiment::trial::parts::TrialParts;
use crate::experiment::trial::stage::{Stage, StageKind};
use crate::graph::clip::VisionLanguageConfig;
use crate::method::{Phase, Start};
use crate::tensor::Place;
use crate::train::{
    Advance, Checkpoint, ClipTraining, Journal, NumberTrainer, Reading, Trainer, Training, Window,
};
use anyhow::{Context, Result, anyhow, bail};
use std::time::Instant;

/// What a training leaves besides its networks, as far as it leaves it.
#[derive(Default)]
struct Record<'a, 's> {
    journal: Option<&'a mut Journal>,
    album: Option<&'a Album>,
    validation: Option<&'a mut Validation<'s>>,
}

impl Record<'_, '_> {
    /// Adds the readings of a step to the journal. A line that waits for an evaluation stays open.
    fn add(&mut self, step: usize, readings: Vec<(String, Reading)>) -> Result<()> {
        let waits = self.validation.as_ref().is_some_and(|own| own.is_due(step));
        match &mut self.journal {
            Some(journal) if waits => {
                journal.hold(step, readings);
                Ok(())
            }
            Some(journal) => journal.add(step, readings),
            None => Ok(()),
        }
    }
}

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
                let networks = Some((&**settings, album.as_ref()));
                self.train_phase(stage, &phase, attempt, networks, &mut trainer)
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
            (_, StageKind::Evaluate | StageKind::Label(_))
            | (TrialSettings::Number(_), StageKind::Vlm) => {
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
        self.take_steps(stage, attempt, &mut training, Record::default(), cadence)?;
        attempt.end(&stage.key, &training.checkpoint(stage.key.as_str(), false))
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
        let parts = match phase.start {
            Start::Labelled { drops_empty, .. } => {
                let labels = self.pool_labels(stage, settings)?;
                TrialParts::with_labels(settings, self.datasets, place, labels, drops_empty)?
            }
            Start::Fresh | Start::GoOn(_) | Start::Under(_) => {
                TrialParts::new(settings, self.datasets, place)?
            }
        };
        let mut learner = parts.learner(settings, phase)?;
        if phase.labels && settings.method.vlm().is_some() {
            learner.attach_vlm(vlm(
                self.store,
                stage.vlm.as_ref(),
                settings,
                &parts,
                place,
            )?);
        }
        let (train, first) = settings.curve(phase);
        Ok(Trainer::new(learner, &train, first, parts.loader))
    }

    /// Trains a phase to its end, from the networks that it starts from or from where it was interrupted. `networks`:
    /// the settings of a training of networks, and its album.
    fn train_phase(
        &self,
        stage: &Stage,
        phase: &Phase,
        attempt: &Attempt,
        networks: Option<(&Settings, Option<&Album>)>,
        training: &mut dyn Training,
    ) -> Result<()> {
        let folder = &attempt.folder;
        let mut window = Window::default();
        if let Some(checkpoint) = self.interrupted(stage, folder)? {
            training.resume(&checkpoint)?;
            window = checkpoint.window().clone();
        } else {
            match phase.start {
                Start::Fresh | Start::Labelled { .. } => {}
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
        let album = networks.and_then(|(_, album)| album);
        let mut validation = match networks {
            // The journal is cut back to where this attempt begins.
            Some((settings, _)) => {
                Validation::new(settings, phase, self.datasets, &folder.journal())?
            }
            None => None,
        };
        let record = Record {
            journal: Some(&mut journal),
            album,
            validation: validation.as_mut(),
        };
        self.take_steps(stage, attempt, training, record, cadence)?;
        journal.flush()?;
        attempt.sync(&journal)?;
        if validation.is_some_and(|validation| validation.selects()) {
            let best = folder.best().newest();
            let best = best.context("the best networks are missing")?;
            attempt.end(&stage.key, &Checkpoint::load(&best, stage.key.as_str())?)?;
            let removed = folder.best().remove();
            return removed.context("cannot remove the best networks");
        }
        // Only a run that continues needs the optimizer's moments, two thirds of the file.
        attempt.end(
            &stage.key,
            &training.checkpoint(stage.key.as_str(), phase.goes_on),
        )
    }

    /// The result of the training that a stage starts from.
    pub(super) fn source(&self, stage: &Stage) -> Result<Checkpoint> {
        let key = stage.source.as_ref();
        let key = key.context("the training that this stage starts from is missing")?;
        Ok(Checkpoint::load(
            &self.store.stage(key).result(),
            key.as_str(),
        )?)
    }

    /// Takes the steps of a training that are missing, with checkpoints on the way, and with its record.
    fn take_steps(
        &self,
        stage: &Stage,
        attempt: &Attempt,
        training: &mut dyn Training,
        mut record: Record,
        mut cadence: Cadence,
    ) -> Result<()> {
        let [from, to] = stage.steps;
        let progress = self
            .progress
            .stage(&stage.title, stage.cost, from, training.step(), to);
        let beacon = record
            .journal
            .is_none()
            .then(|| Beacon::new(&attempt.folder, training.step(), to, Unit::Steps));
        self.snap(stage, attempt, record.album, training)?;
        self.validate(stage, attempt, training, &mut record)?;
        let (mut pace, first) = (Pace::default(), training.step());
        while training.step() < to {
            let began = Instant::now();
            let Advance {
                loss,
                kept,
                readings,
            } = training.advance()?;
            let step = training.step();
            record.add(step, readings)?;
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
            self.snap(stage, attempt, record.album, training)?;
            self.validate(stage, attempt, training, &mut record)?;
            if step == to {
                break;
            }
            let planned = cadence.is_planned(step);
            // The first step makes kernels and fills caches.
            if step > first + 1 {
                pace.took_step(began.elapsed());
            }
            self.rest(attempt, &mut cadence, &mut pace, step, || {
                let Some(journal) = &mut record.journal else {
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

    /// Evaluates the networks of a training if its record has to have that now, and keeps them if they are the best. A
    /// training that is stopped in the middle of it evaluates after it goes on.
    fn validate(
        &self,
        stage: &Stage,
        attempt: &Attempt,
        training: &mut dyn Training,
        record: &mut Record,
    ) -> Result<()> {
        let (Some(journal), Some(validation)) = (&mut record.journal, &mut record.validation)
        else {
            return Ok(());
        };
        if !validation.waits(training.step(), journal) {
            return Ok(());
        }
        let key = stage.key.as_str();
        let seen = |_| self.interrupt.check();
        match validation.evaluate(training, journal, seen) {
            Ok(false) => Ok(()),
            Ok(true) => attempt.save(&training.checkpoint(key, false), attempt.folder.best()),
            Err(error) => {
                if error.is::<Interrupted>() {
                    attempt.sync(journal)?;
                    let mut checkpoint = training.checkpoint(key, true);
                    checkpoint.put_window(journal.window());
                    attempt.save(&checkpoint, attempt.folder.checkpoints())?;
                }
                Err(error)
            }
        }
    }

    /// Runs between two steps of a training: writes a checkpoint if one is due, with the `pace` so far, and ends the
    /// training if a stop was requested.
    fn rest(
        &self,
        attempt: &Attempt,
        cadence: &mut Cadence,
        pace: &mut Pace,
        step: usize,
        state: impl FnOnce() -> Result<Checkpoint>,
    ) -> Result<()> {
        let stop = self.interrupt.check();
        if stop.is_err() || cadence.is_due(step, Instant::now()) {
            let began = Instant::now();
            attempt.save(&state()?, attempt.folder.checkpoints())?;
            cadence.written(Instant::now());
            pace.took_checkpoint(began.elapsed());
            pace.tell(&attempt.folder)?;
        }
        Ok(stop?)
    }

    /// The state in which an earlier attempt was interrupted. None if there is no state or a damaged one; the
    /// stage then starts again.
    fn interrupted(&self, stage: &Stage, folder: &StageFolder) -> Result<Option<Checkpoint>> {
        let Some(path) = folder.checkpoint() else {
            return Ok(None);
        };
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
}
