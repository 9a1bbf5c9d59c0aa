//! The losses of the heads for regions.
//!
//! `$$ L_{cls} = \frac1R \sum_r \mathrm{CE}_r, \qquad L_{box} = \frac1R \sum_{r \in F} \sum_{k=1}^4
//!    \mathrm{smooth}_{L1}(d_{r y_r k} - t_{rk}), \qquad
//!    L_{mask} = \frac1{|F| S^2} \sum_{r \in F} \sum_i w_{ri}\,\mathrm{BCE}(z_{r y_r i}, m_{ri}) $$`
//!
//! r runs over the R sampled regions of all images, F are those that have to find an object, y is its class. Only the
//! deltas and the mask of that class count. w is 1, or for a pseudo-mask 1 - u of PL-DC, eq. 13, resampled to the
//! region, or the weight of its boundary ([`Boundary`]) by the student's own prediction z.
//!
//! `CE` may be a focal loss, `$(1 - p_{r y_r})^\gamma\,\mathrm{CE}_r$` (Unbiased Teacher).
//!
//! Pseudo-labels may have weights of their own, and so may background regions ([`Background`]). They are factors on
//! `CE_r` and on w; the divisors stay as they are, but for [`Background::Teacher`].
//!
//! With two branches, labels teach the heads of the strong one, pseudo-labels those of the weak one (Dual-branch: our
//! definition for detectors; the original has two heads of a semantic segmentation).
//!
//! [`Boundary`]: crate::detector::Boundary

use super::StartedPart;
use crate::detector::by_region::{MaskTargets, Pair, iou_loss, zero};
use crate::detector::mask_rcnn::detecting::REGION_WEIGHTS;
use crate::detector::mask_rcnn::forward::Stage;
use crate::detector::{Background, Origin};
use crate::graph::mask_rcnn::Branch;
use crate::graph::regional::Region;
use crate::ops::{self, Bounds, iou_matrix};
use crate::tensor::{Tape, Tensor2};

/// The sampled regions of a part.
#[derive(Default)]
pub(super) struct Sampled {
    pub regions: Vec<Region>,
    /// The class of each; background is the last.
    pub classes: Vec<usize>,
    /// The weight of each in the class loss.
    pub class_weights: Vec<f32>,
    /// The places among them that have to find an object.
    pub found: Vec<usize>,
    /// The deltas to it.
    deltas: Vec<f32>,
    /// Its mask in the region.
    pub masks: MaskTargets,
    /// The same at the resolution of coarse masks; empty if nothing asks for it.
    pub coarse: MaskTargets,
    /// The share of the object that lies in the region; empty if nothing asks for it.
    pub shares: Vec<f32>,
}

impl Sampled {
    fn push(&mut self, image: usize, bounds: Bounds, class: usize, weight: f32) {
        self.regions.push(Region { image, bounds });
        self.classes.push(class);
        self.class_weights.push(weight);
    }
}

/// The losses of the heads for regions.
pub(super) struct RegionLosses {
    pub class: Tensor2,
    pub boxes: Tensor2,
    pub mask: Tensor2,
    /// Of coarse masks; none of a plain mask head.
    pub coarse: Option<Tensor2>,
    /// Of the IoU head; none without one.
    pub iou: Option<Tensor2>,
}

impl StartedPart<'_> {
    /// The losses of classes, boxes and masks.
    pub(super) fn region_losses(&mut self, tape: &mut Tape) -> RegionLosses {
        let numbers = self.begun.numbers();
        let proposed = self.pass.proposals(Stage::Training, &numbers);
        self.losses_among(tape, proposed)
    }

    /// The same, for regions from these `candidates` of every image that teaches something.
    pub(super) fn losses_among(
        &mut self,
        tape: &mut Tape,
        candidates: Vec<Vec<Bounds>>,
    ) -> RegionLosses {
        let sampled = self.sampled(candidates);
        let pass = self.pass;
        let heads = pass.model.config();
        let mut losses = RegionLosses {
            class: zero(),
            boxes: zero(),
            mask: zero(),
            coarse: heads.mask_head.is_coarse_too().then(zero),
            iou: heads.iou_head.is_there().then(zero),
        };
        if sampled.regions.is_empty() {
            return losses;
        }
        let (model, rules) = (&pass.model, pass.model.rules());
        let counted = self.counted();
        let count = counted.map_or(sampled.regions.len(), |all| all.regions as usize);
        let predictions =
            model.region_predictions(tape, &pass.levels, &sampled.regions, self.branch());
        let (logits, classes) = (&predictions.classes, &sampled.classes);
        let weights = &sampled.class_weights;
        let divisor = match self.begun.part.background {
            Background::Teacher(_) => {
                let sum = counted.map(|all| all.class_weights as f32);
                sum.unwrap_or_else(|| weights.iter().sum()).max(1.0)
            }
            Background::Own | Background::Weight(_) => count as f32,
        };
        let focal = self.criterion.config.focal;
        losses.class = match focal == 0.0 {
            true => ops::cross_entropy(tape, logits, classes, weights, divisor),
            false => ops::softmax_focal(tape, logits, classes, weights, focal, divisor),
        };
        let columns: Vec<usize> = sampled.found.iter().map(|i| 4 * classes[*i]).collect();
        let moves = ops::pick(tape, &predictions.deltas, &sampled.found, &columns, 4);
        let deltas = Tensor2::constant(sampled.deltas.clone(), sampled.found.len(), 4);
        losses.boxes = ops::smooth_l1(tape, &moves, &deltas, rules.region_beta, count as f32);
        self.add_mask_losses(tape, sampled, &mut losses);
        losses
    }

    /// The heads that learn from this part.
    pub(super) fn branch(&self) -> Branch {
        match self.begun.part.origin {
            Origin::Labelled => Branch::Strong,
            Origin::Pseudo => Branch::Weak,
        }
    }

    /// Draws the regions of every image from its candidates and its objects' own rectangles.
    pub(super) fn sampled(&mut self, candidates: Vec<Vec<Bounds>>) -> Sampled {
        let (pass, criterion) = (self.pass, self.criterion);
        let (model, rules) = (&pass.model, pass.model.rules());
        let config = &criterion.config;
        let (matcher, size) = (config.region_matcher(rules), config.region_sample());
        let coder = rules.coder(REGION_WEIGHTS);
        let background = model.classes();
        let mut sampled = Sampled::default();
        for (taught, mut candidates) in self.begun.images.iter().zip(candidates) {
            let objects = &taught.objects;
            candidates.extend(&objects.bounds);
            let iou = iou_matrix(&objects.bounds, &candidates);
            let matches = matcher.of(&iou, candidates.len());
            let sample = size.draw(&matches, criterion.order, &mut self.begun.draws);
            for (index, object) in &sample.objects {
                let bounds = candidates[*index];
                sampled.found.push(sampled.regions.len());
                let weight = objects
                    .weights_of(*object)
                    .map_or(1.0, |weights| weights.class);
                sampled.push(taught.image, bounds, objects.class(*object), weight);
                let target = objects.bounds[*object];
                sampled.deltas.extend(coder.encode(target, bounds));
            }
            let others = sample.background.iter().map(|index| candidates[*index]);
            let others: Vec<Bounds> = others.collect();
            let weights = self.background_weights(taught.place, &others);
            for (bounds, weight) in others.into_iter().zip(weights) {
                sampled.push(taught.image, bounds, background, weight);
            }
            let in_regions: Vec<(usize, Bounds)> = sample
                .objects
                .iter()
                .map(|(index, object)| (*object, candidates[*index]))
                .collect();
            let targets = |side: usize| {
                let masks = objects.masks(&in_regions, side, rules.hard_masks);
                (masks, objects.weights(&in_regions, side))
            };
            let (masks, weights) = targets(model.mask_side());
            sampled.masks.extend(masks, weights);
            if model.config().mask_head.is_coarse_too() {
                let (masks, weights) = targets(model.coarse_side());
                sampled.coarse.extend(masks, weights);
            }
            if model.config().iou_head.scores_masks() {
                sampled.shares.extend(objects.shares(&in_regions));
            }
        }
        sampled
    }

    /// The weights in the class loss of `regions` of the image `image` of the part that find no object.
    fn background_weights(&self, image: usize, regions: &[Bounds]) -> Vec<f32> {
        match self.begun.part.background {
            Background::Own => vec![1.0; regions.len()],
            Background::Weight(weight) => vec![weight; regions.len()],
            Background::Teacher(teacher) => teacher.background(image, regions),
        }
    }

    /// The losses of the masks of the regions that have to find an object, and of their IoU.
    fn add_mask_losses(&self, tape: &mut Tape, sampled: Sampled, losses: &mut RegionLosses) {
        let Sampled {
            regions,
            classes,
            found,
            masks,
            coarse,
            shares,
            ..
        } = sampled;
        if found.is_empty() {
            return;
        }
        let (model, rule) = (&self.pass.model, &self.begun.part.mask_loss);
        let regions: Vec<Region> = found.iter().map(|i| regions[*i]).collect();
        let classes: Vec<usize> = found.iter().map(|i| classes[*i]).collect();
        let own = self.pass.own_masks(tape, &regions, &classes, self.branch());
        let counted = self.counted();
        if let Some(predictions) = &own.iou {
            let logits = own.logits.host_values();
            let pairs = pairs(&logits, &masks, &shares, model.mask_side());
            let count = counted.map(|all| all.ious as f32);
            losses.iou = Some(iou_loss(tape, predictions, pairs, count));
        }
        if let Some(logits) = &own.coarse {
            let sums = counted.map(|all| (all.found, all.coarse_weights));
            let side = model.coarse_side();
            losses.coarse = Some(coarse.loss(tape, logits, side, rule, sums));
        }
        let sums = counted.map(|all| (all.found, all.mask_weights));
        losses.mask = masks.loss(tape, &own.logits, model.mask_side(), rule, sums);
    }
}

/// The masks of regions that have to find an object, with `logits` `[F * side * side]`, beside their objects.
pub(super) fn pairs<'a>(
    logits: &'a [f32],
    masks: &'a MaskTargets,
    shares: &'a [f32],
    side: usize,
) -> impl Iterator<Item = Pair<'a>> {
    let objects = masks.masks.chunks_exact(side * side);
    let both = logits.chunks_exact(side * side).zip(objects);
    both.enumerate().map(|(at, (logits, object))| Pair {
        logits,
        object,
        share: shares.get(at).copied().unwrap_or(1.0),
    })
}
