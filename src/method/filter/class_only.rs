//! Filter `class-only`: a threshold on the class quality, the rule of Unbiased Teacher and of GuidedDistillation.
//!
//! `$$ c > T $$`
//!
//! A candidate whose most likely class is no-object is dropped, however low T is. Sources: facebookresearch/
//! unbiased-teacher 6977c6f, `trainer.py`; facebookresearch/GuidedDistillation b48f2a8, `maskformer_model.py:302-325`.

use super::{Clock, Rule, Tier};
use crate::detector::Candidate;
use crate::registry::{Check, Checked};
use schemars::JsonSchema;
use serde::Deserialize;

/// Table `[method.filter]` with `name = "class-only"`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ClassOnly {
    /// T: a candidate is kept if its class quality is above this.
    threshold: f32,
}

impl Checked for ClassOnly {
    fn check(&self, check: &mut Check) {
        check.range("threshold", self.threshold, 0.0..=1.0);
    }
}

impl Rule for ClassOnly {
    type State = ();

    fn tiers(&self, _: &mut (), image: &[Candidate], _: Clock) -> Vec<Tier> {
        let kept = |one: &Candidate| one.foreground && one.class_quality > self.threshold;
        image.iter().map(|one| Tier::kept(kept(one))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{STEP, built, candidate};
    use super::*;

    #[test]
    fn the_class_quality_alone_decides_and_the_threshold_itself_is_dropped() {
        let mut filter = built("name = 'class-only'\nthreshold = 0.7");
        let image = [(0.7, 1.0), (0.71, 0.0), (0.69, 1.0)].map(|(c, m)| candidate(0, c, m));
        let expected = [Tier::Low, Tier::High, Tier::Low];
        assert_eq!(filter.tiers(&image, STEP), expected);
    }

    #[test]
    fn no_object_is_no_label_however_low_the_threshold_is() {
        let mut filter = built("name = 'class-only'\nthreshold = 0.0");
        let nothing = Candidate {
            foreground: false,
            ..candidate(0, 0.4, 0.9)
        };
        let image = [nothing, candidate(0, 0.4, 0.9)];
        assert_eq!(filter.tiers(&image, STEP), [Tier::Low, Tier::High]);
    }
}
