//! Method `supervised`: labelled images only. It is also what every method does during the burn-in, to the last bit.

use super::report::{PartLosses, StepReport};
use super::sent::Sent;
use super::{Method, StepOutput};
use crate::data::Batch;
use crate::detector::{Detector, EmptyImage, MaskLoss, Part, Targets};
use crate::rng::Stream;
use crate::tensor::Tape;
use std::ops::Range;

/// The student alone.
pub struct Supervised {
    /// The trained network.
    pub(super) student: Box<dyn Detector>,
    empty_image: EmptyImage,
    seed: u64,
}

impl Supervised {
    /// Trains `student`; what the losses of step t draw comes from `seed` and t alone.
    pub fn new(student: Box<dyn Detector>, empty_image: EmptyImage, seed: u64) -> Self {
        Self {
            student,
            empty_image,
            seed,
        }
    }

    /// The random numbers of the losses of one kind of images at `step`.
    pub(super) fn draws(&self, images: Images, step: usize) -> Stream {
        let name = match images {
            Images::Labelled => "points/labelled",
            Images::Unlabelled => "points/unlabelled",
        };
        Stream::at(self.seed, name, step as u64)
    }

    /// The labelled part of a batch, whose images come first.
    pub(super) fn labelled_part<'a>(&self, targets: &'a [Targets<'a>]) -> Part<'a> {
        self.part(0..targets.len(), targets, MaskLoss::default())
    }

    /// A part of a batch.
    pub(super) fn part<'a>(
        &self,
        images: Range<usize>,
        targets: &'a [Targets<'a>],
        mask_loss: MaskLoss,
    ) -> Part<'a> {
        Part {
            images,
            targets,
            mask_loss,
            empty_image: self.empty_image,
        }
    }
}

/// Images whose losses draw from a stream of their own.
#[derive(Clone, Copy)]
pub(super) enum Images {
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

impl Method for Supervised {
    fn step(&mut self, tape: &mut Tape, sent: &Sent, step: usize) -> StepOutput {
        let images = sent.labelled(&*self.student);
        let output = self.student.forward(tape, &images);
        let targets = labelled_targets(&sent.batch, images.padded());
        let part = self.labelled_part(&targets);
        let draws = self.draws(Images::Labelled, step);
        let losses = output.begin(&part, draws).losses(tape);
        let report = PartLosses::of([&losses]).map(|[supervised]| StepReport {
            supervised,
            unsupervised: None,
            pseudo: None,
        });
        StepOutput {
            loss: losses.total,
            report,
        }
    }

    fn student(&mut self) -> &mut dyn Detector {
        &mut *self.student
    }

    fn send(&self, batch: Batch) -> Sent {
        Sent::new(batch, &*self.student)
    }
}
