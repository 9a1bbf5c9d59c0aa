//! The output of the detector for a batch: the levels of the pyramid and the predictions for the anchors. The heads
//! look at regions only when losses or detections are asked for, because the two look at different ones.

use super::criterion::{Criterion, StartedPart};
use super::forward::ForwardPass;
use crate::detector::by_region::{BegunPart, Pasting};
use crate::detector::{
    CandidateChoice, Judged, Output, Part, Pending, Piece, Proposals, RawArray, RegionHeads,
};
use crate::graph::mask_rcnn::{Branch, MaskRcnn};
use crate::graph::regional::Region;
use crate::ops::{self, Bounds};
use crate::rng::Stream;
use crate::structures::Detection;
use crate::tensor::{Later, Tape};

/// The output of the network for a batch.
pub(super) struct MaskRcnnOutput {
    /// The levels and the predictions for anchors.
    pub pass: ForwardPass,
    /// The rules of the losses.
    pub criterion: Criterion,
}

impl MaskRcnnOutput {
    /// The way from small masks to those of a picture.
    fn pasting(&self) -> Pasting {
        pasting(&self.pass.model)
    }
}

/// The way from the small masks of `model` to those of a picture.
pub(super) fn pasting(model: &MaskRcnn) -> Pasting {
    Pasting {
        side: model.mask_side(),
        rule: model.rules().paste,
        scores_masks: model.config().iou_head.scores_masks(),
        place: model.trunk().place(),
    }
}

impl Output for MaskRcnnOutput {
    fn begin<'a>(&'a self, part: &'a Part<'a>, draws: Stream) -> Box<dyn Pending + 'a> {
        let begun = BegunPart::whole(part, draws, self.pass.sizes.len());
        Box::new(StartedPart::new(&self.pass, &self.criterion, begun))
    }

    fn begin_piece<'a>(&'a self, part: &'a Part<'a>, piece: Piece<'a>) -> Box<dyn Pending + 'a> {
        let begun = BegunPart::piece(part, piece, self.pass.sizes.len());
        Box::new(StartedPart::new(&self.pass, &self.criterion, begun))
    }

    /// The detections are the candidates, whatever pairs the `choice` asks for: every one is of an object class, and
    /// its class quality is the probability among all classes and background.
    fn propose(&self, choice: CandidateChoice) -> Later<Proposals> {
        let found = self.pass.found(usize::MAX);
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
        let found = self.pass.found(top);
        self.pasting().resized(found, &self.pass.sizes, sizes)
    }

    fn background(&self, image: usize, regions: &[Bounds]) -> Option<Vec<f32>> {
        if regions.is_empty() {
            return Some(Vec::new());
        }
        let region = |bounds: &Bounds| Region {
            image,
            bounds: *bounds,
        };
        let regions: Vec<Region> = regions.iter().map(region).collect();
        let pass = &self.pass;
        let tape = &mut Tape::off();
        let predictions =
            pass.model
                .region_predictions(tape, &pass.levels, &regions, Branch::Strong);
        let mut classes = predictions.classes.host_values().into_owned();
        let columns = pass.model.classes() + 1;
        ops::softmax_rows(&mut classes, columns);
        let rows = classes.chunks_exact(columns);
        Some(rows.map(|row| row[columns - 1]).collect())
    }

    fn regions(&self) -> Option<&dyn RegionHeads> {
        Some(&self.pass)
    }

    /// See [`Pasting::raw`].
    fn raw(&self) -> Vec<RawArray> {
        let found = self.pass.found(usize::MAX).into_iter().next();
        let has_head = self.pass.model.config().iou_head.is_there();
        self.pasting().raw(&found.unwrap_or_default(), has_head)
    }
}
