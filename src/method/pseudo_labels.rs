//! From the teacher's candidates to the student's targets.
//!
//! Candidates -> minimum area -> tiers of the filter -> correction -> medium candidates accepted or not -> duplicates
//! dropped, the better one first -> targets. After each image the filter is told what was seen and kept.

use super::candidates::{Candidate, Proposals, propose};
use super::config::TeacherStudentConfig;
use super::correction::{Correction, Progress, Region};
use super::filter::{Clock, Filter, Tier};
use super::report::TierCounts;
use super::targets::Targets;
use super::weighting::Weighting;
use crate::graph::Mask2Former;
use crate::structures::{Mask, Picture};

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
    /// Mask logits of the teacher at the same size.
    logits: Vec<f32>,
}

/// The pseudo-labels of one image.
#[derive(Clone, Debug, Default)]
pub struct ImageLabels {
    /// The labels, best first.
    pub labels: Vec<PseudoLabel>,
    /// What became of the candidates.
    pub counts: TierCounts,
}

/// The chain of rules, with their state.
pub struct Labeller {
    config: TeacherStudentConfig,
    /// Slot `filter`.
    pub filter: Box<dyn Filter>,
    /// Slot `correction`.
    pub correction: Box<dyn Correction>,
    /// Slot `weighting`.
    pub weighting: Box<dyn Weighting>,
}

impl Labeller {
    /// Puts the rules of `config` together.
    pub fn new(
        config: TeacherStudentConfig,
        filter: Box<dyn Filter>,
        correction: Box<dyn Correction>,
        weighting: Box<dyn Weighting>,
    ) -> Self {
        Self {
            config,
            filter,
            correction,
            weighting,
        }
    }

    /// Labels the teacher's views of one step. `last_of_epoch`: the step ends a pass over the unlabelled images.
    pub fn label(
        &mut self,
        teacher: &Mask2Former,
        pictures: &[&Picture],
        progress: Progress,
        last_of_epoch: bool,
    ) -> Vec<ImageLabels> {
        let TeacherStudentConfig {
            score,
            candidates,
            top_pairs,
            ..
        } = self.config;
        let proposals = propose(teacher, pictures, score, candidates, top_pairs);
        let last = pictures.len().saturating_sub(1);
        let mut labels = Vec::with_capacity(pictures.len());
        for (i, (proposals, picture)) in proposals.iter().zip(pictures).enumerate() {
            let last_of_step = i == last;
            let clock = Clock {
                last_of_step,
                last_of_epoch: last_of_epoch && last_of_step,
            };
            labels.push(self.label_image(proposals, picture, progress, clock));
        }
        labels
    }

    fn label_image(
        &mut self,
        proposals: &Proposals,
        picture: &Picture,
        progress: Progress,
        clock: Clock,
    ) -> ImageLabels {
        let candidates = &proposals.candidates;
        let tiers: Vec<Tier> = candidates
            .iter()
            .map(|candidate| self.tier(candidate))
            .collect();
        let survivors: Vec<usize> = (0..candidates.len())
            .filter(|i| tiers[*i] != Tier::Low)
            .collect();
        let queries: Vec<usize> = survivors.iter().map(|i| candidates[*i].query).collect();
        let logits = proposals.logits(&queries);
        let masks: Vec<Mask> = logits
            .iter()
            .map(|logits| Mask::from_logits(logits, proposals.height, proposals.width))
            .collect();
        let regions: Vec<Region> = survivors
            .iter()
            .zip(&masks)
            .zip(&logits)
            .map(|((i, mask), logits)| Region {
                tier: tiers[*i],
                probabilities: &candidates[*i].probabilities,
                mask,
                logits,
            })
            .collect();
        let answers = self.correction.correct(picture, &regions, progress);

        let mut kept = vec![false; candidates.len()];
        let mut labels = Vec::new();
        let rows = survivors.iter().zip(masks).zip(logits).zip(answers);
        for (((i, mask), logits), answer) in rows {
            let (candidate, tier) = (&candidates[*i], tiers[*i]);
            let sure = answer.is_some_and(|answer| answer.probability >= self.filter.accept());
            kept[*i] = tier == Tier::High || sure;
            if kept[*i] {
                labels.push(PseudoLabel {
                    class: answer.map_or(candidate.class, |answer| answer.class),
                    teacher_class: candidate.class,
                    tier,
                    score: candidate.class_quality * candidate.mask_quality,
                    mask,
                    logits,
                });
            }
        }
        let before = labels.len();
        let labels = without_duplicates(labels, self.config.duplicate_iou);
        let of_tier = |tier| tiers.iter().filter(|other| **other == tier).count();
        let counts = TierCounts {
            high: of_tier(Tier::High),
            medium: of_tier(Tier::Medium),
            low: of_tier(Tier::Low),
            accepted: (0..kept.len())
                .filter(|i| kept[*i] && tiers[*i] == Tier::Medium)
                .count(),
            duplicates: before - labels.len(),
            kept: labels.len(),
        };
        self.filter.observe(candidates, &kept, clock);
        ImageLabels { labels, counts }
    }

    fn tier(&self, candidate: &Candidate) -> Tier {
        if candidate.area > self.config.min_area {
            self.filter.tier(candidate)
        } else {
            Tier::Low
        }
    }

    /// What the student learns from the labels of an image.
    pub fn targets(&self, image: &ImageLabels) -> Targets {
        let labels = &image.labels;
        Targets {
            classes: labels.iter().map(|label| label.class).collect(),
            masks: labels.iter().map(|label| label.mask.clone()).collect(),
            discounts: labels
                .iter()
                .map(|label| self.weighting.discounts(&label.logits))
                .collect(),
        }
    }
}

/// Sorts `labels`, high tier first, then by score, and drops each that overlaps a better one by more than `most`. Ties keep
/// their order.
fn without_duplicates(mut labels: Vec<PseudoLabel>, most: f64) -> Vec<PseudoLabel> {
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
    use crate::method::candidates::tests::example;
    use crate::method::config::{MethodConfig, tests::table};
    use crate::method::correction::Corrected;
    use crate::method::filter::FILTERS;
    use crate::method::weighting::WEIGHTINGS;
    use crate::registry;

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
            logits: vec![],
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

    /// Says class 1 with a given probability to everything.
    struct Says(f32);

    impl Correction for Says {
        fn correct(&self, _: &Picture, regions: &[Region], _: Progress) -> Vec<Option<Corrected>> {
            vec![
                Some(Corrected {
                    class: 1,
                    probability: self.0
                });
                regions.len()
            ]
        }
    }

    /// The labeller of a recipe with wide tiers: the first query is high, the second medium, the third low.
    fn labeller(correction: Box<dyn Correction>) -> Labeller {
        let MethodConfig::TeacherStudent(config) = MethodConfig::try_from(table("method")).unwrap()
        else {
            panic!("PL-DC has a teacher")
        };
        let mut rule = config.filter.clone();
        rule["class-margin"] = 0.4.into();
        rule["mask-margin"] = 0.3.into();
        let mut filter = registry::build(FILTERS, rule).unwrap();
        filter.start(&crate::data::split::ClassCounts {
            annotations: vec![1, 1],
            objects: vec![1, 1],
        });
        let weighting = registry::build(WEIGHTINGS, config.weighting.clone()).unwrap();
        Labeller::new(*config, filter, correction, weighting)
    }

    fn run(correction: Box<dyn Correction>) -> (Vec<(usize, Tier)>, TierCounts, Targets) {
        let mut labeller = labeller(correction);
        let picture = Picture::new(8, 8, vec![0; 192]);
        let clock = Clock {
            last_of_step: true,
            last_of_epoch: false,
        };
        let image = labeller.label_image(&example(), &picture, Progress::default(), clock);
        let targets = labeller.targets(&image);
        (
            image.labels.iter().map(|l| (l.class, l.tier)).collect(),
            image.counts,
            targets,
        )
    }

    #[test]
    fn a_medium_candidate_needs_the_correction() {
        let keep = registry::build(
            super::super::correction::CORRECTIONS,
            "name = \"keep\"".parse().unwrap(),
        );
        let (labels, counts, targets) = run(keep.unwrap());
        assert_eq!(labels, [(0, Tier::High)]);
        assert_eq!((counts.high, counts.medium, counts.low), (1, 1, 1));
        assert_eq!((counts.accepted, counts.kept), (0, 1));
        assert_eq!(targets.classes, [0]);
        let discounts = &targets.discounts.unwrap()[0];
        assert!(discounts.iter().all(|u| (0.0..=1.0).contains(u)) && discounts.len() == 64);

        let (labels, counts, _) = run(Box::new(Says(0.6)));
        assert_eq!(
            labels,
            [(1, Tier::High), (1, Tier::Medium)],
            "both are corrected"
        );
        assert_eq!((counts.accepted, counts.kept), (1, 2));
        let (labels, ..) = run(Box::new(Says(0.4)));
        assert_eq!(labels, [(1, Tier::High)], "0.4 is below `accept`");
    }

    #[test]
    fn small_masks_are_low_whatever_their_scores() {
        let mut labeller = labeller(Box::new(Says(0.9)));
        labeller.config.min_area = 32;
        let picture = Picture::new(8, 8, vec![0; 192]);
        let clock = Clock {
            last_of_step: true,
            last_of_epoch: false,
        };
        let image = labeller.label_image(&example(), &picture, Progress::default(), clock);
        assert_eq!((image.counts.low, image.counts.kept), (3, 0));
    }
}
