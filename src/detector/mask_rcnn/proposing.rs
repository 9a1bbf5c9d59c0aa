//! From the predictions for anchors to proposals: the regions that the heads look at.
//!
//! Of every level the anchors with the highest scores are decoded and clipped to the image, small ones are dropped,
//! duplicates of a level are suppressed, and the best of all levels stay. Predictions that are not finite make no
//! proposal. No gradient flows through. Source: Feature Pyramid Networks, section 4.1, as detectron2 and torchvision
//! implement it.

use crate::graph::mask_rcnn::{LEVELS, Rules};
use crate::ops::{Bounds, sigmoid, suppress_by_group, top_k};

/// The weights of the deltas of anchors.
pub const ANCHOR_WEIGHTS: [f32; 4] = [1.0; 4];

/// The numbers of proposals.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProposalCount {
    /// Anchors of a level.
    pub per_level: usize,
    /// Proposals of an image.
    pub kept: usize,
    /// The largest overlap of two proposals of a level.
    pub overlap: f32,
}

/// The anchors of an image, in the order of the predictions.
#[derive(Clone, Copy, Debug)]
pub struct Anchors<'a> {
    /// The rectangles.
    pub all: &'a [Bounds],
    /// The number of anchors of each level.
    pub of_level: [usize; LEVELS],
}

/// The proposals of an image of `size` rows and columns with their scores, best first, from the `logits` `[A]` and the
/// `deltas` `[A, 4]` of its anchors.
pub fn scored_proposals(
    rules: &Rules,
    count: ProposalCount,
    anchors: Anchors,
    (logits, deltas): (&[f32], &[f32]),
    size: (usize, usize),
) -> Vec<(Bounds, f32)> {
    let coder = rules.coder(ANCHOR_WEIGHTS);
    let (mut boxes, mut scores, mut levels) = (Vec::new(), Vec::new(), Vec::new());
    let mut first = 0;
    for (level, anchors_of_level) in anchors.of_level.into_iter().enumerate() {
        let own = first..first + anchors_of_level;
        let finite: Vec<usize> = own.filter(|index| logits[*index].is_finite()).collect();
        let finite_logits: Vec<f32> = finite.iter().map(|index| logits[*index]).collect();
        for place in top_k(&finite_logits, count.per_level) {
            let index = finite[place];
            let delta: [f32; 4] = std::array::from_fn(|side| deltas[4 * index + side]);
            let decoded = coder.decode(delta, anchors.all[index]);
            if !decoded.is_finite() {
                continue;
            }
            let bounds = decoded.clipped(size);
            if is_large(bounds, rules.least_proposal) {
                boxes.push(bounds);
                levels.push(level);
                scores.push(match rules.orders_by_probability {
                    true => sigmoid(logits[index]),
                    false => logits[index],
                });
            }
        }
        first += anchors_of_level;
    }
    let kept = suppress_by_group(&boxes, &scores, &levels, count.overlap, count.kept);
    kept.into_iter()
        .map(|index| (boxes[index], scores[index]))
        .collect()
}

/// Returns true if both sides are at least `least` long, and above 0.
pub fn is_large(bounds: Bounds, least: f32) -> bool {
    [bounds.width(), bounds.height()]
        .iter()
        .all(|side| *side > 0.0 && *side >= least)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::mask_rcnn::Semantics;

    const COUNT: ProposalCount = ProposalCount {
        per_level: 2,
        kept: 3,
        overlap: 0.7,
    };

    /// Anchors of 10 pixels at these left edges.
    fn anchors(lefts: &[f32]) -> Vec<Bounds> {
        let at = |x: &f32| Bounds::new([*x, 0.0, x + 10.0, 10.0]);
        lefts.iter().map(at).collect()
    }

    fn proposals(
        rules: &Rules,
        count: ProposalCount,
        anchors: Anchors,
        predicted: (&[f32], &[f32]),
        size: (usize, usize),
    ) -> Vec<Bounds> {
        let scored = scored_proposals(rules, count, anchors, predicted, size);
        assert!(
            scored.is_sorted_by(|one, other| one.1 >= other.1),
            "{scored:?}"
        );
        scored.into_iter().map(|(bounds, _)| bounds).collect()
    }

    fn found(lefts: &[f32], of_level: [usize; LEVELS], logits: &[f32]) -> Vec<f32> {
        let all = anchors(lefts);
        let anchors = Anchors {
            all: &all,
            of_level,
        };
        let deltas = vec![0.0; 4 * logits.len()];
        let rules = Semantics::Detectron2.rules();
        let boxes = proposals(&rules, COUNT, anchors, (logits, &deltas), (20, 60));
        boxes.iter().map(|bounds| bounds.x1).collect()
    }

    #[test]
    fn the_best_of_each_level_stay_in_the_order_of_their_scores() {
        let found = found(
            &[0.0, 15.0, 30.0, 40.0, 45.0],
            [3, 2, 0, 0, 0],
            &[0.1, 0.5, 0.9, -3.0, -2.0],
        );
        // The third of the first level is not looked at; three are kept.
        assert_eq!(found, [30.0, 15.0, 45.0]);
    }

    #[test]
    fn only_a_proposal_of_the_same_level_suppresses() {
        let all = [0.0, 1.0, 0.0];
        assert_eq!(found(&all, [2, 1, 0, 0, 0], &[0.5, 0.9, 0.1]), [1.0, 0.0]);
        assert_eq!(
            found(&all, [1, 1, 1, 0, 0], &[0.5, 0.9, 0.1]),
            [1.0, 0.0, 0.0]
        );
    }

    #[test]
    fn what_lies_outside_is_dropped() {
        assert_eq!(found(&[70.0, 55.0], [2, 0, 0, 0, 0], &[0.5, 0.4]), [55.0]);
    }

    #[test]
    fn a_delta_that_is_no_number_drops_its_box() {
        let all = anchors(&[0.0, 20.0]);
        let anchors = Anchors {
            all: &all,
            of_level: [2, 0, 0, 0, 0],
        };
        for semantics in [
            Semantics::Detectron2,
            Semantics::Torchvision,
            Semantics::Mmdetection,
        ] {
            for place in 0..4 {
                let mut deltas = [0.0; 8];
                deltas[place] = f32::NAN;
                let predicted: (&[f32], &[f32]) = (&[0.5, 0.4], &deltas);
                let found = proposals(&semantics.rules(), COUNT, anchors, predicted, (20, 60));
                assert_eq!(found, all[1..], "{semantics:?}, delta {place}");
            }
        }
    }

    #[test]
    fn a_logit_that_is_not_finite_drops_its_box_and_takes_no_place() {
        for logit in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let lefts = [0.0, 15.0, 30.0, 45.0];
            let found = found(&lefts, [3, 1, 0, 0, 0], &[logit, 0.1, 0.2, 0.3]);
            assert_eq!(found, [45.0, 30.0, 15.0], "{logit}");
        }
    }

    #[test]
    fn a_side_has_to_be_as_long_as_the_rule_says() {
        let thin = Bounds::new([0.0, 0.0, 0.0005, 5.0]);
        assert!(is_large(thin, 0.0) && !is_large(thin, 1e-3));
        assert!(!is_large(Bounds::new([1.0, 0.0, 1.0, 5.0]), 0.0));
    }
}
