//! Detections in one picture from several views of it: its picture at several sizes, and mirrored.
//!
//! | merge | rule |
//! |---|---|
//! | `mean-by-proposal` | the proposals of all views are joined; each has its mean scores, boxes and masks |
//! | `union-nms` | the detections of all views are joined; of those of a class whose masks overlap, the best stays |
//!
//! Sources: `mean-by-proposal` is MMDetection's (`merge_augs.py`), with which Noisy Boundaries labels images; the data
//! distillation that it follows is <https://arxiv.org/abs/1712.04440>. `union-nms` is our definition for networks
//! without proposals, after detectron2's `test_time_augmentation.py`, which joins boxes.

use super::{Detector, Judged};
use crate::registry::Check;
use crate::structures::{LARGEST_SIDE, Picture};
use crate::tensor::Tape;
use schemars::JsonSchema;
use serde::Deserialize;

/// The views in which a network looks at a picture.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TestViews {
    /// The shorter sides of the views; none: the size of the evaluation. The bound of the longer side grows with them.
    pub short_sides: Vec<usize>,
    /// True if every view is also mirrored.
    pub flip: bool,
    /// The rule that makes one list of detections of those of all views.
    pub merge: Merge,
}

/// The rule that makes one list of detections of those of several views.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Merge {
    /// Every view scores the proposals of all views, and the means count. Only a network with proposals has it.
    MeanByProposal,
    /// The detections of all views, of which the best of overlapping ones of a class stays, by their masks.
    UnionNms,
}

/// One view of a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct TestView {
    /// The picture in the size of the view, mirrored if `flipped`.
    pub picture: Picture,
    /// True if left and right are swapped.
    pub flipped: bool,
}

/// What is asked of several views.
#[derive(Clone, Copy, Debug)]
pub struct ViewsRule {
    /// Rows and columns of the masks: those of the picture itself.
    pub size: (usize, usize),
    /// The largest number of detections.
    pub top: usize,
    /// The probability from which a pixel belongs to a mask, for [`Merge::MeanByProposal`]. A union has the masks of
    /// the detector's own rule.
    pub mask_threshold: f32,
    /// The rule of merging.
    pub merge: Merge,
}

/// The overlap of two masks of a class above which the worse is dropped from a union.
const OVERLAP: f64 = 0.5;
/// The most shorter sides.
const MOST_SIDES: usize = 100;

impl TestViews {
    /// Returns true if there is more than one view.
    pub fn are_several(&self) -> bool {
        self.flip || self.short_sides.len() > 1
    }

    /// Checks the keys. `merges`: the rules that the detector knows.
    pub fn check(&self, merges: &[Merge], check: &mut Check) {
        let count = self.short_sides.len();
        let allowed = format!("at most {MOST_SIDES} lengths in pixels");
        check.require(count <= MOST_SIDES, "short-sides", count, allowed);
        for side in &self.short_sides {
            check.range("short-sides", *side, 1..=LARGEST_SIDE);
        }
        let known = !self.are_several() || merges.contains(&self.merge);
        let allowed = "`union-nms` for a network without proposals";
        check.require(known, "merge", "`mean-by-proposal`", allowed);
    }
}

/// The union of the detections in `views`, the best of overlapping ones of a class.
///
/// Panics if `rule` asks for another merge: see [`super::DetectorConfig::merges`].
pub fn union(
    model: &(impl Detector + ?Sized),
    views: &[TestView],
    rule: &ViewsRule,
) -> Vec<Judged> {
    assert_eq!(rule.merge, Merge::UnionNms, "a network without proposals");
    let of_view = |view: &TestView| -> Vec<Judged> {
        let images = model.images(&[&view.picture]);
        let output = model.forward(&mut Tape::off(), &images);
        let found = output.judge(&[rule.size], rule.top).remove(0);
        match view.flipped {
            true => found.into_iter().map(mirrored).collect(),
            false => found,
        }
    };
    best(views.iter().flat_map(of_view).collect(), rule.top)
}

/// The detection with left and right swapped.
fn mirrored(mut judged: Judged) -> Judged {
    let found = &mut judged.detection;
    let width = found.mask.width as f32;
    found.mask = found.mask.flipped();
    found.bounds = found
        .bounds
        .map(|[x1, y1, x2, y2]| [width - x2, y1, width - x1, y2]);
    judged
}

/// The at most `top` best of `all`, without those that overlap a better one of their class. Of equal scores the first
/// is the better one.
fn best(mut all: Vec<Judged>, top: usize) -> Vec<Judged> {
    all.sort_by(|a, b| b.detection.score.total_cmp(&a.detection.score));
    let mut kept: Vec<Judged> = Vec::new();
    for one in all {
        if kept.len() == top {
            break;
        }
        let found = &one.detection;
        let hides = |better: &Judged| {
            let better = &better.detection;
            better.class == found.class && better.mask.iou(&found.mask) > OVERLAP
        };
        if !kept.iter().any(hides) {
            kept.push(one);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::structures::{Detection, Mask};

    /// A detection in the columns `columns` of 4 x 10 pixels.
    fn judged(class: usize, score: f32, columns: std::ops::Range<usize>) -> Judged {
        let bits = (0..40).map(|i| u8::from(columns.contains(&(i % 10))));
        Judged::by_class(Detection {
            class,
            score,
            bounds: Some([columns.start as f32, 1.0, columns.end as f32, 3.0]),
            mask: Mask::new(4, 10, bits.collect()),
        })
    }

    #[test]
    fn of_overlapping_detections_of_a_class_the_best_stays() {
        let all = vec![
            judged(0, 0.5, 0..4),
            judged(0, 0.9, 0..5),
            judged(1, 0.6, 0..5),
            // 2 of 4 and of 3 columns: exactly half of the union, which is not more.
            judged(0, 0.4, 3..6),
            judged(2, 0.3, 0..2),
            judged(2, 0.2, 0..4),
        ];
        let listed = |top| -> Vec<(usize, f32)> {
            let kept = best(all.clone(), top).into_iter();
            kept.map(|one| (one.detection.class, one.detection.score))
                .collect()
        };
        assert_eq!(
            listed(9),
            [(0, 0.9), (1, 0.6), (0, 0.4), (2, 0.3), (2, 0.2)]
        );
        assert_eq!(listed(2), [(0, 0.9), (1, 0.6)]);
    }

    #[test]
    fn a_mirrored_detection_lies_on_the_other_side() {
        let found = mirrored(judged(3, 0.5, 1..4)).detection;
        assert_eq!(found.bounds, Some([6.0, 1.0, 9.0, 3.0]));
        assert_eq!(found.mask, judged(3, 0.5, 6..9).detection.mask);
    }

    #[test]
    fn a_merge_that_a_network_does_not_know_is_refused_where_there_are_several_views() {
        let refused = |short_sides: &[usize], flip, merges: &[Merge]| {
            let views = TestViews {
                short_sides: short_sides.to_vec(),
                flip,
                merge: Merge::MeanByProposal,
            };
            let mut check = Check::new();
            views.check(merges, &mut check);
            let errors = check.finish().err().into_iter().flatten();
            errors.map(|error| error.key).collect::<Vec<_>>()
        };
        let union = [Merge::UnionNms];
        assert_eq!(refused(&[], true, &union), ["merge"]);
        assert_eq!(refused(&[400, 500], false, &union), ["merge"]);
        assert!(refused(&[], false, &union).is_empty(), "one view");
        let both = [Merge::MeanByProposal, Merge::UnionNms];
        assert!(refused(&[400, 500], true, &both).is_empty());
        assert_eq!(refused(&[0], false, &both), ["short-sides"]);
    }
}
