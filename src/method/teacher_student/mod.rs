//! Method `teacher-student`: PL-DC's training step, and with other slots that of its ablations and baselines.
//!
//! `$$ L = w_s L_{sup} + \lambda L_{unsup} \qquad (1) $$`
//!
//! w_s is 1 but for STAC, which halves both losses; lambda may differ by term ([`Lambda`]).
//!
//! t < T_b: the burn-in, a supervised phase. t = T_b: the teacher is a copy of the student. t > T_b: the
//! teacher first follows the student (as it is after step t - 1). Then the teacher labels the weak views, and
//! the student learns the labelled views and the strong views, into whose geometry the labels follow. A frozen teacher
//! is given at the start and never follows. The two forwards of the released code are one where the sizes agree.

mod config;
mod judge;
pub mod labeller;

use super::correction::TrainingProgress;
use super::device_batch::DeviceBatch;
use super::lambda::Lambda;
use super::learner::{Learner, Parts, StepOutput};
use super::pseudo_labels::{ImageLabels, TierCounts};
use super::report::{ByClass, Diagnosis, PartLosses, PseudoReport, StepReport, diagnose};
use super::snapshot::ImageSnapshot;
use super::supervised::{ImageGroup, Supervised, labelled_targets};
use super::teacher::{Average, follow};
use super::two_kinds::TwoKinds;
use crate::data::Batch;
use crate::detector::{Background, Detector, Negative, Output, Proposals, Targets};
use crate::graph::clip::VisionLanguage;
use crate::ops;
use crate::structures::Picture;
use crate::tensor::{Later, Tape};
use anyhow::{Context, Result};
use judge::TeacherJudge;
use labeller::{Labeller, Labelling};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::ops::Range;

pub use config::TeacherStudentConfig;
pub(super) use config::{Keys, LEAST_THRESHOLD, MOST_PAIRS, build, distill};

/// A student, a teacher and the rules between them.
pub struct TeacherStudent {
    supervised: Supervised,
    teacher: Option<Box<dyn Detector>>,
    labeller: Labeller,
    /// The steps in which a teacher labels, to the end of the training.
    labelled_steps: Range<usize>,
    epoch_steps: usize,
    follows: Follows,
    lambda: Lambda,
    /// w_s.
    supervised_weight: f32,
    /// The number of classes.
    classes: usize,
    /// Consecutive steps without a pseudo-label.
    barren_steps: usize,
}

/// `done` of `all` steps.
fn share(done: usize, all: usize) -> f32 {
    done as f32 / all.max(1) as f32
}

/// The state that a checkpoint stores besides the networks.
#[derive(Serialize, Deserialize)]
struct State {
    filter: serde_json::Value,
    barren_steps: usize,
}

/// The change of the teacher between two steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Follows {
    /// It is a copy of the student at first, then its moving average.
    Student(Average),
    /// Nothing: it was given at the start.
    Nobody,
}

impl TeacherStudent {
    /// The learner of a phase of `config`. `labelled_steps`: all steps of the training in which a teacher labels.
    pub fn new(
        config: &TeacherStudentConfig,
        follows: Follows,
        labelled_steps: Range<usize>,
        parts: Parts,
    ) -> Self {
        let setup = parts.setup;
        let mut labeller = Labeller::new(config.clone());
        labeller.filter.start(&setup.counts);
        Self {
            supervised: Supervised::new(parts.student, config.empty_image, setup.seed),
            teacher: None,
            labeller,
            labelled_steps,
            epoch_steps: setup.epoch_steps.max(1),
            follows,
            lambda: config.lambda.clone(),
            supervised_weight: config.supervised_weight,
            classes: setup.counts.objects.len(),
            barren_steps: 0,
        }
    }

    /// Brings the teacher up to date and lets it look at the weak views.
    fn propose(&mut self, sent: &DeviceBatch, step: usize) -> (Box<dyn Output>, Later<Proposals>) {
        let student = &mut *self.supervised.student;
        let teacher = match (&mut self.teacher, self.follows) {
            (Some(teacher), Follows::Student(average)) => {
                follow(&mut **teacher, student, average.keep_at(step));
                teacher
            }
            (Some(teacher), Follows::Nobody) => teacher,
            (none, _) => none.insert(student.copy()),
        };
        self.labeller.propose(&**teacher, &sent.weak(&**teacher))
    }

    /// The progress of the training after `done` steps.
    fn progress(&self, done: usize) -> TrainingProgress {
        let Range { start, end } = self.labelled_steps;
        TrainingProgress {
            distillation: share(done - start, end.saturating_sub(start)),
            training: share(done, end),
        }
    }

    /// The labels of the weak views.
    fn labels(&mut self, begun: Labelling, batch: &Batch, step: usize) -> Vec<ImageLabels> {
        let progress = self.progress(step);
        let pictures: Vec<&Picture> = batch.unlabelled.iter().map(|views| &views.weak).collect();
        self.labeller.finish(begun, &pictures, progress)
    }

    /// Counts what the step labelled. The hidden truth is read here and nowhere else.
    fn report(&mut self, labels: &[ImageLabels], batch: &Batch) -> PseudoReport {
        let counts: TierCounts = labels.iter().map(|image| image.counts).sum();
        let mut by_class = ByClass::new(self.classes);
        let diagnosis: Diagnosis = labels
            .iter()
            .zip(&batch.unlabelled)
            .map(|(image, views)| diagnose(image, &views.hidden_truth, &mut by_class))
            .sum();
        self.barren_steps = if counts.kept == 0 {
            self.barren_steps + 1
        } else {
            0
        };
        let readings = self.labeller.filter.readings();
        PseudoReport::new(counts, diagnosis, by_class, self.barren_steps, readings)
    }
}

impl Learner for TeacherStudent {
    fn step(&mut self, tape: &mut Tape, sent: &DeviceBatch, step: usize) -> StepOutput {
        let done = step - self.labelled_steps.start + 1;
        let last_of_epoch = done.is_multiple_of(self.epoch_steps);
        let (output, proposals) = self.propose(sent, step);
        let negative = self.labeller.weighting.negative();
        // What the teacher has seen is kept for its judgement of the student's regions alone.
        let judge = (negative == Negative::Teacher).then(|| TeacherJudge {
            output,
            views: &sent.batch.unlabelled,
        });
        let proposals = proposals.wait();
        let begun = self.labeller.begin(proposals, last_of_epoch);

        let outputs = TwoKinds::of(tape, &*self.supervised.student, sent);
        // The masks are there while a GPU is at the student's forward pass; the correction waits behind it.
        let labels = self.labels(begun, &sent.batch, step);

        let Self {
            supervised,
            labeller,
            ..
        } = &*self;
        let objects = labelled_targets(&sent.batch, outputs.labelled_size);
        let weighting = &labeller.weighting;
        let labelled_part = supervised.labelled_part(&objects, weighting.labelled_mask_loss());
        let views = labels.iter().zip(&sent.batch.unlabelled);
        let seen: Vec<Cow<ImageLabels>> = views
            .map(|(labels, views)| labels.seen_by_student(views.moved.as_ref()))
            .collect();
        let pseudo_objects: Vec<Targets> = seen.iter().map(|labels| labels.targets()).collect();
        let background = match (&judge, negative) {
            (Some(judge), _) => Background::Teacher(judge),
            (None, Negative::Weight(weight)) => Background::Weight(weight),
            (None, _) => Background::Own,
        };
        let mask_loss = weighting.mask_loss();
        let unlabelled = outputs.unlabelled_images.clone();
        let unlabelled_part =
            supervised.pseudo_part(unlabelled, &pseudo_objects, mask_loss, background);
        let draws =
            [ImageGroup::Labelled, ImageGroup::Unlabelled].map(|of| supervised.draws(of, step));
        let [labelled_draws, unlabelled_draws] = draws;
        // Both begin before either is waited for.
        let sup = outputs.labelled.begin(&labelled_part, labelled_draws);
        let unsup = outputs
            .unlabelled()
            .begin(&unlabelled_part, unlabelled_draws);
        let (sup, unsup) = (sup.losses(tape), unsup.losses(tape));
        let mut summands = vec![(&sup.total, self.supervised_weight)];
        summands.extend(self.lambda.summands(&unsup));
        let loss = ops::weighted_sum(tape, &summands);
        let losses = PartLosses::of([&sup, &unsup]);
        let pseudo = self.report(&labels, &sent.batch);
        StepOutput {
            loss,
            report: losses.map(|[supervised, unsupervised]| StepReport {
                supervised,
                unsupervised: Some(unsupervised),
                pseudo: Some(pseudo),
                consistency: None,
            }),
        }
    }

    fn send(&self, batch: Batch) -> DeviceBatch {
        self.supervised.send(batch)
    }

    fn student(&mut self) -> &mut dyn Detector {
        &mut *self.supervised.student
    }

    fn teacher(&mut self) -> Option<&mut (dyn Detector + 'static)> {
        self.teacher.as_deref_mut()
    }

    fn add_teacher(&mut self) -> Result<&mut dyn Detector> {
        let teacher = self.supervised.student.copy();
        Ok(&mut **self.teacher.insert(teacher))
    }

    fn needs_unlabelled(&self) -> bool {
        true
    }

    fn snapshot(&self, picture: &Picture, done: usize) -> Option<ImageSnapshot> {
        let student = &*self.supervised.student;
        let teacher = self.teacher.as_deref().unwrap_or(student);
        let progress = self.progress(done);
        Some(self.labeller.snapshot(teacher, picture, progress))
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

    fn restore(&mut self, state: &serde_json::Value) -> Result<()> {
        if state.is_null() {
            self.teacher = None;
            return Ok(());
        }
        let state = State::deserialize(state).context("the state of the method")?;
        self.labeller.filter.restore(&state.filter)?;
        self.barren_steps = state.barren_steps;
        self.teacher = Some(self.supervised.student.copy());
        Ok(())
    }
}

#[cfg(test)]
pub(in crate::method) mod tests;
