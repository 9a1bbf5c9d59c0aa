//! Method `supervised`: labelled images only. Its learner is also the burn-in of the methods with a teacher,
//! to the last bit.

use super::Method;
use super::device_batch::DeviceBatch;
use super::lambda::Lambda;
use super::learner::{Learner, StepOutput};
use super::phase::{Build, MethodKeys, Passes, Phase, Start};
use super::pieces::{GradientSum, Lesson};
use super::ranks::{Alone, Reduce};
use super::report::{PartLosses, StepReport};
use crate::data::Batch;
use crate::data::loader::Pieces;
use crate::detector::{Background, Detector, EmptyImage, Losses, MaskLoss, Origin, Part, Targets};
use crate::registry::{self, Check, Checked, ComponentErrors, MOST_STEPS};
use crate::rng::Stream;
use crate::tensor::Tape;
use schemars::JsonSchema;
use serde::Deserialize;
use std::ops::Range;
use std::sync::Arc;

/// Table `[method]` with `name = "supervised"`.
#[derive(Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Config {
    /// Steps that it shares with methods whose teacher appears after them; the training goes on as before.
    burn_in: usize,
    /// The class loss of images without a target.
    empty_image: EmptyImage,
}

pub(super) fn build(table: toml::Table) -> Result<Box<dyn Method>, ComponentErrors> {
    Ok(Box::new(registry::read::<Config>(table)?))
}

impl Checked for Config {
    fn check(&self, check: &mut Check) {
        check.range("burn-in", self.burn_in, 0..=MOST_STEPS);
    }
}

impl Method for Config {
    fn phases(&self, steps: usize) -> Vec<Phase> {
        let burn_in = self.burn_in;
        let mut phases = Vec::new();
        if burn_in > 0 {
            phases.push(phase(self.empty_image, burn_in, steps));
        }
        if burn_in < steps {
            phases.push(Phase {
                // The stages of stores that were made before phases had names of their own are called so.
                name: "distill",
                steps: burn_in..steps,
                start: match burn_in {
                    0 => Start::Fresh,
                    _ => Start::GoOn(0),
                },
                average: true,
                goes_on: false,
                shared: false,
                reads: MethodKeys::AllBut(Vec::new()),
                ..phase(self.empty_image, burn_in, steps)
            });
        }
        phases
    }

    fn takes_pieces(&self) -> bool {
        true
    }

    fn check_steps(&self, steps: usize, check: &mut Check) {
        let allowed = format!("at most `train.steps` = {steps}");
        check.require(self.burn_in <= steps, "burn-in", self.burn_in, allowed);
    }
}

/// Supervised training from the first weights to step `end`, as a phase from which others go on. It reads
/// what its rules need and no more, so that all methods share it.
pub(super) fn phase(empty_image: EmptyImage, end: usize, curve: usize) -> Phase {
    Phase {
        name: "burn-in",
        steps: 0..end,
        curve,
        start: Start::Fresh,
        passes: Passes::LABELLED,
        labels: false,
        alone: false,
        average: false,
        goes_on: true,
        shared: true,
        reads: MethodKeys::Only(vec!["burn-in", "empty-image"]),
        build: Build::Learner(Box::new(move |parts| {
            Box::new(Supervised::new(
                parts.student,
                empty_image,
                parts.setup.seed,
            ))
        })),
    }
}

/// The student alone.
pub struct Supervised {
    /// The trained network.
    pub(super) student: Box<dyn Detector>,
    empty_image: EmptyImage,
    seed: u64,
    /// The processes with parts of the batch.
    pub(super) ranks: Arc<dyn Reduce>,
}

impl Supervised {
    /// Trains `student`; what the losses of step t draw comes from `seed` and t alone.
    pub fn new(student: Box<dyn Detector>, empty_image: EmptyImage, seed: u64) -> Self {
        Self {
            student,
            empty_image,
            seed,
            ranks: Arc::new(Alone),
        }
    }

    /// The random numbers of the losses of one kind of images at `step`.
    pub(super) fn draws(&self, images: ImageGroup, step: usize) -> Stream {
        let name = match images {
            ImageGroup::Labelled => "points/labelled",
            ImageGroup::Unlabelled => "points/unlabelled",
        };
        Stream::at(self.seed, name, step as u64)
    }

    /// The same for one of several replicas.
    fn draws_of(&self, images: ImageGroup, step: usize, replica: usize, pieces: Pieces) -> Stream {
        if pieces.replicas == 1 {
            return self.draws(images, step);
        }
        let name = match images {
            ImageGroup::Labelled => format!("points/labelled/{replica}"),
            ImageGroup::Unlabelled => format!("points/unlabelled/{replica}"),
        };
        Stream::at(self.seed, &name, step as u64)
    }

    /// Rows and columns of the input for the pictures `of_kind`.
    pub(super) fn size_of(&self, sent: &DeviceBatch, of_kind: Range<usize>) -> (usize, usize) {
        sent.padded_size(&*self.student, sent.padded_with(of_kind))
    }

    /// The losses of a lesson, learned in pieces with this `weight` in the loss of the step.
    pub(super) fn learn(
        &mut self,
        (images, lesson): (ImageGroup, Lesson),
        (sent, step): (&DeviceBatch, usize),
        pieces: Pieces,
        weight: &Lambda,
        sum: &mut GradientSum,
    ) -> Losses {
        let streams: Vec<Stream> = (0..pieces.replicas)
            .map(|replica| self.draws_of(images, step, replica, pieces))
            .collect();
        let draws = |replica: usize| streams[replica].clone();
        let student = &mut *self.student;
        lesson.learn((student, sent), (pieces, &*self.ranks), draws, weight, sum)
    }

    /// The labelled images of a step as a lesson.
    pub(super) fn labelled_lesson<'a>(
        &self,
        sent: &'a DeviceBatch,
        mask_loss: MaskLoss,
        pieces: Pieces,
    ) -> Lesson<'a> {
        let [pictures, _] = sent.kinds();
        Lesson {
            targets: labelled_targets(&sent.batch, self.size_of(sent, pictures.clone())),
            views: pieces.labelled_views,
            rules: self.labelled_part(&[], mask_loss),
            pictures,
        }
    }

    /// The unlabelled images of a step with pseudo-labels as a lesson.
    pub(super) fn pseudo_lesson<'a>(
        &self,
        sent: &DeviceBatch,
        targets: Vec<Targets<'a>>,
        mask_loss: MaskLoss,
        background: Background<'a>,
    ) -> Lesson<'a> {
        let [_, pictures] = sent.kinds();
        Lesson {
            views: 1,
            rules: self.pseudo_part(0..0, &[], mask_loss, background),
            pictures,
            targets,
        }
    }

    /// The labelled part of a batch, whose images come first.
    pub(super) fn labelled_part<'a>(
        &self,
        targets: &'a [Targets<'a>],
        mask_loss: MaskLoss,
    ) -> Part<'a> {
        Part {
            images: 0..targets.len(),
            targets,
            origin: Origin::Labelled,
            mask_loss,
            empty_image: self.empty_image,
            background: Background::Own,
        }
    }

    /// A part of a batch with pseudo-labels.
    pub(super) fn pseudo_part<'a>(
        &self,
        images: Range<usize>,
        targets: &'a [Targets<'a>],
        mask_loss: MaskLoss,
        background: Background<'a>,
    ) -> Part<'a> {
        Part {
            images,
            targets,
            origin: Origin::Pseudo,
            mask_loss,
            empty_image: self.empty_image,
            background,
        }
    }
}

/// Images whose losses draw from a stream of their own.
#[derive(Clone, Copy)]
pub(super) enum ImageGroup {
    Labelled,
    Unlabelled,
}

/// The targets of the labelled images of `batch`; `size`: of the padded input.
pub(super) fn labelled_targets(batch: &Batch, size: (usize, usize)) -> Vec<Targets<'_>> {
    let views = batch.labelled.iter();
    views
        .map(|view| Targets::of_objects(&view.instances, size.0, size.1))
        .collect()
}

/// The output of a step with these losses of labelled images and no others.
fn output_of(losses: Losses) -> StepOutput {
    let report = PartLosses::of([&losses]).map(|[supervised]| StepReport {
        supervised,
        unsupervised: None,
        pseudo: None,
        consistency: None,
    });
    StepOutput {
        loss: losses.total,
        report,
    }
}

impl Learner for Supervised {
    fn step(&mut self, tape: &mut Tape, sent: &DeviceBatch, step: usize) -> StepOutput {
        let images = sent.labelled(&*self.student);
        let output = self.student.forward(tape, &images);
        let targets = labelled_targets(&sent.batch, images.padded());
        let part = self.labelled_part(&targets, MaskLoss::default());
        let draws = self.draws(ImageGroup::Labelled, step);
        let losses = output.begin(&part, draws).losses(tape);
        output_of(losses)
    }

    fn step_in_pieces(
        &mut self,
        sum: &mut GradientSum,
        sent: &DeviceBatch,
        step: usize,
        pieces: Pieces,
    ) -> StepOutput {
        let lesson = self.labelled_lesson(sent, MaskLoss::default(), pieces);
        let group = (ImageGroup::Labelled, lesson);
        let losses = self.learn(group, (sent, step), pieces, &Lambda::One(1.0), sum);
        output_of(losses)
    }

    fn share_with(&mut self, ranks: &Arc<dyn Reduce>) {
        self.ranks = Arc::clone(ranks);
    }

    fn student(&mut self) -> &mut dyn Detector {
        &mut *self.student
    }

    fn send(&self, batch: Batch) -> DeviceBatch {
        DeviceBatch::new(batch, &*self.student)
    }
}
