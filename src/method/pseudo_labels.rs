//! From the teacher's candidates to the student's targets.
//!
//! Candidates -> minimum area -> tiers of the filter -> correction -> medium candidates accepted or not -> duplicates
//! dropped, the better one first -> targets. The filter is told of each image what was seen, and then what was kept.

use super::candidates::{Candidate, Choice, Proposals, propose};
use super::config::TeacherStudentConfig;
use super::correction::{Corrected, Correction, Progress, Region};
use super::filter::{Clock, Filter, Tier};
use super::report::TierCounts;
use super::targets::Targets;
use super::weighting::Weighting;
use crate::graph::Mask2Former;
use crate::ops;
use crate::structures::{Mask, Picture};
use crate::tensor::{Later, Map, Tensor2};
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
    /// Its row in [`ImageLabels::logits`].
    row: usize,
}

/// The pseudo-labels of one image.
#[derive(Clone, Debug)]
pub struct ImageLabels {
    /// The labels, best first.
    pub labels: Vec<PseudoLabel>,
    /// Mask logits of the teacher at the padded input size, `[N, height * width]`, where the networks are; those of other images among them.
    pub(super) logits: Tensor2,
    /// What became of the candidates.
    pub counts: TierCounts,
}

/// What is known of an image before it is filtered.
struct View<'a> {
    proposals: &'a Proposals,
    picture: &'a Picture,
    clock: Clock,
}

/// The candidates of an image by their tiers.
struct Sorted {
    /// Of every candidate.
    tiers: Vec<Tier>,
    /// Those that are not low.
    survivors: Vec<usize>,
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

    /// What the teacher proposes for its views of one step, `images`.
    pub fn propose(&self, teacher: &Mask2Former, images: &Map) -> Later<Vec<Proposals>> {
        let choice = Choice {
            score: self.config.score,
            selection: self.config.candidates,
            top: self.config.top_pairs,
        };
        propose(teacher, images, choice)
    }

    /// Labels the teacher's views of one step, `pictures`. `last_of_epoch`: the step ends a pass over the unlabelled images.
    pub fn label(
        &mut self,
        proposals: &[Proposals],
        pictures: &[&Picture],
        progress: Progress,
        last_of_epoch: bool,
    ) -> Vec<ImageLabels> {
        let last = pictures.len().saturating_sub(1);
        let clock = |image: usize| Clock {
            last_of_step: image == last,
            last_of_epoch: last_of_epoch && image == last,
        };
        let views: Vec<View> = proposals
            .iter()
            .zip(pictures)
            .enumerate()
            .map(|(image, (proposals, picture))| View {
                proposals,
                picture,
                clock: clock(image),
            })
            .collect();
        let together = match self.filter.needs_labels() {
            true => 1,
            false => views.len().max(1),
        };
        let labels = views
            .chunks(together)
            .map(|views| self.label_together(views, progress));
        labels.collect::<Vec<_>>().into_iter().flatten().collect()
    }

    /// Labels views of which none's tiers depend on another's labels. A GPU is waited for twice: for all masks, then for what the correction
    /// says about each image.
    fn label_together(&mut self, views: &[View], progress: Progress) -> Vec<ImageLabels> {
        let sorted: Vec<Sorted> = views.iter().map(|view| self.sort(view)).collect();
        let queries = views.iter().zip(&sorted).map(|(view, sorted)| {
            let candidates = &view.proposals.candidates;
            let queries = sorted.survivors.iter().map(|i| candidates[*i].query);
            (view.proposals, queries.collect())
        });
        let logits = Proposals::logits(&queries.collect::<Vec<_>>());
        let mut bits = ops::above_zero(&logits).into_iter();
        let mut first = 0;
        let mut survivors = Vec::with_capacity(views.len());
        for (view, sorted) in views.iter().zip(sorted) {
            let (height, width) = (view.proposals.height, view.proposals.width);
            let masks = bits.by_ref().take(sorted.survivors.len());
            let masks: Vec<Mask> = masks.map(|bits| Mask::new(height, width, bits)).collect();
            let regions: Vec<Region> = sorted
                .survivors
                .iter()
                .zip(&masks)
                .enumerate()
                .map(|(row, (i, mask))| Region {
                    tier: sorted.tiers[*i],
                    probabilities: &view.proposals.candidates[*i].probabilities,
                    mask,
                    logits: (&logits, first + row),
                })
                .collect();
            let answers = self.correction.correct(view.picture, &regions, progress);
            let next = first + masks.len();
            survivors.push((sorted, masks, first, answers));
            first = next;
        }
        let of_view = |(view, (sorted, masks, first, answers)): (&View, _)| {
            self.finish(view, sorted, masks, first, answers, &logits)
        };
        views.iter().zip(survivors).map(of_view).collect()
    }

    /// Puts the candidates of a view into their tiers.
    fn sort(&mut self, view: &View) -> Sorted {
        let candidates = &view.proposals.candidates;
        let tiers: Vec<Tier> = candidates
            .iter()
            .map(|candidate| self.tier(candidate))
            .collect();
        self.filter.observe(candidates, view.clock);
        Sorted {
            survivors: (0..candidates.len())
                .filter(|i| tiers[*i] != Tier::Low)
                .collect(),
            tiers,
        }
    }

    /// The labels among the survivors of a view, whose masks are the rows of `logits` from `first` on.
    fn finish(
        &mut self,
        view: &View,
        Sorted { tiers, survivors }: Sorted,
        masks: Vec<Mask>,
        first: usize,
        answers: Later<Vec<Option<Corrected>>>,
        logits: &Tensor2,
    ) -> ImageLabels {
        let candidates = &view.proposals.candidates;
        let mut kept = vec![false; candidates.len()];
        let mut labels = Vec::new();
        let rows = survivors.iter().zip(masks).zip(answers.wait());
        for (row, ((i, mask), answer)) in (first..).zip(rows) {
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
                    row,
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
        self.filter.learn(candidates, &kept, view.clock);
        ImageLabels {
            labels,
            logits: logits.clone(),
            counts,
        }
    }

    fn tier(&self, candidate: &Candidate) -> Tier {
        if candidate.area > self.config.min_area {
            self.filter.tier(candidate)
        } else {
            Tier::Low
        }
    }

    /// What the student learns from the labels of an image.
    pub fn targets<'l>(&self, image: &'l ImageLabels) -> Targets<'l> {
        let labels = &image.labels;
        let rows: Vec<usize> = labels.iter().map(|label| label.row).collect();
        Targets {
            classes: labels.iter().map(|label| label.class).collect(),
            masks: labels
                .iter()
                .map(|label| Cow::Borrowed(&label.mask))
                .collect(),
            discounts: self.weighting.discounts(&image.logits, &rows),
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

    /// Says class 1 with a given probability to everything.
    struct Says(f32);

    impl Correction for Says {
        fn correct(
            &self,
            _: &Picture,
            regions: &[Region],
            _: Progress,
        ) -> Later<Vec<Option<Corrected>>> {
            let answer = Corrected {
                class: 1,
                probability: self.0,
            };
            Later::ready(vec![Some(answer); regions.len()])
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

    fn run(correction: Box<dyn Correction>) -> (Vec<(usize, Tier)>, TierCounts, Targets<'static>) {
        let mut labeller = labeller(correction);
        let picture = Picture::new(8, 8, vec![0; 192]);
        let image = labeller
            .label(&[example()], &[&picture], Progress::default(), false)
            .remove(0);
        let targets = labeller.targets(&image);
        let targets = Targets {
            masks: Vec::new(),
            ..targets
        };
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
        let discounts = targets.discounts.unwrap();
        assert_eq!((discounts.rows(), discounts.columns()), (1, 64));
        assert!(discounts.values().iter().all(|u| (0.0..=1.0).contains(u)));

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
        let image = labeller
            .label(&[example()], &[&picture], Progress::default(), false)
            .remove(0);
        assert_eq!((image.counts.low, image.counts.kept), (3, 0));
    }
}
