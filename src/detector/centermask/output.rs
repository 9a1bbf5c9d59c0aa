//! The output of the detector for a batch: the levels of the pyramid and the predictions for the locations. The heads
//! for regions look at boxes only when losses or detections are asked for, because the two look at different ones.

use super::criterion::{Criterion, StartedPart};
use super::forward::ForwardPass;
use crate::detector::by_region::{BegunPart, Pasting};
use crate::detector::{CandidateChoice, Judged, Output, Part, Pending, Piece, Proposals, RawArray};
use crate::ops::PasteRule;
use crate::rng::Stream;
use crate::structures::Detection;
use crate::tensor::Later;

/// The output of the network for a batch.
pub(super) struct CenterMaskOutput {
    /// The levels and the predictions for locations.
    pub pass: ForwardPass,
    /// The rules of the losses.
    pub criterion: Criterion,
}

impl CenterMaskOutput {
    /// The way from small masks to those of a picture.
    fn pasting(&self) -> Pasting {
        Pasting {
            side: self.pass.model.mask_side(),
            rule: PasteRule::Sampled,
            scores_masks: true,
            place: self.pass.model.trunk().place(),
        }
    }
}

impl Output for CenterMaskOutput {
    fn begin<'a>(&'a self, part: &'a Part<'a>, draws: Stream) -> Box<dyn Pending + 'a> {
        let begun = BegunPart::whole(part, draws, self.pass.sizes.len());
        Box::new(StartedPart::new(&self.pass, &self.criterion, begun))
    }

    fn begin_piece<'a>(&'a self, part: &'a Part<'a>, piece: Piece<'a>) -> Box<dyn Pending + 'a> {
        let begun = BegunPart::piece(part, piece, self.pass.sizes.len());
        Box::new(StartedPart::new(&self.pass, &self.criterion, begun))
    }

    /// The detections are the candidates, whatever pairs the `choice` asks for: as many as the key `kept-train` of
    /// `[model.detections]` allows. The class quality is the root of class probability times centreness.
    fn propose(&self, choice: CandidateChoice) -> Later<Proposals> {
        let kept = self.pass.model.config().detections.kept_train;
        let found = self.pass.found(kept);
        let (sizes, padded) = (&self.pass.sizes, self.pass.padded);
        let pasting = self.pasting();
        Later::ready(pasting.proposals(&found, sizes, padded, choice.quality))
    }

    fn detect(&self, sizes: &[(usize, usize)], top: usize) -> Vec<Vec<Detection>> {
        let images = self.judge(sizes, top).into_iter();
        let detection = |judged: Judged| judged.detection;
        images
            .map(|found| found.into_iter().map(detection).collect())
            .collect()
    }

    fn judge(&self, sizes: &[(usize, usize)], top: usize) -> Vec<Vec<Judged>> {
        let kept = self.pass.model.config().detections.kept_test;
        let found = self.pass.found(top.min(kept));
        self.pasting().resized(found, &self.pass.sizes, sizes)
    }

    /// See [`Pasting::raw`].
    fn raw(&self) -> Vec<RawArray> {
        let kept = self.pass.model.config().detections.kept_test;
        let found = self.pass.found(kept).into_iter().next();
        self.pasting().raw(&found.unwrap_or_default(), true)
    }
}
