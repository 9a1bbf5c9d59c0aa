//! Method `teacher-student`: PL-DC's training step, and with other slots that of its ablations and baselines.
//!
//! $$ L = L_{sup} + \lambda L_{unsup} \qquad (1) $$
//!
//! t < T_b: supervised. t = T_b: the teacher is a copy of the student. t > T_b: the teacher first follows the student (as
//! it is after step t - 1). Then the teacher labels the weak views, and the student learns the labelled views and the strong
//! views. The two forwards of the released code are one over the concatenated batch where the sizes agree: no layer mixes
//! images (group, layer and frozen batch normalisation), and the losses of the two parts are normalised apart.

use super::config::TeacherStudentConfig;
use super::correction::Progress;
use super::criterion::Part;
use super::pseudo_labels::{ImageLabels, Labeller};
use super::report::{Diagnosis, PseudoReport, StepReport, TierCounts, diagnose};
use super::supervised::{Supervised, pictures};
use super::targets::Targets;
use super::teacher::follow;
use super::{Method, Setup, StepOutput};
use crate::data::Batch;
use crate::graph::Mask2Former;
use crate::graph::clip::VisionLanguage;
use crate::ops;
use crate::structures::Picture;
use crate::tensor::Tape;
use anyhow::Context;
use serde::{Deserialize, Serialize};

/// A student, a teacher and the rules between them.
pub struct TeacherStudent {
    supervised: Supervised,
    teacher: Option<Mask2Former>,
    labeller: Labeller,
    burn_in: usize,
    steps: usize,
    epoch_steps: usize,
    ema: f32,
    lambda: f32,
    /// Consecutive steps without a pseudo-label.
    barren_steps: usize,
}

/// `done` of `all` steps.
fn share(done: usize, all: usize) -> f32 {
    done as f32 / all.max(1) as f32
}

/// What a checkpoint keeps besides the networks.
#[derive(Serialize, Deserialize)]
struct State {
    filter: serde_json::Value,
    barren_steps: usize,
}

impl TeacherStudent {
    /// `supervised` holds the student; the labeller's filter has been started.
    pub(super) fn new(
        config: &TeacherStudentConfig,
        supervised: Supervised,
        labeller: Labeller,
        setup: &Setup,
    ) -> Self {
        Self {
            supervised,
            teacher: None,
            labeller,
            burn_in: config.burn_in,
            steps: setup.steps,
            epoch_steps: setup.epoch_steps.max(1),
            ema: config.ema,
            lambda: config.lambda,
            barren_steps: 0,
        }
    }

    /// Brings the teacher up to date and labels the weak views.
    fn label(&mut self, batch: &Batch, step: usize) -> Vec<ImageLabels> {
        let student = &mut self.supervised.student;
        let teacher = match &mut self.teacher {
            Some(teacher) => {
                follow(teacher, student, self.ema);
                teacher
            }
            none => none.insert(student.clone()),
        };
        let since = step - self.burn_in;
        let progress = Progress {
            distillation: share(since, self.steps.saturating_sub(self.burn_in)),
            training: share(step, self.steps),
        };
        let last_of_epoch = (since + 1).is_multiple_of(self.epoch_steps);
        let weak: Vec<&Picture> = batch.unlabelled.iter().map(|views| &views.weak).collect();
        self.labeller.label(teacher, &weak, progress, last_of_epoch)
    }

    /// Counts what the step labelled. The hidden truth is read here and nowhere else.
    fn report(&mut self, labels: &[ImageLabels], batch: &Batch) -> PseudoReport {
        let counts: TierCounts = labels.iter().map(|image| image.counts).sum();
        let diagnosis: Diagnosis = labels
            .iter()
            .zip(&batch.unlabelled)
            .map(|(image, views)| diagnose(image, &views.hidden_truth))
            .sum();
        self.barren_steps = if counts.kept == 0 {
            self.barren_steps + 1
        } else {
            0
        };
        let thresholds = self.labeller.filter.thresholds();
        PseudoReport::new(counts, diagnosis, self.barren_steps, thresholds)
    }
}

impl Method for TeacherStudent {
    fn step(&mut self, tape: &mut Tape, batch: &Batch, step: usize) -> StepOutput {
        if step < self.burn_in {
            return self.supervised.step(tape, batch, step);
        }
        let labels = self.label(batch, step);
        let targets: Vec<Targets> = labels
            .iter()
            .map(|image| self.labeller.targets(image))
            .collect();

        let labelled = pictures(batch);
        let strong: Vec<&Picture> = batch.unlabelled.iter().map(|views| &views.strong).collect();
        let all = [labelled.as_slice(), &strong].concat();
        let sizes = |picture: &&Picture| (picture.height, picture.width);
        let one_size = all.iter().all(|picture| sizes(picture) == sizes(&all[0]));

        let Self {
            supervised,
            labeller,
            ..
        } = &*self;
        let student = &supervised.student;
        let (first, second) = if one_size {
            (all.as_slice(), None)
        } else {
            (labelled.as_slice(), Some(&strong))
        };
        let images = student.normalise(first);
        let predictions = student.forward(tape, &images);
        let size = (images.height, images.width);
        let sup = supervised.losses(tape, &predictions, batch, size, step);

        let mask_loss = labeller.weighting.mask_loss();
        let unsup = match second {
            None => {
                let images = labelled.len()..all.len();
                let part = Part {
                    images,
                    targets: &targets,
                    mask_loss,
                };
                supervised.unlabelled_losses(tape, &predictions, &part, step)
            }
            Some(strong) => {
                let predictions = student.forward(tape, &student.normalise(strong));
                let part = Part {
                    images: 0..strong.len(),
                    targets: &targets,
                    mask_loss,
                };
                supervised.unlabelled_losses(tape, &predictions, &part, step)
            }
        };
        let loss = ops::weighted_sum(tape, &[(&sup.total, 1.0), (&unsup.total, self.lambda)]);
        let report = StepReport {
            supervised: (&sup).into(),
            unsupervised: Some((&unsup).into()),
            pseudo: Some(self.report(&labels, batch)),
        };
        StepOutput { loss, report }
    }

    fn student(&mut self) -> &mut Mask2Former {
        &mut self.supervised.student
    }

    fn teacher(&mut self) -> Option<&mut Mask2Former> {
        self.teacher.as_mut()
    }

    fn needs_unlabelled(&self, step: usize) -> bool {
        step >= self.burn_in
    }

    fn needs_vlm(&self) -> Option<&toml::Table> {
        self.labeller.correction.needs_vlm()
    }

    fn attach_vlm(&mut self, vlm: Box<dyn VisionLanguage>) {
        self.labeller.correction.attach(vlm);
    }

    fn state(&self) -> serde_json::Value {
        if self.teacher.is_none() {
            return serde_json::Value::Null;
        }
        let (filter, barren_steps) = (self.labeller.filter.state(), self.barren_steps);
        serde_json::to_value(State {
            filter,
            barren_steps,
        })
        .expect("plain data")
    }

    fn restore(&mut self, state: &serde_json::Value) -> anyhow::Result<()> {
        if state.is_null() {
            self.teacher = None;
            return Ok(());
        }
        let state = State::deserialize(state).context("the state of the method")?;
        self.labeller.filter.restore(&state.filter)?;
        self.barren_steps = state.barren_steps;
        self.teacher = Some(self.supervised.student.clone());
        Ok(())
    }
}

#[cfg(test)]
mod tests;
