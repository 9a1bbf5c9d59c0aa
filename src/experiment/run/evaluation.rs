//! The stage that evaluates the result of a training, and its replacement in a mock trial.

use super::attempt::Attempt;
use super::beacon::Beacon;
use super::perform::Workshop;
use super::progress::StageNumbers;
use super::scores::scores;
use super::validation;
use crate::atomic::write_durably;
use crate::eval::{Evaluators, Scores, coco_metrics};
use crate::experiment::settings::evaluation::EvalModel;
use crate::experiment::settings::sections::Settings;
use crate::experiment::settings::trial_settings::{NumberSettings, TrialSettings};
use crate::experiment::store::folder::{StageFolder, Unit};
use crate::experiment::store::measured::Evaluation;
use crate::experiment::trial::parts as trial;
use crate::experiment::trial::stage::Stage;
use crate::nn::params::move_to;
use crate::train::{Checkpoint, STUDENT, warnings};
use anyhow::{Context, Result};
use std::collections::BTreeMap;

impl Workshop<'_> {
    /// Evaluates every model that the training left.
    ///
    /// # Errors
    /// An image cannot be read, a metric is undefined, the result cannot be written, or a stop was requested.
    pub(super) fn evaluate(&self, stage: &Stage, attempt: &Attempt) -> Result<()> {
        let (source, checkpoint) = self.trained(stage)?;
        let (models, classes) = match &*stage.settings {
            TrialSettings::Networks(settings) => {
                self.evaluate_networks(stage, settings, &checkpoint, &attempt.folder)?
            }
            TrialSettings::Number(settings) => {
                (evaluate_number(settings, &checkpoint)?, Vec::new())
            }
        };
        let mut warnings = warnings(&source.journal())?;
        let mut steps = checkpoint.step();
        if let TrialSettings::Networks(settings) = &*stage.settings
            && let Some(warning) = validation::warning(settings, steps)
        {
            warnings.push(warning);
            steps = settings.train.steps;
        }
        let evaluation = Evaluation {
            steps,
            models,
            warnings,
            classes,
        };
        write_evaluation(stage, attempt, &evaluation)
    }

    fn evaluate_networks(
        &self,
        stage: &Stage,
        settings: &Settings,
        checkpoint: &Checkpoint,
        folder: &StageFolder,
    ) -> Result<(BTreeMap<String, Scores>, Vec<String>)> {
        let dataset = self.datasets.get(&settings.data)?;
        let evaluators = Evaluators::new(&settings.eval.metrics, &dataset)?;
        let device = self.devices.take(settings)?;
        let mut model = trial::model(settings, dataset.classes.len())?;
        move_to(&mut *model, &device.place);

        let names = [EvalModel::Teacher, EvalModel::Student, EvalModel::Average];
        let names: Vec<&'static str> = names
            .map(EvalModel::name)
            .into_iter()
            .filter(|name| checkpoint.holds(name))
            .collect();
        let images = dataset.val.len();
        let progress = self
            .progress
            .stage(&stage.title, stage.cost, 0, 0, names.len() * images);
        let beacon = Beacon::new(folder, 0, names.len() * images, Unit::Images);
        let mut numbers = StageNumbers::default();
        let mut models = BTreeMap::new();
        for (i, name) in names.iter().enumerate() {
            checkpoint.take_model(name, &mut *model)?;
            let seen = |done: usize| {
                progress.at(i * images + done, numbers);
                beacon.at(i * images + done);
                self.interrupt.check()
            };
            let scores = scores(&*model, settings, &dataset, &evaluators, seen)?;
            let main = evaluators.main_metric(&scores);
            numbers.metric = main.map(|(metric, value)| (*name, metric, value));
            models.insert(name.to_string(), scores);
        }
        Ok((models, dataset.classes.clone()))
    }

    /// The training before an evaluation: its folder and its result.
    fn trained(&self, stage: &Stage) -> Result<(StageFolder, Checkpoint)> {
        let key = stage.source.as_ref();
        let key = key.context("an evaluation follows a training")?;
        let source = self.store.stage(key);
        let checkpoint = Checkpoint::load(&source.result(), key.as_str())?;
        Ok((source, checkpoint))
    }
}

/// The metrics of a number, which its last phase knows.
fn evaluate_number(
    settings: &NumberSettings,
    checkpoint: &Checkpoint,
) -> Result<BTreeMap<String, Scores>> {
    let last = settings.phases().pop().context("a trial has a phase")?;
    let mut number = last.number(settings.seed, 1)?;
    number.restore(checkpoint.method())?;
    let [mean_ap, ap50] = number.scores();
    let scores = Scores {
        metrics: coco_metrics([Some(mean_ap), Some(ap50), None, None, None, None]),
        ..Scores::default()
    };
    Ok(BTreeMap::from([(STUDENT.to_string(), scores)]))
}

/// Writes the result of an evaluation.
fn write_evaluation(stage: &Stage, attempt: &Attempt, evaluation: &Evaluation) -> Result<()> {
    evaluation.check()?;
    let text = serde_json::to_string_pretty(evaluation)? + "\n";
    attempt.put(&stage.key, |path| {
        write_durably(path, text.as_bytes(), attempt.durability())
    })
}
