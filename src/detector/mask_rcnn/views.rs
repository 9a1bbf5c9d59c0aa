//! Detections from several views of one picture, by the means over the proposals of all views.
//!
//! 1. The proposals of every view are mapped to the picture. One suppression over all of them leaves the best ones.
//! 2. Every view classifies these proposals. Probabilities and decoded boxes, mapped back, are averaged row by row.
//! 3. The detections are chosen from the means as those of a single view are.
//! 4. Every view segments the detected boxes. The probabilities, mirrored back, are averaged.
//! 5. The masks are pasted into the picture and cut at a threshold.
//!
//! Source: MMDetection 2.18 as in zhenyuw16/noisyboundaries 0c83823: `core/post_processing/merge_augs.py`,
//! `roi_heads/test_mixins.py`. The levels of all views are in memory at the same time.

use super::MaskRcnnDetector;
use super::detecting::{REGION_WEIGHTS, best};
use super::forward::ForwardPass;
use super::output::pasting;
use crate::detector::by_region::Found;
use crate::detector::quality::of_foreground;
use crate::detector::{Detector, Judged, TestView, ViewsRule};
use crate::graph::mask_rcnn::Branch;
use crate::graph::regional::{IouPredictions, Region};
use crate::ops::{self, Bounds, Foreground, paste_mask, suppress};
use crate::structures::Mask;
use crate::tensor::Tape;

/// A view, and its place in the picture.
struct Look {
    pass: ForwardPass,
    flipped: bool,
    /// Rows and columns of the view.
    own: (usize, usize),
    /// Rows and columns of the picture.
    size: (usize, usize),
}

/// The detections in `views`.
pub(super) fn judge(
    detector: &MaskRcnnDetector,
    views: &[TestView],
    rule: &ViewsRule,
) -> Vec<Judged> {
    let look = |view: &TestView| Look {
        pass: detector.pass(&mut Tape::off(), &detector.images(&[&view.picture])),
        flipped: view.flipped,
        own: (view.picture.height, view.picture.width),
        size: rule.size,
    };
    let looks: Vec<Look> = views.iter().map(look).collect();
    let Some(first) = looks.first() else {
        return Vec::new();
    };
    let model = &first.pass.model;
    let proposals = merged_proposals(&looks);
    if proposals.is_empty() {
        return Vec::new();
    }
    let objects = model.classes();
    let [classes, boxes] = means(looks.iter().map(|look| look.classified(&proposals)));
    let of_class = |row: usize, class: usize| {
        let at = 4 * (row * objects + class);
        Bounds::new(std::array::from_fn(|side| boxes[at + side]))
    };
    let config = &model.config().detections;
    let mut found = best(
        (&classes, objects),
        of_class,
        model.rules(),
        rule.size,
        (config.probability, config.overlap),
        rule.top.min(config.most),
    );
    if found.is_empty() {
        return Vec::new();
    }
    let [masks, ious] = means(looks.iter().map(|look| look.segmented(&found)));
    let side = model.mask_side();
    let of_one = masks.chunks_exact(side * side);
    for (one, mask) in found.iter_mut().zip(of_one) {
        one.mask = mask.to_vec();
    }
    for (one, iou) in found.iter_mut().zip(ious) {
        one.mask_iou = Some(iou);
    }
    let pasting = pasting(model);
    let judged = |one: &Found| {
        let pasted = paste_mask(&one.mask, side, one.bounds, rule.size, model.rules().paste);
        let bits = pasted.iter().map(|p| u8::from(*p >= rule.mask_threshold));
        let mask = Mask::new(rule.size.0, rule.size.1, bits.collect());
        let judged = pasting.judged(one, one.bounds, mask);
        match pasting.scores_masks {
            true => judged,
            false => Judged {
                mask_quality: quality(&one.mask),
                ..judged
            },
        }
    };
    found.iter().map(judged).collect()
}

/// Eq. 4 of the probabilities of a mask.
fn quality(probabilities: &[f32]) -> f32 {
    let inside = probabilities.iter().filter(|p| **p > 0.5);
    of_foreground(Foreground {
        mass: inside.clone().map(|p| f64::from(*p)).sum(),
        area: inside.count(),
    })
    .0
}

/// The best proposals of all views, in pixels of the picture.
fn merged_proposals(looks: &[Look]) -> Vec<Bounds> {
    let scored = looks.iter().flat_map(|look| {
        let own = look.pass.scored_proposals(0).into_iter();
        own.map(|(bounds, score)| (look.to_picture(bounds), score))
    });
    let (boxes, scores): (Vec<Bounds>, Vec<f32>) = scored.unzip();
    let config = &looks[0].pass.model.config().proposals;
    let mut kept = suppress(&boxes, &scores, config.overlap);
    kept.truncate(config.kept_test);
    kept.into_iter().map(|index| boxes[index]).collect()
}

/// The means of equally long lists of numbers, list by list.
fn means<const N: usize>(mut all: impl Iterator<Item = [Vec<f32>; N]>) -> [Vec<f32>; N] {
    let mut sums = all.next().expect("at least one view");
    let mut count = 1.0;
    for lists in all {
        count += 1.0;
        for (sum, list) in sums.iter_mut().zip(lists) {
            sum.iter_mut().zip(list).for_each(|(sum, one)| *sum += one);
        }
    }
    for sum in sums.iter_mut().flatten() {
        *sum /= count;
    }
    sums
}

impl Look {
    /// A rectangle of the view in pixels of the picture.
    fn to_picture(&self, bounds: Bounds) -> Bounds {
        let bounds = if self.flipped {
            self.mirrored(bounds)
        } else {
            bounds
        };
        let [across, down] = self.factors();
        bounds.scaled(across, down)
    }

    /// A rectangle of the picture in pixels of the view.
    fn to_view(&self, bounds: Bounds) -> Bounds {
        let [across, down] = self.factors();
        let bounds = bounds.scaled(1.0 / across, 1.0 / down);
        if self.flipped {
            self.mirrored(bounds)
        } else {
            bounds
        }
    }

    /// How many times the picture is as wide and as high as the view.
    fn factors(&self) -> [f32; 2] {
        [
            self.size.1 as f32 / self.own.1 as f32,
            self.size.0 as f32 / self.own.0 as f32,
        ]
    }

    fn mirrored(&self, bounds: Bounds) -> Bounds {
        let width = self.own.1 as f32;
        Bounds {
            x1: width - bounds.x2,
            x2: width - bounds.x1,
            ..bounds
        }
    }

    /// The rectangles of the picture as regions of this view.
    fn regions(&self, all: impl Iterator<Item = Bounds>) -> Vec<Region> {
        let region = |bounds| Region {
            image: 0,
            bounds: self.to_view(bounds),
        };
        all.map(region).collect()
    }

    /// The probabilities of `proposals`, `[R, K + 1]`, background last, and their boxes for every class, `[R, K, 4]` in
    /// pixels of the picture.
    fn classified(&self, proposals: &[Bounds]) -> [Vec<f32>; 2] {
        let (model, objects) = (&self.pass.model, self.pass.model.classes());
        let regions = self.regions(proposals.iter().copied());
        let tape = &mut Tape::off();
        let predictions =
            model.region_predictions(tape, &self.pass.levels, &regions, Branch::Strong);
        let mut classes = predictions.classes.host_values().into_owned();
        ops::softmax_rows(&mut classes, objects + 1);
        let coder = model.rules().coder(REGION_WEIGHTS);
        let deltas = predictions.deltas.host_values();
        let (deltas, _) = deltas.as_chunks::<4>();
        let boxes = deltas
            .iter()
            .enumerate()
            .flat_map(|(place, deltas)| {
                let decoded = coder.decode(*deltas, regions[place / objects].bounds);
                self.to_picture(decoded.clipped(self.own)).to_array()
            })
            .collect();
        [classes, boxes]
    }

    /// The probabilities of the masks of `found`, `[N, side, side]`, as the picture shows them, and their predicted
    /// IoU, `[N]`, of which there are none without an IoU head.
    fn segmented(&self, found: &[Found]) -> [Vec<f32>; 2] {
        let regions = self.regions(found.iter().map(|one| one.bounds));
        let classes: Vec<usize> = found.iter().map(|one| one.class).collect();
        let own = self
            .pass
            .own_masks(&mut Tape::off(), &regions, &classes, Branch::Strong);
        let mut masks = own.logits.host_values().into_owned();
        masks
            .iter_mut()
            .for_each(|logit| *logit = ops::sigmoid(*logit));
        if self.flipped {
            let rows = masks.chunks_exact_mut(self.pass.model.mask_side());
            rows.for_each(<[f32]>::reverse);
        }
        let ious = own.iou.iter().flat_map(IouPredictions::values);
        [masks, ious.collect()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_is_over_the_views() {
        let lists = [[vec![1.0, 2.0], vec![0.0]], [vec![3.0, 0.0], vec![1.0]]];
        assert_eq!(means(lists.into_iter()), [vec![2.0, 1.0], vec![0.5]]);
    }

    #[test]
    fn the_quality_counts_pixels_above_one_half() {
        assert!((quality(&[0.9, 0.6, 0.5, 0.1]) - 0.75).abs() < 1e-6);
        assert_eq!(quality(&[0.5, 0.2]), 0.0);
    }
}
