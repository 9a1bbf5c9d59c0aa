//! The forward pass for a batch: the levels of the pyramid and the predictions for the anchors, from which proposals
//! come. Losses and detections start from it.

use super::proposing::{Anchors, ProposalCount, scored_proposals};
use crate::graph::mask_rcnn::{AnchorPredictions, Branch, LEVELS, MaskRcnn};
use crate::graph::regional::{IouPredictions, Region, of_own_class};
use crate::ops::Bounds;
use crate::tensor::{Map, Tape, Tensor2};
use rayon::prelude::*;
use std::sync::OnceLock;

/// The purpose of proposals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Losses.
    Training,
    /// Detections and pseudo-labels.
    Test,
}

/// The values of [`AnchorPredictions`].
#[derive(Debug)]
pub(super) struct AnchorValues {
    /// Logits, `[B * A]`.
    logits: Vec<f32>,
    /// Deltas, `[B * A, 4]`.
    deltas: Vec<f32>,
}

/// The levels and the predictions for anchors of a batch.
pub(super) struct ForwardPass {
    /// The network, which shares its parameters with the detector.
    pub model: MaskRcnn,
    /// p2 to p6.
    pub levels: [Map; LEVELS],
    /// For the anchors of all images.
    pub predictions: AnchorPredictions,
    /// Their values in the memory of the host, once they have been asked for.
    pub on_host: OnceLock<AnchorValues>,
    /// The anchors of an image.
    pub anchors: Vec<Bounds>,
    /// The number of anchors of each level.
    pub of_level: [usize; LEVELS],
    /// Rows and columns of each image without the padding.
    pub sizes: Vec<(usize, usize)>,
    /// Rows and columns of the padded input.
    pub padded: (usize, usize),
}

impl ForwardPass {
    /// The proposals of the `images` of the batch, best first.
    pub(super) fn proposals(&self, stage: Stage, images: &[usize]) -> Vec<Vec<Bounds>> {
        // A GPU's memory is read by the thread that owns it, not by those of the iterator.
        let values = self.values_on_host();
        let of_image = |image: &usize| {
            let scored = self.scored(values, stage, *image).into_iter();
            scored.map(|(bounds, _)| bounds).collect()
        };
        images.par_iter().map(of_image).collect()
    }

    /// Those of one image.
    pub(super) fn proposals_of(&self, stage: Stage, image: usize) -> Vec<Bounds> {
        let scored = self.scored(self.values_on_host(), stage, image).into_iter();
        scored.map(|(bounds, _)| bounds).collect()
    }

    /// The proposals for detections of one image of the batch with their scores, best first.
    pub(super) fn scored_proposals(&self, image: usize) -> Vec<(Bounds, f32)> {
        self.scored(self.values_on_host(), Stage::Test, image)
    }

    /// The predictions for the anchors in the memory of the host. All parts of a batch share one copy.
    fn values_on_host(&self) -> &AnchorValues {
        self.on_host.get_or_init(|| AnchorValues {
            logits: self.predictions.objectness.host_values().into_owned(),
            deltas: self.predictions.deltas.host_values().into_owned(),
        })
    }

    fn scored(&self, values: &AnchorValues, stage: Stage, image: usize) -> Vec<(Bounds, f32)> {
        let config = &self.model.config().proposals;
        let (per_level, kept) = match stage {
            Stage::Training => (config.per_level_train, config.kept_train),
            Stage::Test => (config.per_level_test, config.kept_test),
        };
        let count = ProposalCount {
            per_level,
            kept,
            overlap: config.overlap,
        };
        let anchors = Anchors {
            all: &self.anchors,
            of_level: self.of_level,
        };
        let AnchorValues { logits, deltas } = values;
        let rules = self.model.rules();
        let first = image * self.anchors.len();
        let predicted = (&logits[first..], &deltas[4 * first..]);
        scored_proposals(rules, count, anchors, predicted, self.sizes[image])
    }

    /// The masks of `regions`, each of its own class.
    pub(super) fn own_masks(
        &self,
        tape: &mut Tape,
        regions: &[Region],
        classes: &[usize],
        branch: Branch,
    ) -> OwnMasks {
        let model = &self.model;
        let masks = model.mask_predictions(tape, &self.levels, regions, branch);
        let logits = of_own_class(tape, &masks.logits, classes);
        OwnMasks {
            iou: model.iou_predictions(tape, &masks, &logits, classes, branch),
            coarse: masks
                .coarse
                .map(|coarse| of_own_class(tape, &coarse, classes)),
            logits,
        }
    }
}

/// The masks of some regions, each of its own class.
pub(super) struct OwnMasks {
    /// Their logits, `[R * side * side, 1]`, side being that of the mask head.
    pub logits: Tensor2,
    /// The coarse ones, `[R * bins * bins, 1]`, of half as many bins along a side; none of a plain mask head.
    pub coarse: Option<Tensor2>,
    /// Their predicted IoU; none without an IoU head.
    pub iou: Option<IouPredictions>,
}
