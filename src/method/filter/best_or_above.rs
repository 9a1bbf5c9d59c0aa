//! Filter `best-or-above`: a threshold on the class quality that no image fails, the rule of STAC.
//!
//! `$$ c \ge \min(T, \max_{j \in \text{image}} c_j) $$`
//!
//! An image with a candidate keeps its best one at least; equal ones are treated alike. Source: google-research/
//! ssl_detection 00d5227, `detection/data.py:231-232`.

use super::{Clock, Rule, Tier};
use crate::detector::Candidate;
use crate::registry::{Check, Checked};
use schemars::JsonSchema;
use serde::Deserialize;

/// Table `[method.filter]` with `name = "best-or-above"`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct BestOrAbove {
    /// T: a candidate with at least this class quality is kept, and the best one of an image in any case.
    threshold: f32,
}

impl Checked for BestOrAbove {
    fn check(&self, check: &mut Check) {
        check.range("threshold", self.threshold, 0.0..=1.0);
    }
}

impl Rule for BestOrAbove {
    type State = ();

    fn tiers(&self, _: &mut (), image: &[Candidate], _: Clock) -> Vec<Tier> {
        let threshold = self.of_image(image);
        let kept = |one: &Candidate| one.class_quality >= threshold;
        image.iter().map(|one| Tier::kept(kept(one))).collect()
    }
}

impl BestOrAbove {
    /// The threshold of an image: T, or its best class quality if that is lower.
    fn of_image(&self, image: &[Candidate]) -> f32 {
        let qualities = image.iter().map(|one| one.class_quality);
        let best = qualities.fold(f32::NEG_INFINITY, f32::max);
        self.threshold.min(best)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{STEP, built, candidate};
    use super::*;
    use proptest::prelude::*;

    fn image(qualities: &[f32]) -> Vec<Candidate> {
        qualities.iter().map(|c| candidate(0, *c, 0.5)).collect()
    }

    fn kept(threshold: f32, qualities: &[f32]) -> Vec<bool> {
        let mut filter = built(&format!(
            "name = 'best-or-above'\nthreshold = {threshold:?}"
        ));
        let tiers = filter.tiers(&image(qualities), STEP).into_iter();
        tiers.map(|tier| tier == Tier::High).collect()
    }

    #[test]
    fn the_threshold_of_a_poor_image_is_its_best_quality() {
        let rule = BestOrAbove { threshold: 0.9 };
        assert_eq!(rule.of_image(&image(&[0.3, 0.62, 0.1])), 0.62);
        assert_eq!(rule.of_image(&image(&[0.3, 0.95])), 0.9);
        assert_eq!(kept(0.9, &[0.3, 0.62, 0.62]), [false, true, true]);
        assert_eq!(kept(0.9, &[0.9, 0.95, 0.89]), [true, true, false]);
        assert_eq!(kept(0.9, &[]), Vec::<bool>::new());
    }

    proptest! {
        #[test]
        fn every_image_keeps_its_best_and_else_only_what_reaches_the_threshold(
            threshold in 0u8..=10, tenths in prop::collection::vec(0u8..=10, 1..12),
        ) {
            let threshold = f32::from(threshold) / 10.0;
            let qualities: Vec<f32> = tenths.iter().map(|tenths| f32::from(*tenths) / 10.0).collect();
            let best = qualities.iter().copied().fold(0.0, f32::max);
            for (c, kept) in qualities.iter().zip(kept(threshold, &qualities)) {
                prop_assert_eq!(kept, *c >= threshold || *c == best);
            }
        }
    }
}
