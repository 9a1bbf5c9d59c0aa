//! Doing a stage: from the results of the stages before it to its own, continuing where an earlier process was interrupted.

use super::progress::{Progress, Reading};
use super::settings::{EvalModel, Settings};
use super::stage::{Kind, Stage};
use super::store::{Folder, Store};
use super::trial::{self, Datasets, Ground};
use crate::data::{Dataset, Sample};
use crate::eval::{Evaluator, Found, Metrics};
use crate::graph::Mask2Former;
use crate::graph::clip::{ClipRegions, VisionLanguage, VisionLanguageConfig};
use crate::method::predict;
use crate::structures::Picture;
use crate::train::{
    Advance, Checkpoint, Journal, Trainer, restore_clip_tiny, store_clip_tiny, train_clip_tiny,
    warnings,
};
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
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
    /// Where results are kept.
    pub store: &'a Store,
    /// The datasets of the run.
    pub datasets: &'a Datasets,
    /// What the human sees.
    pub progress: &'a Progress,
}

impl Workshop<'_> {
    /// Does `stage` and keeps the time that it took.
    ///
    /// # Errors
    /// Whatever ends the training or the evaluation; a checkpoint, once written, stays.
    pub fn perform(&self, stage: &Stage) -> Result<()> {
        let start = Instant::now();
        let folder = self.store.stage(&stage.key);
        folder.make()?;
        let outcome = match stage.kind {
            Kind::Vlm => self.train_vlm(stage, &folder),
            Kind::BurnIn { to } => self.train(stage, &folder, to),
            Kind::Distill { to, .. } => self.train(stage, &folder, to),
            Kind::Evaluate => self.evaluate(stage, &folder),
        };
        folder.add_seconds(start.elapsed().as_secs_f64())?;
        outcome
    }

    fn train_vlm(&self, stage: &Stage, folder: &Folder) -> Result<()> {
        let Some(VisionLanguageConfig::ClipTiny(config)) = &stage.settings.vlm else {
            bail!("this trial trains no vision-language model");
        };
        let progress = self
            .progress
            .stage(&stage.title, stage.cost, 0, config.steps);
        let size = stage
            .settings
            .data
            .get("size")
            .and_then(toml::Value::as_integer);
        let size = usize::try_from(size.context("data.size")?)?;
        let mut model = train_clip_tiny(config, size, &mut |step, loss| {
            progress.at(
                step + 1,
                Reading {
                    loss: Some(loss),
                    ..Reading::default()
                },
            );
        })?;
        store_clip_tiny(&mut model, &stage.key, config.steps).save(&folder.result())
    }

    fn train(&self, stage: &Stage, folder: &Folder, to: usize) -> Result<()> {
        let settings = &stage.settings;
        let ground = Ground::new(settings, self.datasets)?;
        let distill = matches!(stage.kind, Kind::Distill { .. });
        let method = match distill {
            true => settings.method.clone(),
            false => trial::burn_in(&settings.method),
        };
        let mut method = ground.method(settings, &method)?;
        if method.needs_vlm().is_some() {
            method.attach_vlm(self.vlm(stage, &ground)?);
        }
        let mut trainer = Trainer::new(method, &settings.train, ground.loader);
        if folder.checkpoint().exists() {
            trainer.resume(&Checkpoint::load(&folder.checkpoint(), &stage.key)?)?;
        } else {
            if let Some(key) = stage.needs.iter().find(|key| key.starts_with("burn-in-")) {
                trainer.begin(&Checkpoint::load(&self.store.stage(key).result(), key)?)?;
            }
            if distill {
                trainer.start_average();
            }
        }

        let mut journal = Journal::open(&folder.journal(), trainer.step())?;
        let progress = self
            .progress
            .stage(&stage.title, stage.cost, trainer.step(), to);
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
            if step.is_multiple_of(settings.train.checkpoint) && step < to {
                journal.flush(step)?;
                trainer
                    .checkpoint(&stage.key, true)
                    .save(&folder.checkpoint())?;
            }
        }
        journal.flush(to)?;
        // Only a run that goes on needs the optimizer's moments, two thirds of the file.
        trainer
            .checkpoint(&stage.key, !distill)
            .save(&folder.result())?;
        if folder.checkpoint().exists() {
            fs::remove_file(folder.checkpoint()).context("cannot remove the last checkpoint")?;
        }
        Ok(())
    }

    /// The vision-language model of the trial.
    fn vlm(&self, stage: &Stage, ground: &Ground) -> Result<Box<dyn VisionLanguage>> {
        match stage
            .settings
            .vlm
            .as_ref()
            .context("no vision-language model is set")?
        {
            VisionLanguageConfig::ClipTiny(config) => {
                let key = stage.needs.iter().find(|key| key.starts_with("vlm-"));
                let key = key.context("the stage of the vision-language model is missing")?;
                let checkpoint = Checkpoint::load(&self.store.stage(key).result(), key)?;
                Ok(Box::new(restore_clip_tiny(config, &checkpoint)?))
            }
            VisionLanguageConfig::Prototypes(config) => {
                Ok(Box::new(ground.prototypes(&stage.settings, config)?))
            }
            VisionLanguageConfig::Clip(config) => {
                Ok(Box::new(ClipRegions::new(config, &ground.dataset.classes)?))
            }
        }
    }

    fn evaluate(&self, stage: &Stage, folder: &Folder) -> Result<()> {
        let trained = stage
            .needs
            .first()
            .context("an evaluation follows a training")?;
        let source = self.store.stage(trained);
        let checkpoint = Checkpoint::load(&source.result(), trained)?;
        let settings = &stage.settings;
        let dataset = self.datasets.get(&settings.data).map_err(trial::named)?;
        let evaluator = Evaluator::new(&dataset)?;
        let mut model = trial::model(settings, dataset.classes.len())?;

        let names = [EvalModel::Teacher, EvalModel::Student, EvalModel::Average];
        let names: Vec<&str> = names
            .map(EvalModel::name)
            .into_iter()
            .filter(|name| checkpoint.holds(name))
            .collect();
        let images = dataset.val.len();
        let progress = self
            .progress
            .stage(&stage.title, stage.cost, 0, names.len() * images);
        let mut reading = Reading::default();
        let mut models = BTreeMap::new();
        for (i, name) in names.iter().enumerate() {
            checkpoint.take_model(name, &mut model)?;
            let seen = |done: usize| progress.at(i * images + done, reading);
            let metrics = metrics(&model, settings, &dataset, &evaluator, seen)?;
            reading.mean_ap = metrics.mean_ap;
            models.insert(name.to_string(), metrics);
        }
        let evaluation = Evaluation {
            steps: checkpoint.step(),
            models,
            warnings: warnings(&source.journal())?,
        };
        let text = serde_json::to_string_pretty(&evaluation)? + "\n";
        crate::atomic::write_atomically(&folder.metrics(), text.as_bytes())
    }
}

/// The metrics of `model` on the evaluated images; `seen` hears how many are done.
fn metrics(
    model: &Mask2Former,
    settings: &Settings,
    dataset: &Dataset,
    evaluator: &Evaluator,
    seen: impl Fn(usize),
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
        seen(part.last().map_or(0, |last| last + 1));
    }
    evaluator.evaluate(found)
}
