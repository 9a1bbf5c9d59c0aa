//! The output of the detector for a batch.

use super::candidates::proposals;
use super::criterion::Criterion;
use super::detections::{Predicted, judged, raw};
use super::points::Drawn;
use crate::detector::{CandidateChoice, Judged, Output, Part, Pending, Piece, Proposals, RawArray};
use crate::graph::Predictions;
use crate::rng::Stream;
use crate::structures::Detection;
use crate::tensor::Later;

/// The output of the network for a batch.
pub(super) struct Mask2FormerOutput {
    /// Of every layer.
    pub predictions: Predictions,
    /// Rows and columns of each image without the padding.
    pub sizes: Vec<(usize, usize)>,
    /// Rows and columns of the padded input.
    pub padded: (usize, usize),
    /// The rules of the loss.
    pub criterion: Criterion,
}

impl Mask2FormerOutput {
    fn predicted(&self) -> Predicted<'_> {
        Predicted {
            predictions: &self.predictions,
            sizes: &self.sizes,
            padded: self.padded,
        }
    }
}

impl Output for Mask2FormerOutput {
    fn begin<'a>(&'a self, part: &'a Part<'a>, mut draws: Stream) -> Box<dyn Pending + 'a> {
        let points = Drawn::new(self.predictions.layers.len(), &mut draws);
        let begun = self
            .criterion
            .begin(&self.predictions, part, Box::new(points));
        Box::new(begun)
    }

    fn begin_piece<'a>(
        &'a self,
        part: &'a Part<'a>,
        mut piece: Piece<'a>,
    ) -> Box<dyn Pending + 'a> {
        let points = Drawn::new(self.predictions.layers.len(), &mut piece.draws);
        let points = Box::new(points);
        Box::new(
            self.criterion
                .begin_piece(&self.predictions, part, piece, points),
        )
    }

    fn propose(&self, choice: CandidateChoice) -> Later<Proposals> {
        proposals(&self.predictions, self.padded, choice)
    }

    fn detect(&self, sizes: &[(usize, usize)], top: usize) -> Vec<Vec<Detection>> {
        let images = self.judge(sizes, top).into_iter();
        let detection = |judged: Judged| judged.detection;
        images
            .map(|found| found.into_iter().map(detection).collect())
            .collect()
    }

    fn judge(&self, sizes: &[(usize, usize)], top: usize) -> Vec<Vec<Judged>> {
        judged(self.predicted(), sizes, top)
    }

    fn raw(&self) -> Vec<RawArray> {
        raw(self.predicted())
    }
}
