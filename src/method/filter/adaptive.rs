//! Filter `adaptive`: DF-ACAT of PL-DC, thresholds by class that start from the labelled counts and follow the teacher.
//!
//! Eq. 5 ([`initial_thresholds`]) starts them and eq. 6 ([`moved_threshold`]) moves them, for the class
//! quality and the mask quality alike, by the mean quality of the class's candidates since the last update.
//! High: both qualities reach their thresholds. Medium: both reach them less a margin. Low: the rest.
//!
//! The paper leaves open which annotations `$n_k$` counts, what eq. 6 averages, how often it runs and how far
//! "far below" is; the released code averages all candidates of an image and has no medium tier. Each is a
//! key.

use super::thresholds::{initial_thresholds, moved_threshold};
use super::{Clock, Readings, Rule, Tier};
use crate::data::split::ClassCounts;
use crate::detector::Candidate;
use crate::registry::{Check, Checked};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The n_k of eq. 5.
#[derive(Deserialize, Clone, Copy, PartialEq, Debug, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Counts {
    /// All annotations.
    Annotations,
    /// Those that are no crowd.
    Objects,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Debug, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Period {
    /// After every image.
    Image,
    /// After every step.
    Step,
    /// After every pass over the unlabelled images.
    Epoch,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Debug, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Statistic {
    /// Candidates whose most likely class is an object.
    Foreground,
    /// Candidates that became pseudo-labels.
    Kept,
    /// All candidates.
    All,
}

/// Table `[method.filter]` with `name = "adaptive"`.
#[derive(Deserialize, Clone, Debug, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Adaptive {
    /// Minimum and maximum of the class thresholds at the start, T_c of eq. 5.
    class: [f32; 2],
    /// Minimum and maximum of the mask thresholds at the start, T_m of eq. 5.
    mask: [f32; 2],
    /// The annotations that n_k of eq. 5 counts.
    counts: Counts,
    /// The rate of eq. 6: the part of a threshold that stays at an update.
    alpha: f32,
    /// The time between two updates of the thresholds by eq. 6.
    period: Period,
    /// The candidates that eq. 6 averages.
    statistic: Statistic,
    /// Bounds of the thresholds while they move.
    clamp: [f32; 2],
    /// Medium tier: the class quality is at most this far below its threshold.
    class_margin: f32,
    /// Medium tier: the mask quality is at most this far below its threshold.
    mask_margin: f32,
    /// A medium candidate is used if its fused class probability reaches this.
    accept: f32,
}

/// The thresholds, and per class the sums since the last update.
#[derive(Serialize, Deserialize, Default, Clone, Debug)]
pub(super) struct State {
    class: Vec<f32>,
    mask: Vec<f32>,
    class_sum: Vec<f32>,
    mask_sum: Vec<f32>,
    count: Vec<u32>,
}

impl Checked for Adaptive {
    fn check(&self, check: &mut Check) {
        check.interval("class", self.class, 0.0..=1.0);
        check.interval("mask", self.mask, 0.0..=1.0);
        check.interval("clamp", self.clamp, 0.0..=1.0);
        check.range("alpha", self.alpha, 0.0..=1.0);
        check.range("class-margin", self.class_margin, 0.0..=1.0);
        check.range("mask-margin", self.mask_margin, 0.0..=1.0);
        check.range("accept", self.accept, 0.0..=1.0);
    }
}

impl Adaptive {
    /// The tier of a candidate.
    fn tier(&self, state: &State, candidate: &Candidate) -> Tier {
        let (c, m) = (candidate.class_quality, candidate.mask_quality);
        let class = state.class[candidate.class];
        let mask = state.mask[candidate.class];
        if c >= class && m >= mask {
            Tier::High
        } else if c >= class - self.class_margin && m >= mask - self.mask_margin {
            Tier::Medium
        } else {
            Tier::Low
        }
    }

    /// Counts the candidates of an image that the statistic is about, and moves the thresholds where they are due.
    fn add<'a>(
        &self,
        state: &mut State,
        counted: impl Iterator<Item = &'a Candidate>,
        clock: Clock,
    ) {
        for candidate in counted {
            state.class_sum[candidate.class] += candidate.class_quality;
            state.mask_sum[candidate.class] += candidate.mask_quality;
            state.count[candidate.class] += 1;
        }
        let due = match self.period {
            Period::Image => true,
            Period::Step => clock.last_of_step,
            Period::Epoch => clock.last_of_epoch,
        };
        if due {
            self.update(state);
        }
    }

    /// Runs eq. 6 for every class that was seen since the last update.
    fn update(&self, state: &mut State) {
        let Self { alpha, clamp, .. } = *self;
        for k in 0..state.count.len() {
            let count = std::mem::take(&mut state.count[k]) as f32;
            let class_sum = std::mem::take(&mut state.class_sum[k]);
            let mask_sum = std::mem::take(&mut state.mask_sum[k]);
            if count > 0.0 {
                state.class[k] = moved_threshold(state.class[k], class_sum / count, alpha, clamp);
                state.mask[k] = moved_threshold(state.mask[k], mask_sum / count, alpha, clamp);
            }
        }
    }
}

impl Rule for Adaptive {
    type State = State;

    fn start(&self, counts: &ClassCounts) -> State {
        let counts = match self.counts {
            Counts::Annotations => &counts.annotations,
            Counts::Objects => &counts.objects,
        };
        let classes = counts.len();
        State {
            class: initial_thresholds(counts, self.class),
            mask: initial_thresholds(counts, self.mask),
            class_sum: vec![0.0; classes],
            mask_sum: vec![0.0; classes],
            count: vec![0; classes],
        }
    }

    fn tiers(&self, state: &mut State, image: &[Candidate], clock: Clock) -> Vec<Tier> {
        let tiers = image.iter().map(|one| self.tier(state, one)).collect();
        match self.statistic {
            Statistic::Foreground => {
                self.add(state, image.iter().filter(|one| one.foreground), clock);
            }
            Statistic::All => self.add(state, image.iter(), clock),
            Statistic::Kept => {}
        }
        tiers
    }

    fn learn(&self, state: &mut State, image: &[Candidate], kept: &[bool], clock: Clock) {
        if self.statistic == Statistic::Kept {
            let kept = image.iter().zip(kept).filter(|(_, kept)| **kept);
            self.add(state, kept.map(|(candidate, _)| candidate), clock);
        }
    }

    fn follows_labels(&self) -> bool {
        self.statistic == Statistic::Kept && self.period == Period::Image
    }

    fn accept(&self) -> f32 {
        self.accept
    }

    fn readings(&self, state: &State) -> Readings {
        let thresholds = serde_json::json!({ "class": state.class, "mask": state.mask });
        vec![("thresholds", thresholds)]
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{INNER, STEP, candidate};
    use super::super::{FILTERS, Filter};
    use super::*;
    use proptest::prelude::*;

    /// Tells `filter` all of an image.
    fn tell(filter: &mut dyn Filter, candidates: &[Candidate], kept: &[bool], clock: Clock) {
        filter.tiers(candidates, clock);
        filter.learn(candidates, kept, clock);
    }

    #[derive(Clone, Debug, PartialEq, Deserialize)]
    struct Thresholds {
        class: Vec<f32>,
        mask: Vec<f32>,
    }

    /// The thresholds as the journal has them.
    fn thresholds(filter: &dyn Filter) -> Thresholds {
        let [(name, value)] = &filter.readings()[..] else {
            panic!("one reading")
        };
        assert_eq!(*name, "thresholds");
        serde_json::from_value(value.clone()).unwrap()
    }

    fn filter(changes: &[(&str, toml::Value)], counts: &[usize]) -> Box<dyn Filter> {
        let mut table = crate::method::config::tests::table("method")["filter"]
            .as_table()
            .unwrap()
            .clone();
        for (key, value) in changes {
            table[*key] = value.clone();
        }
        let mut filter = crate::registry::build(FILTERS, table).unwrap();
        filter.start(&ClassCounts {
            images: 2,
            annotations: counts.to_vec(),
            objects: counts.to_vec(),
        });
        filter
    }

    fn qualities() -> impl Strategy<Value = Vec<(usize, f32, f32)>> {
        prop::collection::vec((0usize..4, 0.0f32..=1.0, 0.0f32..=1.0), 1..30)
    }

    fn candidates(list: &[(usize, f32, f32)]) -> Vec<Candidate> {
        list.iter()
            .map(|(class, c, m)| candidate(*class, *c, *m))
            .collect()
    }

    proptest! {
        #[test]
        fn an_update_moves_only_classes_that_were_seen_in_any_order(
            (list, shuffled) in qualities().prop_flat_map(|list| (Just(list.clone()), Just(list).prop_shuffle())),
        ) {
            let run = |list: &[(usize, f32, f32)]| {
                let mut filter = filter(&[("alpha", 0.5.into())], &[10, 20, 30, 40]);
                tell(&mut *filter, &candidates(list), &vec![false; list.len()], STEP);
                thresholds(&*filter)
            };
            let start = thresholds(&*filter(&[], &[10, 20, 30, 40]));
            let after = run(&list);
            for k in 0..4 {
                let seen: Vec<_> = list.iter().filter(|(class, ..)| *class == k).collect();
                if seen.is_empty() {
                    prop_assert_eq!(after.class[k], start.class[k]);
                    prop_assert_eq!(after.mask[k], start.mask[k]);
                } else {
                    let n = seen.len() as f32;
                    let (c, m) = seen.iter().fold((0.0, 0.0), |(c, m), (_, dc, dm)| (c + dc, m + dm));
                    prop_assert!((after.class[k] - (start.class[k] + c / n) / 2.0).abs() < 1e-5);
                    prop_assert!((after.mask[k] - (start.mask[k] + m / n) / 2.0).abs() < 1e-5);
                }
            }
            let other = run(&shuffled);
            for k in 0..4 {
                prop_assert!((after.class[k] - other.class[k]).abs() < 1e-6);
                prop_assert!((after.mask[k] - other.mask[k]).abs() < 1e-6);
            }
        }

        #[test]
        fn tiers_follow_the_own_class_and_the_margins(
            c in 0.0f32..=1.0, m in 0.0f32..=1.0, counts in prop::collection::vec(0usize..50, 4), class in 0usize..4, small in 0.0f64..0.3, more in 0.0f64..0.3,
        ) {
            let tier = |margin: f64, counts: &[usize]| {
                let margins = [("class-margin", margin.into()), ("mask-margin", margin.into())];
                filter(&margins, counts).tiers(&[candidate(class, c, m)], INNER)[0]
            };
            let thresholds = thresholds(&*filter(&[], &counts));
            let both = c >= thresholds.class[class] && m >= thresholds.mask[class];
            // High is high whatever the margin; a wider margin only lifts low to medium; without one nothing is medium.
            prop_assert_eq!(tier(small, &counts) == Tier::High, both);
            prop_assert!(tier(small + more, &counts) >= tier(small, &counts));
            prop_assert_ne!(tier(0.0, &counts), Tier::Medium);
            // Counts of the other classes matter through the total alone.
            let mut shuffled = counts.clone();
            shuffled.swap((class + 1) % 4, (class + 2) % 4);
            prop_assert_eq!(tier(small, &shuffled), tier(small, &counts));
        }
    }

    #[test]
    fn crowds_count_or_do_not() {
        let counts = ClassCounts {
            images: 2,
            annotations: vec![3, 1],
            objects: vec![1, 1],
        };
        let first = |counted: &str| {
            let mut filter = filter(&[("counts", counted.into())], &[0, 0]);
            filter.start(&counts);
            thresholds(&*filter).class[0]
        };
        assert_eq!(
            first("annotations"),
            initial_thresholds(&[3, 1], [0.7, 0.85])[0]
        );
        assert_eq!(
            first("objects"),
            initial_thresholds(&[1, 1], [0.7, 0.85])[0]
        );
    }

    #[test]
    fn a_step_waits_for_its_last_image() {
        let mut filter = filter(&[("period", "step".into()), ("alpha", 0.0.into())], &[1, 1]);
        let start = thresholds(&*filter);
        tell(&mut *filter, &[candidate(0, 0.2, 0.4)], &[false], INNER);
        assert_eq!(thresholds(&*filter), start);
        tell(&mut *filter, &[candidate(0, 0.4, 0.8)], &[false], STEP);
        let after = thresholds(&*filter);
        assert!((after.class[0] - 0.3).abs() < 1e-6 && (after.mask[0] - 0.6).abs() < 1e-6);
        // The sums started anew.
        tell(&mut *filter, &[candidate(0, 0.9, 0.9)], &[false], STEP);
        assert!((thresholds(&*filter).class[0] - 0.9).abs() < 1e-6);
    }

    #[test]
    fn an_epoch_waits_for_its_end() {
        let mut filter = filter(&[("period", "epoch".into()), ("alpha", 0.0.into())], &[1]);
        tell(&mut *filter, &[candidate(0, 0.2, 0.2)], &[false], STEP);
        assert_ne!(thresholds(&*filter).class[0], 0.2);
        tell(
            &mut *filter,
            &[],
            &[],
            Clock {
                last_of_step: true,
                last_of_epoch: true,
            },
        );
        assert_eq!(thresholds(&*filter).class[0], 0.2);
    }

    #[test]
    fn the_statistic_chooses_who_counts() {
        let mean = |statistic: &str| {
            let mut filter = filter(
                &[("statistic", statistic.into()), ("alpha", 0.0.into())],
                &[1],
            );
            let mut none = candidate(0, 0.1, 0.1);
            none.foreground = false;
            let list = [candidate(0, 0.8, 0.8), candidate(0, 0.6, 0.6), none];
            tell(&mut *filter, &list, &[true, false, false], STEP);
            thresholds(&*filter).class[0]
        };
        assert!((mean("kept") - 0.8).abs() < 1e-6);
        assert!((mean("foreground") - 0.7).abs() < 1e-6);
        assert!((mean("all") - 0.5).abs() < 1e-6);
    }

    #[test]
    fn the_state_survives_text() {
        let changes = [("period", toml::Value::from("step"))];
        let mut first = filter(&changes, &[3, 7, 11]);
        tell(
            &mut *first,
            &[candidate(1, 0.123_456_7, 0.9), candidate(2, 0.3, 0.1)],
            &[true; 2],
            STEP,
        );
        tell(&mut *first, &[candidate(0, 0.77, 0.61)], &[true], INNER);
        let text = first.state().to_string();
        let mut second = filter(&changes, &[0, 0, 0]);
        second
            .restore(&serde_json::from_str(&text).unwrap())
            .unwrap();
        assert_eq!(first.readings(), second.readings());
        for filter in [&mut first, &mut second] {
            tell(&mut **filter, &[candidate(0, 0.5, 0.5)], &[true], STEP);
        }
        assert_eq!(first.readings(), second.readings());
        assert!(filter(&changes, &[1]).restore(&first.state()).is_err());
    }
}
