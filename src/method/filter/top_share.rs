//! Filter `top-share`: the best share p of every class's candidates, by the product of the qualities.
//!
//! `$$ s_i = c_i\, m_i, \qquad i \text{ of class } k \text{ is kept if } s_i \ge T_k $$`
//!
//! Only candidates whose most likely class is an object count; the others are low. In an image, the `$n_k$`
//! candidates of class k have the scores `$s_{(1)} \ge s_{(2)} \ge \dots$` With `scope = "image"` every image has
//! its own threshold,
//!
//! `$$ T_k = s_{(\lceil p\, n_k \rceil)}, $$`
//!
//! so that an image with a candidate of a class keeps at least one. Candidates with the same score are
//! treated alike: where they stand at the threshold, the share is larger than p.
//!
//! With `scope = "run"` the threshold follows the scores of the run. It starts as that of the first image
//! with the class, and after every later one it moves by
//!
//! `$$ T_k \leftarrow T_k + \gamma\, (f_k - p), $$`
//!
//! where `$f_k$` is the share of the image's candidates with `$s_i \ge T_k$` and `$\gamma$` is `rate`: it rests
//! where the share p is kept on average over images (Robbins and Monro's stochastic approximation of the
//! quantile at 1 - p, 1951). An image of poor candidates keeps fewer, one of good candidates more.

use super::{Clock, Readings, Rule, Tier};
use crate::data::split::ClassCounts;
use crate::detector::Candidate;
use crate::registry::{Check, Checked, above};
use schemars::JsonSchema;
use serde::Deserialize;

/// Table `[method.filter]` with `name = "top-share"`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct TopShare {
    /// p: the share of a class's candidates that is kept.
    share: f64,
    /// The candidates that are compared with each other.
    scope: Scope,
    /// The rate at which the threshold of the run moves; only with `scope = "run"`, which needs it.
    rate: Option<f64>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Scope {
    /// Those of one image.
    Image,
    /// Those of the run so far.
    Run,
}

/// Products such as 0.3 x 10 come out as 3.0000000000000004: they mean 3.
const ROUNDING: f64 = 1e-9;

impl Checked for TopShare {
    fn check(&self, check: &mut Check) {
        check.range("share", self.share, above(0.0, 1.0));
        match (self.scope, self.rate) {
            (Scope::Run, None) => check.refuse("rate", "missing; needed by scope = \"run\""),
            (Scope::Image, Some(_)) => check.refuse("rate", "only scope = \"run\" has a rate"),
            (_, rate) => check.range("rate", rate.unwrap_or(1.0), above(0.0, 1.0)),
        }
    }
}

impl Rule for TopShare {
    /// T_k of the run; none before the first candidate of a class, and with `scope = "image"`.
    type State = Vec<Option<f32>>;

    fn start(&self, counts: &ClassCounts) -> Self::State {
        vec![None; counts.objects.len()]
    }

    fn tiers(&self, state: &mut Self::State, image: &[Candidate], _: Clock) -> Vec<Tier> {
        let mut scores = vec![Vec::new(); state.len()];
        for candidate in image.iter().filter(|one| one.foreground) {
            scores[candidate.class].push(score(candidate));
        }
        let thresholds: Vec<Option<f32>> = scores
            .iter_mut()
            .zip(&*state)
            .map(|(scores, running)| running.or_else(|| self.own_threshold(scores)))
            .collect();
        let kept = |one: &Candidate| {
            let threshold = thresholds[one.class];
            one.foreground && threshold.is_some_and(|threshold| score(one) >= threshold)
        };
        let tiers = image.iter().map(|one| Tier::kept(kept(one))).collect();
        if self.scope == Scope::Run {
            for ((running, threshold), scores) in state.iter_mut().zip(thresholds).zip(&scores) {
                *running = match *running {
                    Some(threshold) if !scores.is_empty() => Some(self.moved(threshold, scores)),
                    Some(threshold) => Some(threshold),
                    None => threshold,
                };
            }
        }
        tiers
    }

    fn readings(&self, state: &Self::State) -> Readings {
        match self.scope {
            Scope::Image => Readings::new(),
            Scope::Run => vec![("share-thresholds", serde_json::json!(state))],
        }
    }
}

impl TopShare {
    /// The score of the last of the best share of `scores`, which it sorts; none without a score.
    fn own_threshold(&self, scores: &mut [f32]) -> Option<f32> {
        scores.sort_by(|a, b| b.total_cmp(a));
        let kept = (self.share * scores.len() as f64 - ROUNDING).ceil() as usize;
        scores.get(kept.max(1) - 1).copied()
    }

    /// The `threshold` of the run after an image with `scores` of its class.
    fn moved(&self, threshold: f32, scores: &[f32]) -> f32 {
        let above = scores.iter().filter(|score| **score >= threshold).count();
        let share = above as f64 / scores.len() as f64;
        let step = self.rate.unwrap_or_default() * (share - self.share);
        ((f64::from(threshold) + step) as f32).clamp(0.0, 1.0)
    }
}

/// s of a candidate.
fn score(candidate: &Candidate) -> f32 {
    candidate.class_quality * candidate.mask_quality
}

#[cfg(test)]
mod tests {
    use super::super::Filter;
    use super::super::tests::{STEP, built, candidate};
    use super::*;
    use crate::rng::Stream;
    use proptest::prelude::*;

    const CLASSES: usize = 3;

    fn filter(share: f64, scope: &str) -> Box<dyn Filter> {
        let mut filter = built(&format!(
            "name = 'top-share'\nshare = {share:?}\nscope = {scope}"
        ));
        filter.start(&ClassCounts {
            images: 2,
            annotations: vec![1; CLASSES],
            objects: vec![1; CLASSES],
        });
        filter
    }

    fn of_image(share: f64) -> Box<dyn Filter> {
        filter(share, "'image'")
    }

    fn kept(filter: &mut dyn Filter, image: &[Candidate]) -> Vec<bool> {
        let tiers = filter.tiers(image, STEP).into_iter();
        tiers.map(|tier| tier == Tier::High).collect()
    }

    /// Candidates of few classes and few scores, so that there are ties.
    fn image() -> impl Strategy<Value = Vec<Candidate>> {
        let one = (0..CLASSES, 0u8..=10, 0u8..=10, prop::bool::weighted(0.8));
        prop::collection::vec(one, 0..40).prop_map(|list| {
            let of = |(class, c, m, foreground): (usize, u8, u8, bool)| Candidate {
                foreground,
                ..candidate(class, f32::from(c) / 10.0, f32::from(m) / 10.0)
            };
            list.into_iter().map(of).collect()
        })
    }

    proptest! {
        #[test]
        fn the_best_share_of_every_class_is_kept(image in image(), share in 0.01f64..=1.0) {
            let kept = kept(&mut *of_image(share), &image);
            for class in 0..CLASSES {
                let of_class = || image.iter().zip(&kept).filter(|(one, _)| one.class == class && one.foreground);
                let scores = |wanted: bool| of_class().filter(move |(_, kept)| **kept == wanted).map(|(one, _)| score(one));
                let all = of_class().count();
                let wanted = (share * all as f64 - 1e-9).ceil() as usize;
                let worst = scores(true).fold(f32::INFINITY, f32::min);
                prop_assert!(scores(false).all(|score| score < worst), "the best ones");
                prop_assert!(scores(true).count() >= wanted, "at least the share");
                let better = scores(true).filter(|score| *score > worst).count();
                prop_assert!(all == 0 || better < wanted, "more only by a tie");
            }
            prop_assert!(image.iter().zip(&kept).all(|(one, kept)| one.foreground || !kept));
        }

        #[test]
        fn the_order_of_the_candidates_does_not_matter(
            (image, order) in image().prop_flat_map(|image| {
                let order: Vec<usize> = (0..image.len()).collect();
                (Just(image), Just(order).prop_shuffle())
            }),
            share in 0.01f64..=1.0,
            run: bool,
        ) {
            let new = || filter(share, if run { "'run'\nrate = 0.1" } else { "'image'" });
            let (mut first, mut second) = (new(), new());
            let shuffled: Vec<Candidate> = order.iter().map(|i| image[*i].clone()).collect();
            // The second image meets the thresholds that the first one has left.
            for _ in 0..2 {
                let (one, other) = (kept(&mut *first, &image), kept(&mut *second, &shuffled));
                let expected: Vec<bool> = order.iter().map(|i| one[*i]).collect();
                prop_assert_eq!(other, expected);
            }
            prop_assert_eq!(first.state(), second.state());
        }

        #[test]
        fn a_larger_share_keeps_the_same_and_more(image in image(), one in 0.01f64..=1.0, other in 0.01f64..=1.0) {
            let (small, large) = (one.min(other), one.max(other));
            let (small, large) = (kept(&mut *of_image(small), &image), kept(&mut *of_image(large), &image));
            prop_assert!(small.iter().zip(&large).all(|(small, large)| !small || *large));
            let all = kept(&mut *of_image(1.0), &image);
            prop_assert!(image.iter().zip(all).all(|(one, kept)| kept == one.foreground));
        }

        #[test]
        fn classes_do_not_compete(image in image(), share in 0.01f64..=1.0, class in 0..CLASSES, run: bool) {
            let new = || filter(share, if run { "'run'\nrate = 0.1" } else { "'image'" });
            let alone: Vec<Candidate> = image.iter().filter(|one| one.class == class).cloned().collect();
            let (mut together, mut apart) = (new(), new());
            for _ in 0..2 {
                let found = kept(&mut *together, &image).into_iter().zip(&image);
                let found: Vec<bool> = found.filter(|(_, one)| one.class == class).map(|(kept, _)| kept).collect();
                prop_assert_eq!(found, kept(&mut *apart, &alone));
            }
        }
    }

    #[test]
    fn over_a_run_the_share_is_kept_and_good_images_keep_more() {
        let mut rng = Stream::new(5, "top-share");
        for share in [0.1, 0.5, 0.8] {
            let mut filter = filter(share, "'run'\nrate = 0.01");
            let mut counts = [[0usize; 2]; 2];
            for number in 0..6000 {
                // Every other image is a poor one: no score above 0.5.
                let poor = number % 2;
                let most = [1.0, 0.5][poor];
                let image: Vec<Candidate> = (0..4)
                    .map(|_| candidate(1, rng.uniform() as f32 * most, 1.0))
                    .collect();
                let kept = kept(&mut *filter, &image);
                if number >= 2000 {
                    counts[poor][0] += kept.iter().filter(|kept| **kept).count();
                    counts[poor][1] += kept.len();
                }
            }
            let [good, poor] = counts.map(|[kept, all]| kept as f64 / all as f64);
            assert!(
                ((good + poor) / 2.0 - share).abs() < 0.02,
                "{share}: {good}, {poor}"
            );
            assert!(good > poor + 0.1, "{share}: {good}, {poor}");
            let readings = filter.readings();
            assert_eq!(readings[0].0, "share-thresholds");
            assert!(readings[0].1[0].is_null() && readings[0].1[1].is_f64());
        }
    }

    #[test]
    fn the_rate_belongs_to_the_scope_of_a_run() {
        let refused = |text: &str| {
            let table = format!("name = 'top-share'\n{text}").parse().unwrap();
            crate::registry::build(super::super::FILTERS, table)
                .err()
                .map(|errors| errors.to_string())
        };
        assert_eq!(refused("share = 0.2\nscope = 'run'\nrate = 0.1"), None);
        assert_eq!(refused("share = 0.2\nscope = 'image'"), None);
        let expected = "rate: missing; needed by scope = \"run\"";
        assert_eq!(refused("share = 0.2\nscope = 'run'").unwrap(), expected);
        let expected = "rate: only scope = \"run\" has a rate";
        assert_eq!(
            refused("share = 0.2\nscope = 'image'\nrate = 0.1").unwrap(),
            expected
        );
        let expected = "share: 0 is out of range; allowed: above 0, at most 1; \
                        rate: 2 is out of range; allowed: above 0, at most 1";
        assert_eq!(
            refused("share = 0\nscope = 'run'\nrate = 2").unwrap(),
            expected
        );
    }
}
