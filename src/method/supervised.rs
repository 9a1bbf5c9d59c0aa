//! Method `supervised`: labelled images only. It is also what every method does during the burn-in, to the last bit.

use super::criterion::{Criterion, Losses, MaskLoss, Part};
use super::report::StepReport;
use super::targets::Targets;
use super::{Method, StepOutput};
use crate::data::Batch;
use crate::graph::{Mask2Former, Predictions};
use crate::rng::Stream;
use crate::structures::Picture;
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

    /// The supervised losses of the first images of `predictions`, the labelled ones of `batch`. `size`: of the
    /// padded input.
    pub(super) fn losses(
        &self,
        tape: &mut Tape,
        predictions: &Predictions,
        batch: &Batch,
        size: (usize, usize),
        step: usize,
    ) -> Losses {
        let views = &batch.labelled;
        let targets: Vec<Targets> = views
            .iter()
            .map(|view| Targets::of_objects(&view.instances, size.0, size.1))
            .collect();
        let part = Part {
            images: 0..views.len(),
            targets: &targets,
            mask_loss: MaskLoss::default(),
        };
        let mut stream = Stream::at(self.seed, "points/labelled", step as u64);
        self.criterion.losses(tape, predictions, &part, &mut stream)
    }

    /// The losses of pseudo-labelled images, from a stream of their own.
    pub(super) fn unlabelled_losses(
        &self,
        tape: &mut Tape,
        predictions: &Predictions,
        part: &Part,
        step: usize,
    ) -> Losses {
        let mut stream = Stream::at(self.seed, "points/unlabelled", step as u64);
        self.criterion.losses(tape, predictions, part, &mut stream)
    }
}

/// The labelled pictures.
pub(super) fn pictures(batch: &Batch) -> Vec<&Picture> {
    batch.labelled.iter().map(|view| &view.picture).collect()
}

impl Method for Supervised {
    fn step(&mut self, tape: &mut Tape, batch: &Batch, step: usize) -> StepOutput {
        let images = self.student.normalise(&pictures(batch));
        let predictions = self.student.forward(tape, &images);
        let size = (images.height, images.width);
        let losses = self.losses(tape, &predictions, batch, size, step);
        let report = StepReport {
            supervised: (&losses).into(),
            unsupervised: None,
            pseudo: None,
        };
        StepOutput {
            loss: losses.total,
            report,
        }
    }

    fn student(&mut self) -> &mut Mask2Former {
        &mut self.student
    }
}
