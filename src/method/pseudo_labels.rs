//! Pseudo-labels: what the teacher's candidates became, and what the student learns from them.

use super::filter::Tier;
use crate::detector::Targets;
use crate::structures::Mask;
use crate::tensor::Tensor2;
use derive_more::{Add, Sum};
use serde::Serialize;
use std::borrow::Cow;

/// One pseudo-label.
#[derive(Clone, Debug)]
pub struct PseudoLabel {
    /// The class after correction.
    pub class: usize,
    /// The teacher's own class.
    pub teacher_class: usize,
    /// High, or medium and accepted.
    pub tier: Tier,
    /// Class quality times mask quality, before correction.
    pub score: f32,
    /// The pixels, at the padded input size.
    pub mask: Mask,
    /// Its row among the logits of the images that were labelled with it.
    pub(super) row: usize,
}

/// The outcome of the candidates of some images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Add, Sum)]
pub struct TierCounts {
    /// Candidates of the high tier.
    pub high: usize,
    /// Candidates of the medium tier.
    pub medium: usize,
    /// Candidates of the low tier.
    pub low: usize,
    /// Medium candidates that the correction vouched for.
    pub accepted: usize,
    /// High or accepted candidates dropped as duplicates.
    pub duplicates: usize,
    /// Pseudo-labels: high and accepted less duplicates.
    pub kept: usize,
}

/// The pseudo-labels of one image.
#[derive(Clone, Debug)]
pub struct ImageLabels {
    /// The labels, best first.
    pub labels: Vec<PseudoLabel>,
    /// The reduction of each pixel's loss by the weighting, `[labels, height * width]`, at the place of the
    /// networks.
    pub discounts: Option<Tensor2>,
    /// The outcome of the candidates.
    pub counts: TierCounts,
}

impl ImageLabels {
    /// The targets of the student.
    pub fn targets(&self) -> Targets<'_> {
        let labels = self.labels.iter();
        Targets {
            classes: labels.clone().map(|label| label.class).collect(),
            masks: labels.map(|label| Cow::Borrowed(&label.mask)).collect(),
            discounts: self.discounts.clone(),
        }
    }
}

/// Sorts `labels`, high tier first, then by score, and drops each that overlaps a better one by more than
/// `most`. Ties keep their order.
pub(super) fn without_duplicates(mut labels: Vec<PseudoLabel>, most: f64) -> Vec<PseudoLabel> {
    labels.sort_by(|a, b| b.tier.cmp(&a.tier).then(b.score.total_cmp(&a.score)));
    let mut kept: Vec<PseudoLabel> = Vec::with_capacity(labels.len());
    for label in labels {
        // At 1.0 nothing can be dropped: spare the comparison.
        if most >= 1.0
            || kept
                .iter()
                .all(|better| better.mask.iou(&label.mask) <= most)
        {
            kept.push(label);
        }
    }
    kept
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::method) fn label(
        tier: Tier,
        score: f32,
        columns: std::ops::Range<usize>,
    ) -> PseudoLabel {
        let bits = (0..64)
            .map(|i| u8::from(columns.contains(&(i % 8))))
            .collect();
        PseudoLabel {
            class: 0,
            teacher_class: 0,
            tier,
            score,
            mask: Mask::new(8, 8, bits),
            row: 0,
        }
    }

    #[test]
    fn the_better_of_two_duplicates_stays() {
        let labels = vec![
            label(Tier::Medium, 0.9, 0..4),
            label(Tier::High, 0.5, 0..5),
            label(Tier::High, 0.6, 4..8),
        ];
        let scores = |most| -> Vec<f32> {
            without_duplicates(labels.clone(), most)
                .iter()
                .map(|label| label.score)
                .collect()
        };
        assert_eq!(
            scores(0.5),
            [0.6, 0.5],
            "0.9 is medium and overlaps 0.5 by 0.8"
        );
        assert_eq!(scores(0.9), [0.6, 0.5, 0.9]);
        assert_eq!(scores(1.0), [0.6, 0.5, 0.9]);
        assert_eq!(
            scores(0.1),
            [0.6, 0.9],
            "0.5 overlaps 0.6 by 0.125; what is dropped drops nothing"
        );
    }
}
