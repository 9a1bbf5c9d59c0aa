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
use super::filter::Clock;
use super::lambda::Lambda;
use super::learner::{Learner, Parts, StepOutput};
use super::pieces::GradientSum;
use super::pseudo_labels::ImageLabels;
use super::ranks::{Reduce, SharedFilter};
use super::report::{PartLosses, PseudoReport, StepReport, Tally};
use super::snapshot::ImageSnapshot;
use super::supervised::{ImageGroup, Supervised, labelled_targets};
use super::teacher::{Average, follow};
use super::two_kinds::TwoKinds;
use crate::data::Batch;
use crate::data::UnlabelledViews;
use crate::data::loader::Pieces;
use crate::detector::{Background, Detector, Losses, Negative, Output, Proposals, Targets};
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
use std::sync::Arc;

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
        self.update_teacher(step);
        let teacher = self.teacher.as_deref().expect("a teacher up to date");
        self.labeller.propose(teacher, &sent.weak(teacher))
    }

    /// Brings the teacher up to date.
    fn update_teacher(&mut self, step: usize) {
        let student = &mut *self.supervised.student;
        match (&mut self.teacher, self.follows) {
            (Some(teacher), Follows::Student(average)) => {
                follow(&mut **teacher, student, average.keep_at(step));
            }
            (Some(_), Follows::Nobody) => {}
            (none, _) => *none = Some(student.copy()),
        }
    }

    /// What the student has to learn of its unlabelled views of a step, whose weak views go through the teacher in
    /// `pieces`, what its judgement of regions needs, and the count of the labels. The targets are packed,
    /// because those of the whole batch are found before the first piece is learned.
    fn targets_in_pieces<'b>(
        &mut self,
        sent: &'b DeviceBatch,
        step: usize,
        pieces: Pieces,
    ) -> (Vec<Targets<'static>>, Option<TeacherJudge<'b>>, Tally) {
        self.update_teacher(step);
        let teacher = self.teacher.as_deref().expect("a teacher up to date");
        let views = &sent.batch.unlabelled[..];
        let pictures: Vec<&Picture> = views.iter().map(|views| &views.weak).collect();
        let (last_of_epoch, progress) = (self.ends_epoch(step), self.progress(step));
        let judges = self.labeller.weighting.negative() == Negative::Teacher;
        let mut tally = Tally::new(self.classes);
        let (mut targets, mut outputs) = (Vec::new(), Vec::new());
        for piece in pieces.of(views.len()) {
            let images = sent.weak_among(teacher, piece.clone());
            let (output, proposals) = self.labeller.propose(teacher, &images);
            if judges {
                outputs.push((piece.clone(), output));
            }
            let is_last = piece.end == views.len();
            let end = Clock {
                last_of_step: is_last,
                last_of_epoch: is_last && last_of_epoch,
            };
            let begun = self.labeller.begin_some(proposals.wait(), end);
            let seen = &pictures[piece.clone()];
            let labels = self.labeller.finish(begun, seen, progress);
            for (labels, views) in labels.iter().zip(&views[piece]) {
                tally.add(labels, &views.hidden_truth);
                let seen = labels.seen_by_student(views.moved.as_ref());
                targets.push(seen.targets().packed());
            }
        }
        let judge = judges.then_some(TeacherJudge { outputs, views });
        (targets, judge, tally)
    }

    /// Returns true if `step` ends a pass over the unlabelled images.
    fn ends_epoch(&self, step: usize) -> bool {
        let done = step - self.labelled_steps.start + 1;
        done.is_multiple_of(self.epoch_steps)
    }

    /// The output of a step with these losses of labelled and of unlabelled images, and the count of its labels.
    fn output(&mut self, tape: &mut Tape, [sup, unsup]: [&Losses; 2], tally: Tally) -> StepOutput {
        let mut summands = vec![(&sup.total, self.supervised_weight)];
        summands.extend(self.lambda.summands(unsup));
        let loss = ops::weighted_sum(tape, &summands);
        let losses = PartLosses::of([sup, unsup]);
        let pseudo = self.report(tally);
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

    /// The report of a step with this count of its labels.
    fn report(&mut self, tally: Tally) -> PseudoReport {
        let kept = self.supervised.ranks.total(tally.kept() as u64);
        self.barren_steps = if kept == 0 { self.barren_steps + 1 } else { 0 };
        let readings = self.labeller.filter.readings();
        PseudoReport::new(tally, self.barren_steps, readings)
    }
}

/// The labels in the student's views of the images.
fn seen_by_student<'l>(
    labels: &'l [ImageLabels],
    views: &[UnlabelledViews],
) -> Vec<Cow<'l, ImageLabels>> {
    let views = labels.iter().zip(views);
    views
        .map(|(labels, views)| labels.seen_by_student(views.moved.as_ref()))
        .collect()
}

/// The weight of outputs without a pseudo-label, by the rule `negative`.
fn background<'j>(judge: Option<&'j TeacherJudge<'j>>, negative: Negative) -> Background<'j> {
    match (judge, negative) {
        (Some(judge), _) => Background::Teacher(judge),
        (None, Negative::Weight(weight)) => Background::Weight(weight),
        (None, _) => Background::Own,
    }
}

impl Learner for TeacherStudent {
    fn step(&mut self, tape: &mut Tape, sent: &DeviceBatch, step: usize) -> StepOutput {
        let last_of_epoch = self.ends_epoch(step);
        let (output, proposals) = self.propose(sent, step);
        let negative = self.labeller.weighting.negative();
        // What the teacher has seen is kept for its judgement of the student's regions alone.
        let views = &sent.batch.unlabelled[..];
        let judge = (negative == Negative::Teacher).then(|| TeacherJudge {
            outputs: vec![(0..views.len(), output)],
            views,
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
        let seen = seen_by_student(&labels, views);
        let pseudo_objects: Vec<Targets> = seen.iter().map(|labels| labels.targets()).collect();
        let background = background(judge.as_ref(), negative);
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
        let mut tally = Tally::new(self.classes);
        for (labels, views) in labels.iter().zip(views) {
            tally.add(labels, &views.hidden_truth);
        }
        self.output(tape, [&sup, &unsup], tally)
    }

    fn step_in_pieces(
        &mut self,
        sum: &mut GradientSum,
        sent: &DeviceBatch,
        step: usize,
        pieces: Pieces,
    ) -> StepOutput {
        let (targets, judge, tally) = self.targets_in_pieces(sent, step, pieces);
        let weighting = &self.labeller.weighting;
        let negative = weighting.negative();
        let [labelled_loss, mask_loss] = [weighting.labelled_mask_loss(), weighting.mask_loss()];
        let supervised = &mut self.supervised;

        let lesson = supervised.labelled_lesson(sent, labelled_loss, pieces);
        let weight = Lambda::One(self.supervised_weight);
        let group = (ImageGroup::Labelled, lesson);
        let sup = supervised.learn(group, (sent, step), pieces, &weight, sum);

        let background = background(judge.as_ref(), negative);
        let lesson = supervised.pseudo_lesson(sent, targets, mask_loss, background);
        let group = (ImageGroup::Unlabelled, lesson);
        let unsup = supervised.learn(group, (sent, step), pieces, &self.lambda, sum);
        self.output(&mut Tape::off(), [&sup, &unsup], tally)
    }

    fn share_with(&mut self, ranks: &Arc<dyn Reduce>) {
        self.supervised.share_with(ranks);
        let filter = self.labeller.filter.clone();
        self.labeller.filter = Box::new(SharedFilter::new(filter, Arc::clone(ranks)));
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
