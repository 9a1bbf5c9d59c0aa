//! The output of the detector for a batch.

use super::batch::PredictedBatch;
use super::candidates::proposals;
use super::criterion::Criterion;
use super::detections::{detections, raw};
use super::points::Drawn;
use crate::detector::{Choice, Output, Part, Pending, Proposals, RawArray};
use crate::rng::Stream;
use crate::structures::Detection;
use crate::tensor::Later;

/// The predictions of a batch with the rules of their loss.
pub(super) struct Mask2FormerOutput {
    /// The predictions.
    pub batch: PredictedBatch,
    /// The rules of the loss.
    pub criterion: Criterion,
}

impl Output for Mask2FormerOutput {
    fn begin<'a>(&'a self, part: &'a Part<'a>, mut draws: Stream) -> Box<dyn Pending + 'a> {
        let predictions = &self.batch.predictions;
        let points = Drawn::new(predictions.layers.len(), &mut draws);
        Box::new(self.criterion.begin(predictions, part, Box::new(points)))
    }

    fn propose(&self, choice: Choice) -> Later<Proposals> {
        proposals(&self.batch.predictions, self.batch.padded, choice)
    }

    fn detect(&self, sizes: &[(usize, usize)], top: usize) -> Vec<Vec<Detection>> {
        detections(&self.batch, sizes, top)
    }

    fn raw(&self) -> Vec<RawArray> {
        raw(&self.batch)
    }
}
