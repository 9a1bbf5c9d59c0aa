//! Method `supervised`: labelled images only. It is also what every method does during the burn-in, to the last bit.

use super::report::{PartLosses, StepReport};
use super::sent::Sent;
use super::{Method, StepOutput};
use crate::data::Batch;
use crate::detector::mask2former::{Criterion, Drawn};
use crate::detector::{MaskLoss, Part, Targets};
use crate::graph::{Mask2Former, Predictions};
use crate::rng::Stream;
use crate::tensor::Tape;

/// The student alone.
pub struct Supervised {
    /// The trained network.
    pub(super) student: Mask2Former,
    criterion: Criterion,
    seed: u64,
}

impl Supervised {
    /// Trains `student`; the loss points of step t come from `seed` and t alone.
    pub fn new(student: Mask2Former, criterion: Criterion, seed: u64) -> Self {
        Self {
            student,
            criterion,
            seed,
        }
    }

    /// The rules of the loss.
    pub(super) fn criterion(&self) -> &Criterion {
        &self.criterion
    }

    /// The loss points of one kind of images at `step`, for every layer of `predictions`.
    pub(super) fn points(&self, images: Images, predictions: &Predictions, step: usize) -> Drawn {
        let name = match images {
            Images::Labelled => "points/labelled",
            Images::Unlabelled => "points/unlabelled",
        };
        let mut stream = Stream::at(self.seed, name, step as u64);
        Drawn::new(predictions.layers.len(), &mut stream)
    }
}

/// Images whose loss points come from a stream of their own.
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

/// The labelled part of a batch, whose images come first.
pub(super) fn labelled_part<'a>(targets: &'a [Targets<'a>]) -> Part<'a> {
    Part {
        images: 0..targets.len(),
        targets,
        mask_loss: MaskLoss::default(),
    }
}

impl Method for Supervised {
    fn step(&mut self, tape: &mut Tape, sent: &Sent, step: usize) -> StepOutput {
        let images = sent.labelled(&self.student);
        let predictions = self.student.forward(tape, &images);
        let targets = labelled_targets(&sent.batch, (images.height, images.width));
        let part = labelled_part(&targets);
        let points = self.points(Images::Labelled, &predictions, step);
        let losses = self.criterion.begin(&predictions, &part, &points);
        let losses = losses.losses(tape);
        let report = PartLosses::of(&[&losses]).map(|parts| StepReport {
            supervised: parts[0],
            unsupervised: None,
            pseudo: None,
        });
        StepOutput {
            loss: losses.total,
            report,
        }
    }

    fn student(&mut self) -> &mut Mask2Former {
        &mut self.student
    }

    fn send(&self, batch: Batch) -> Sent {
        Sent::new(batch, &self.student)
    }
}
