//! The output of the detector for a batch: the levels of the pyramid and the predictions for the anchors. The heads
//! look at regions only when losses or detections are asked for, because the two look at different ones.

use super::criterion::{Criterion, StartedPart};
use super::detecting::Found;
use super::planes::PastedMasks;
use super::proposing::{Anchors, ProposalCount, proposals};
use crate::detector::quality::mask_quality;
use crate::detector::{Candidate, CandidateChoice, Output, Part, Pending, Proposals, RawArray};
use crate::graph::mask_rcnn::{AnchorPredictions, LEVELS, MaskRcnn};
use crate::ops::{self, Bounds};
use crate::rng::Stream;
use crate::structures::{Detection, Mask};
use crate::tensor::{Later, Map};
use rayon::prelude::*;

/// The purpose of proposals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Losses.
    Training,
    /// Detections and pseudo-labels.
    Test,
}

/// The output of the network for a batch.
pub(super) struct MaskRcnnOutput {
    /// The network, which shares its parameters with the detector.
    pub model: MaskRcnn,
    /// p2 to p6.
    pub levels: [Map; LEVELS],
    /// For the anchors of all images.
    pub predictions: AnchorPredictions,
    /// The anchors of an image.
    pub anchors: Vec<Bounds>,
    /// The number of anchors of each level.
    pub of_level: [usize; LEVELS],
    /// Rows and columns of each image without the padding.
    pub sizes: Vec<(usize, usize)>,
    /// Rows and columns of the padded input.
    pub padded: (usize, usize),
    /// The rules of the losses.
    pub criterion: Criterion,
}

impl MaskRcnnOutput {
    /// The proposals of the `images` of the batch, best first.
    pub(super) fn proposals(&self, stage: Stage, images: &[usize]) -> Vec<Vec<Bounds>> {
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
        let logits = self.predictions.objectness.host_values();
        let deltas = self.predictions.deltas.host_values();
        let rules = self.model.rules();
        let of_image = |image: &usize| {
            let first = image * self.anchors.len();
            let predicted = (&logits[first..], &deltas[4 * first..]);
            proposals(rules, count, anchors, predicted, self.sizes[*image])
        };
        images.par_iter().map(of_image).collect()
    }

    /// The masks of `found`, pasted into images of `size` rows and columns.
    fn masks(&self, found: &[Found], size: (usize, usize)) -> PastedMasks {
        PastedMasks {
            masks: found
                .iter()
                .map(|one| (one.bounds, probabilities(&one.mask)))
                .collect(),
            side: self.model.mask_side(),
            size,
            rule: self.model.rules().paste,
            place: self.model.place(),
        }
    }
}

fn probabilities(logits: &[f32]) -> Vec<f32> {
    logits.iter().map(|logit| ops::sigmoid(*logit)).collect()
}

impl Output for MaskRcnnOutput {
    fn begin<'a>(&'a self, part: &'a Part<'a>, draws: Stream) -> Box<dyn Pending + 'a> {
        Box::new(StartedPart::new(self, part, draws))
    }

    /// The detections are the candidates, whatever the `choice`: every one is of an object class, and its class quality
    /// is the probability among all classes and background.
    fn propose(&self, _choice: CandidateChoice) -> Later<Proposals> {
        let found = self.found(usize::MAX);
        let masks = self.masks(&found.concat(), self.padded);
        let mut row = 0;
        let candidate = |one: &Found| {
            row += 1;
            Candidate {
                mask: row - 1,
                class: one.class,
                class_quality: one.probability,
                mask_quality: mask_quality(one.mask.iter().copied()).0,
                area: masks.area(row - 1),
                foreground: true,
                probabilities: one.probabilities.clone(),
            }
        };
        let mut candidate = candidate;
        let images = found
            .iter()
            .map(|found| found.iter().map(&mut candidate).collect())
            .collect();
        Later::ready(Proposals {
            size: self.padded,
            images,
            masks: Box::new(masks),
        })
    }

    fn detect(&self, sizes: &[(usize, usize)], top: usize) -> Vec<Vec<Detection>> {
        let all = self.found(top);
        let of_image = |((found, own), size): ((Vec<Found>, &(usize, usize)), &(usize, usize))| {
            let across = size.1 as f32 / own.1 as f32;
            let down = size.0 as f32 / own.0 as f32;
            let found: Vec<Found> = found
                .into_iter()
                .map(|one| Found {
                    bounds: one.bounds.scaled(across, down).clipped(*size),
                    ..one
                })
                .collect();
            let masks = self.masks(&found, *size);
            let detection = |(row, one): (usize, &Found)| Detection {
                class: one.class,
                score: one.probability,
                mask: Mask::new(size.0, size.1, masks.bits(row)),
            };
            found
                .par_iter()
                .enumerate()
                .map(|(row, one)| detection((row, one)))
                .collect()
        };
        let images = all.into_iter().zip(&self.sizes).zip(sizes);
        images.map(of_image).collect()
    }

    /// - `boxes` `[N, 4]`: x1, y1, x2, y2 in pixels of the input;
    /// - `classes` `[N]`, `scores` `[N]`: the class probability;
    /// - `masks` `[N, S, S]`: the probabilities of the masks.
    fn raw(&self) -> Vec<RawArray> {
        let found = self
            .found(usize::MAX)
            .into_iter()
            .next()
            .unwrap_or_default();
        let (count, side) = (found.len(), self.model.mask_side());
        let boxes = found.iter().flat_map(|one| one.bounds.to_array()).collect();
        let classes = found.iter().map(|one| one.class as f32).collect();
        let scores = found.iter().map(|one| one.probability).collect();
        let masks = found
            .iter()
            .flat_map(|one| probabilities(&one.mask))
            .collect();
        vec![
            ("boxes", (vec![count, 4], boxes)),
            ("classes", (vec![count], classes)),
            ("scores", (vec![count], scores)),
            ("masks", (vec![count, side, side], masks)),
        ]
    }
}
