//! Pseudo-labels: what the teacher's candidates became, and what the student learns from them.

use super::filter::Tier;
use crate::detector::{Discounts, ObjectMask, ObjectWeights, Targets};
use crate::ops::Bounds;
use crate::structures::{Mask, Resampling};
use crate::tensor::Tensor2;
use derive_more::Add;
use serde::Serialize;
use std::borrow::Cow;
use std::sync::Arc;

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
    /// Class quality and mask quality, before correction.
    pub(super) qualities: [f32; 2],
    /// The row of its mask among the proposals.
    pub(super) proposal: usize,
    /// The rectangle that the teacher detected, if it detects any.
    pub(super) bounds: Option<Bounds>,
    /// Its row among the logits of the images that were labelled with it.
    pub(super) row: usize,
}

/// The outcome of the candidates of some images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Add)]
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
#[derive(Clone, Debug, Default)]
pub struct ImageLabels {
    /// The labels, best first.
    pub labels: Vec<PseudoLabel>,
    /// The masks of the student's targets, if they have another resolution than those of the labels.
    pub coarse: Option<Vec<Mask>>,
    /// The rectangles of the student's targets, if they are not those of the masks.
    pub bounds: Option<Vec<Bounds>>,
    /// The weights of the labels in the losses; none: 1.
    pub weights: Option<Vec<ObjectWeights>>,
    /// The reduction of each pixel's loss by the weighting, for every label and pixel of the student's targets.
    pub discounts: Option<Arc<dyn Discounts>>,
    /// The outcome of the candidates.
    pub counts: TierCounts,
}

impl ImageLabels {
    /// The targets of the student.
    pub fn targets(&self) -> Targets<'_> {
        let labels = self.labels.iter();
        Targets {
            classes: labels.clone().map(|label| label.class).collect(),
            masks: match &self.coarse {
                Some(masks) => masks.iter().map(ObjectMask::from).collect(),
                None => labels.map(|label| (&label.mask).into()).collect(),
            },
            discounts: self.discounts.clone(),
            bounds: self.bounds.clone(),
            weights: self.weights.clone(),
        }
    }

    /// The labels in the student's view, to which `moved` takes the teacher's masks; without it they stay as they are.
    /// A label without a pixel left is dropped. What the teacher did not see belongs to no label and has the whole
    /// weight.
    pub fn seen_by_student(&self, moved: Option<&Resampling>) -> Cow<'_, Self> {
        let Some(moved) = moved else {
            return Cow::Borrowed(self);
        };
        let labels = self.labels.iter().enumerate().map(|(row, label)| {
            let mask = moved.moved(&label.mask);
            let label = PseudoLabel {
                mask,
                ..label.clone()
            };
            (row, label)
        });
        let (rows, labels): (Vec<usize>, Vec<PseudoLabel>) =
            labels.filter(|(_, label)| label.mask.area() > 0).unzip();
        let coarse = self.coarse.as_ref().and_then(|masks| masks.first());
        let (moved_targets, width) = match (self.labels.first(), coarse) {
            (Some(label), Some(coarse)) => (moved.on_grid(&label.mask, coarse), coarse.width),
            (first, _) => (moved.clone(), first.map_or(0, |label| label.mask.width)),
        };
        let of_rows = |row: &usize| self.bounds.as_ref().map(|all| all[*row]);
        let bounds =
            |row: &usize| of_rows(row).map(|bounds| Bounds::new(moved.around(bounds.to_array())));
        let coarse = |row: &usize| {
            self.coarse
                .as_ref()
                .map(|all| moved_targets.moved(&all[*row]))
        };
        let weights = |row: &usize| self.weights.as_ref().map(|all| all[*row]);
        let discounts = self.discounts.as_ref().map(|all| Moved {
            all: Arc::clone(all),
            rows: rows.clone(),
            moved: moved_targets.clone(),
            width,
        });
        Cow::Owned(Self {
            labels,
            discounts: discounts.map(|moved| Arc::new(moved) as Arc<dyn Discounts>),
            coarse: self
                .coarse
                .as_ref()
                .and_then(|_| rows.iter().map(coarse).collect()),
            bounds: self
                .bounds
                .as_ref()
                .and_then(|_| rows.iter().map(bounds).collect()),
            weights: self
                .weights
                .as_ref()
                .and_then(|_| rows.iter().map(weights).collect()),
            counts: self.counts,
        })
    }
}

/// Discounts in the student's view.
#[derive(Debug)]
struct Moved {
    /// Those in the teacher's view.
    all: Arc<dyn Discounts>,
    /// The rows among them that the student sees.
    rows: Vec<usize>,
    /// The way from the teacher's view to the student's.
    moved: Resampling,
    /// Columns of a mask.
    width: usize,
}

impl Discounts for Moved {
    fn values(&self) -> Tensor2 {
        let all = self.all.values();
        let (values, pixels) = (all.host_values(), all.columns());
        let of_row = |row: &usize| {
            let row = &values[row * pixels..][..pixels];
            self.moved.values(row, self.width)
        };
        let values = self.rows.iter().flat_map(of_row).collect();
        Tensor2::constant(values, self.rows.len(), pixels).to(&all.place())
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
            qualities: [score, 1.0],
            proposal: 0,
            bounds: None,
            row: 0,
        }
    }

    #[test]
    fn labels_and_their_weights_follow_into_the_student_s_view() {
        use crate::structures::{AffineMap, Area};
        let image = ImageLabels {
            labels: vec![
                label(Tier::High, 0.9, 0..3),
                label(Tier::High, 0.8, 6..8),
                label(Tier::High, 0.7, 2..5),
            ],
            discounts: Some(Arc::new(Tensor2::constant(
                (0..3 * 64)
                    .map(|i| (i / 64) as f32 + (i % 8) as f32 / 100.0)
                    .collect(),
                3,
                64,
            ))),
            bounds: Some(
                [0.0, 6.0, 2.0]
                    .map(|x1| Bounds::new([x1, 1.0, x1 + 2.0, 4.0]))
                    .into(),
            ),
            weights: Some(
                [1.0, 2.0, 3.0]
                    .map(|class| ObjectWeights { class, mask: 0.5 })
                    .into(),
            ),
            counts: TierCounts {
                kept: 3,
                ..TierCounts::default()
            },
            ..ImageLabels::default()
        };
        assert!(matches!(image.seen_by_student(None), Cow::Borrowed(_)));
        let all = Area {
            rows: 0..8,
            columns: 0..8,
        };
        let right = AffineMap::translation([3.0, 0.0]);
        let moved = image.seen_by_student(Some(&Resampling::new(right, all.clone(), all)));
        let expected = [label(Tier::High, 0.9, 3..6), label(Tier::High, 0.7, 5..8)];
        assert_eq!(moved.labels.len(), 2, "the second left the view");
        for (found, expected) in moved.labels.iter().zip(&expected) {
            assert_eq!((&found.mask, found.score), (&expected.mask, expected.score));
        }
        let discounts = moved.discounts.as_ref().unwrap().values();
        assert_eq!((discounts.rows(), discounts.columns()), (2, 64));
        let values = discounts.values();
        assert_eq!(values[..8], [0.0, 0.0, 0.0, 0.0, 0.01, 0.02, 0.03, 0.04]);
        assert_eq!(values[64..72], [0.0, 0.0, 0.0, 2.0, 2.01, 2.02, 2.03, 2.04]);
        assert_eq!(moved.counts, image.counts, "what the teacher labelled");
        let bounds = [3.0, 5.0].map(|x1| Bounds::new([x1, 1.0, x1 + 2.0, 4.0]));
        assert_eq!(moved.bounds.as_deref(), Some(&bounds[..]));
        let weights = moved
            .weights
            .as_ref()
            .unwrap()
            .iter()
            .map(|weights| weights.class);
        assert_eq!(weights.collect::<Vec<_>>(), [1.0, 3.0]);
    }

    #[test]
    fn coarse_targets_follow_into_the_student_s_view() {
        use crate::structures::{AffineMap, Area};
        let coarse =
            |column: usize| Mask::new(4, 4, (0..16).map(|i| u8::from(i % 4 == column)).collect());
        let image = ImageLabels {
            labels: vec![label(Tier::High, 0.9, 6..8), label(Tier::High, 0.8, 2..4)],
            coarse: Some(vec![coarse(3), coarse(1)]),
            discounts: Some(Arc::new(Tensor2::constant(vec![0.5; 32], 2, 16))),
            ..ImageLabels::default()
        };
        let all = Area {
            rows: 0..8,
            columns: 0..8,
        };
        let right = AffineMap::translation([2.0, 0.0]);
        let moved = image.seen_by_student(Some(&Resampling::new(right, all.clone(), all)));
        let targets = moved.targets();
        assert_eq!(targets.masks.len(), 1);
        assert_eq!(*targets.masks[0].pixels(), coarse(2));
        let discounts = moved.discounts.as_ref().unwrap().values();
        assert_eq!(
            (discounts.rows(), &discounts.values()[..4]),
            (1, &[0.0, 0.5, 0.5, 0.5][..])
        );
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
