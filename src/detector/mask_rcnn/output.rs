//! The output of the detector for a batch: the levels of the pyramid and the predictions for the anchors. The heads
//! look at regions only when losses or detections are asked for, because the two look at different ones.

use super::criterion::{Criterion, StartedPart};
use super::detecting::Found;
use super::forward::ForwardPass;
use super::planes::PastedMasks;
use crate::detector::quality::mask_quality;
use crate::detector::{
    Candidate, CandidateChoice, Judged, MaskQuality, Output, Part, Pending, Proposals, RawArray,
    RegionHeads,
};
use crate::graph::mask_rcnn::{Branch, Region};
use crate::ops::{self, Bounds};
use crate::rng::Stream;
use crate::structures::{Detection, Mask};
use crate::tensor::{Later, Tape};
use rayon::prelude::*;

/// The output of the network for a batch.
pub(super) struct MaskRcnnOutput {
    /// The levels and the predictions for anchors.
    pub pass: ForwardPass,
    /// The rules of the losses.
    pub criterion: Criterion,
}

impl MaskRcnnOutput {
    /// The masks of `found`, pasted into images of `size` rows and columns.
    fn masks(&self, found: &[Found], size: (usize, usize)) -> PastedMasks {
        PastedMasks {
            masks: found
                .iter()
                .map(|one| (one.bounds, probabilities(&one.mask)))
                .collect(),
            side: self.pass.model.mask_side(),
            size,
            rule: self.pass.model.rules().paste,
            place: self.pass.model.trunk().place(),
        }
    }
}

fn probabilities(logits: &[f32]) -> Vec<f32> {
    logits.iter().map(|logit| ops::sigmoid(*logit)).collect()
}

impl Output for MaskRcnnOutput {
    fn begin<'a>(&'a self, part: &'a Part<'a>, draws: Stream) -> Box<dyn Pending + 'a> {
        Box::new(StartedPart::new(&self.pass, &self.criterion, part, draws))
    }

    /// The detections are the candidates, whatever pairs the `choice` asks for: every one is of an object class, and
    /// its class quality is the probability among all classes and background.
    fn propose(&self, choice: CandidateChoice) -> Later<Proposals> {
        let found = self.pass.found(usize::MAX);
        let masks = self.masks(&found.concat(), self.pass.padded);
        let areas = masks.areas().wait();
        let mut row = 0;
        let mut candidate = |one: &Found| {
            row += 1;
            Candidate {
                mask: row - 1,
                class: one.class,
                class_quality: one.probability,
                mask_quality: match choice.quality {
                    MaskQuality::MeanForeground => mask_quality(one.mask.iter().copied()).0,
                    MaskQuality::IouHead => one
                        .mask_iou
                        .expect("a recipe that asks for a head that is not there is refused"),
                },
                area: areas[row - 1],
                bounds: Some(one.bounds),
                foreground: true,
                probabilities: one.probabilities.clone(),
            }
        };
        let images = found
            .iter()
            .map(|found| found.iter().map(&mut candidate).collect())
            .collect();
        Later::ready(Proposals {
            size: self.pass.padded,
            images,
            masks: Box::new(masks),
        })
    }

    fn detect(&self, sizes: &[(usize, usize)], top: usize) -> Vec<Vec<Detection>> {
        let images = self.judge(sizes, top).into_iter();
        let detection = |judged: Judged| judged.detection;
        images
            .map(|found| found.into_iter().map(detection).collect())
            .collect()
    }

    fn judge(&self, sizes: &[(usize, usize)], top: usize) -> Vec<Vec<Judged>> {
        let head = self.pass.model.config().iou_head;
        let all = self.pass.found(top);
        let of_image = |found: Vec<Found>, own: &(usize, usize), size: &(usize, usize)| {
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
            let judged = |(row, one): (usize, &Found)| {
                one.judged(head, Mask::new(size.0, size.1, masks.bits(row)))
            };
            found
                .par_iter()
                .enumerate()
                .map(|(row, one)| judged((row, one)))
                .collect()
        };
        let images = all.into_iter().zip(&self.pass.sizes).zip(sizes);
        images
            .map(|((found, own), size)| of_image(found, own, size))
            .collect()
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

    /// - `boxes` `[N, 4]`: x1, y1, x2, y2 in pixels of the input;
    /// - `classes` `[N]`, `scores` `[N]`: the class probability;
    /// - `masks` `[N, S, S]`: the probabilities of the masks;
    /// - `ious` `[N]`, of a network with an IoU head: their predicted IoU.
    fn raw(&self) -> Vec<RawArray> {
        let found = self.pass.found(usize::MAX).into_iter().next();
        let found = found.unwrap_or_default();
        let (count, side) = (found.len(), self.pass.model.mask_side());
        let boxes = found.iter().flat_map(|one| one.bounds.to_array()).collect();
        let classes = found.iter().map(|one| one.class as f32).collect();
        let scores = found.iter().map(|one| one.probability).collect();
        let masks = found
            .iter()
            .flat_map(|one| probabilities(&one.mask))
            .collect();
        let mut arrays = vec![
            ("boxes", (vec![count, 4], boxes)),
            ("classes", (vec![count], classes)),
            ("scores", (vec![count], scores)),
            ("masks", (vec![count, side, side], masks)),
        ];
        if self.pass.model.config().iou_head.is_there() {
            let ious = found.iter().filter_map(|one| one.mask_iou).collect();
            arrays.push(("ious", (vec![count], ious)));
        }
        arrays
    }
}
