//! Detections from the predictions of the heads.
//!
//! Every pair of a region and a class with a probability above a bound is a box, decoded with the deltas of that class
//! and clipped to the image. Duplicates of a class are suppressed, the best boxes stay, and the mask head looks at
//! these boxes themselves. Of two branches the strong one finds the objects. Source: Mask R-CNN, section 3.1
//! (<https://arxiv.org/abs/1703.06870>).

use super::forward::{ForwardPass, Stage};
use super::proposing::is_large;
use crate::detector::by_region::{Found, regions_of};
use crate::graph::mask_rcnn::{Branch, Rules};
use crate::graph::regional::{IouPredictions, Region};
use crate::ops::{self, Bounds, suppress_by_group};
use crate::tensor::Tape;

/// The weights of the deltas of regions.
pub const REGION_WEIGHTS: [f32; 4] = [10.0, 10.0, 5.0, 5.0];

impl ForwardPass {
    /// The detections of every image, at most `most` and as many as the recipe allows, the most probable first.
    pub(super) fn found(&self, most: usize) -> Vec<Vec<Found>> {
        let numbers: Vec<usize> = (0..self.sizes.len()).collect();
        let proposals = self.proposals(Stage::Test, &numbers);
        let counts: Vec<usize> = proposals.iter().map(Vec::len).collect();
        let regions = regions_of(&proposals, |bounds| *bounds);
        if regions.is_empty() {
            return vec![Vec::new(); counts.len()];
        }
        let (model, tape) = (&self.model, &mut Tape::off());
        let predictions = model.region_predictions(tape, &self.levels, &regions, Branch::Strong);
        let mut classes = predictions.classes.host_values().into_owned();
        ops::softmax_rows(&mut classes, model.classes() + 1);
        let deltas = predictions.deltas.host_values();
        let config = &model.config().detections;
        let most = most.min(config.most);
        let (mut first, mut all) = (0, Vec::with_capacity(counts.len()));
        for (count, size) in counts.into_iter().zip(&self.sizes) {
            let rows = Rows {
                regions: &regions[first..][..count],
                classes: &classes[first * (model.classes() + 1)..],
                deltas: &deltas[first * 4 * model.classes()..],
                objects: model.classes(),
            };
            let bounds = (config.probability, config.overlap);
            all.push(rows.best(model.rules(), *size, bounds, most));
            first += count;
        }
        self.add_masks(&mut all);
        all
    }

    /// Looks at the boxes of the detections once more, for their masks.
    fn add_masks(&self, all: &mut [Vec<Found>]) {
        let regions = regions_of(all, |found| found.bounds);
        if regions.is_empty() {
            return;
        }
        let classes: Vec<usize> = all.iter().flatten().map(|one| one.class).collect();
        let own = self.own_masks(&mut Tape::off(), &regions, &classes, Branch::Strong);
        let logits = own.logits.host_values();
        let masks = logits.chunks_exact(self.model.mask_side().pow(2));
        for (one, mask) in all.iter_mut().flatten().zip(masks) {
            one.mask = mask.to_vec();
        }
        let ious = own.iou.iter().flat_map(IouPredictions::values);
        for (one, iou) in all.iter_mut().flatten().zip(ious) {
            one.mask_iou = Some(iou);
        }
    }
}

/// The predictions for the regions of an image.
struct Rows<'a> {
    regions: &'a [Region],
    /// Probabilities, background last.
    classes: &'a [f32],
    deltas: &'a [f32],
    /// K.
    objects: usize,
}

impl Rows<'_> {
    /// The best boxes of an image of `size` rows and columns, without masks.
    fn best(
        &self,
        rules: &Rules,
        size: (usize, usize),
        bounds: (f32, f32),
        most: usize,
    ) -> Vec<Found> {
        let coder = rules.coder(REGION_WEIGHTS);
        let decoded = |row: usize, class: usize| {
            let at = 4 * (row * self.objects + class);
            let deltas: [f32; 4] = std::array::from_fn(|side| self.deltas[at + side]);
            coder.decode(deltas, self.regions[row].bounds)
        };
        let own = &self.classes[..self.regions.len() * (self.objects + 1)];
        best((own, self.objects), decoded, rules, size, bounds, most)
    }
}

/// The best boxes of an image of `size` rows and columns, without masks. First come the probabilities of its regions,
/// `[R, K + 1]` with background last, and K. `of_class` gives the box of a region for a class. The last pair is the
/// probability that a box has to exceed, and the largest overlap of two boxes of a class.
pub(super) fn best(
    (all, objects): (&[f32], usize),
    of_class: impl Fn(usize, usize) -> Bounds,
    rules: &Rules,
    size: (usize, usize),
    (probability, overlap): (f32, f32),
    most: usize,
) -> Vec<Found> {
    let (mut boxes, mut scores, mut classes, mut rows) = (vec![], vec![], vec![], vec![]);
    for (row, probabilities) in all.chunks_exact(objects + 1).enumerate() {
        for (class, score) in probabilities[..objects].iter().enumerate() {
            if score.is_nan() || *score <= probability {
                continue;
            }
            let bounds = of_class(row, class);
            if !bounds.is_finite() {
                continue;
            }
            let bounds = bounds.clipped(size);
            if is_large(bounds, rules.least_detection) {
                boxes.push(bounds);
                scores.push(*score);
                classes.push(class);
                rows.push(row);
            }
        }
    }
    let kept = suppress_by_group(&boxes, &scores, &classes, overlap, most);
    let found = |index: usize| {
        let own = &all[rows[index] * (objects + 1)..][..objects];
        let sum: f32 = own.iter().sum();
        Found {
            bounds: boxes[index],
            class: classes[index],
            probability: scores[index],
            mask_iou: None,
            probabilities: own.iter().map(|p| p / sum).collect(),
            mask: Vec::new(),
        }
    };
    kept.into_iter().map(found).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::mask_rcnn::Semantics;

    #[test]
    fn each_class_has_its_box_and_suppresses_its_own_duplicates() {
        let region = |x: f32| Region {
            image: 0,
            bounds: Bounds::new([x, 0.0, x + 10.0, 10.0]),
        };
        // Background last. The second region is a duplicate of the first in class 0, and class 1 is moved far away.
        let classes = [0.6, 0.3, 0.1, 0.5, 0.04, 0.46];
        let mut deltas = vec![0.0; 16];
        deltas[4] = 20.0;
        let rows = Rows {
            regions: &[region(0.0), region(1.0)],
            classes: &classes,
            deltas: &deltas,
            objects: 2,
        };
        let rules = Semantics::Detectron2.rules();
        let best = |most| rows.best(&rules, (20, 40), (0.05, 0.5), most);
        let found = best(10);
        let listed: Vec<_> = found.iter().map(|one| (one.class, one.bounds.x1)).collect();
        assert_eq!(listed, [(0, 0.0), (1, 20.0)]);
        assert!((found[1].probability - 0.3).abs() < 1e-6);
        assert!((found[1].probabilities[1] - 0.3 / 0.9).abs() < 1e-6);
        assert_eq!(best(1).len(), 1);
    }
}
