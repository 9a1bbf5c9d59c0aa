//! Filter `floors`: each quality has to be above a floor, the rule of PAIS before its weights.
//!
//! `$$ c > T_c \;\wedge\; m > T_m $$`
//!
//! `decoupled` is the same with at least for above. A mask floor of 0 asks for a mask quality that is not 0. Source:
//! hujiecpp/PAIS 3f3e24d, `kernel_update_head.py:527-574`, `piexl_teacher_mask.py`.

use super::{Clock, Rule, Tier};
use crate::detector::Candidate;
use crate::registry::{Check, Checked};
use schemars::JsonSchema;
use serde::Deserialize;

/// Table `[method.filter]` with `name = "floors"`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Floors {
    /// T_c: the class quality of a candidate that is kept is above this.
    class: f32,
    /// T_m: the mask quality of a candidate that is kept is above this.
    mask: f32,
}

impl Checked for Floors {
    fn check(&self, check: &mut Check) {
        check.range("class", self.class, 0.0..=1.0);
        check.range("mask", self.mask, 0.0..=1.0);
    }
}

impl Rule for Floors {
    type State = ();

    fn tiers(&self, _: &mut (), image: &[Candidate], _: Clock) -> Vec<Tier> {
        let kept = |one: &Candidate| one.class_quality > self.class && one.mask_quality > self.mask;
        image.iter().map(|one| Tier::kept(kept(one))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{STEP, built, candidate};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_qualities_have_to_be_above_their_own_floor() {
        let mut filter = built("name = 'floors'\nclass = 0.35\nmask = 0.3");
        let qualities = [
            (0.36, 0.31),
            (0.35, 0.9),
            (0.9, 0.3),
            (0.31, 0.36),
            (0.36, 0.0),
        ];
        let image = qualities.map(|(c, m)| candidate(0, c, m));
        let kept: Vec<bool> = filter
            .tiers(&image, STEP)
            .into_iter()
            .map(|tier| tier == Tier::High)
            .collect();
        assert_eq!(kept, [true, false, false, false, false]);
    }

    proptest! {
        /// Few values, so that many lie at the thresholds.
        #[test]
        fn only_what_lies_at_a_floor_tells_floors_from_decoupled(c in 0u8..=10, m in 0u8..=10, a in 0u8..=10, b in 0u8..=10) {
            let [c, m, a, b] = [c, m, a, b].map(|tenths| f32::from(tenths) / 10.0);
            let keys = format!("class = {a:?}\nmask = {b:?}");
            let tier = |name: &str| built(&format!("name = '{name}'\n{keys}")).tiers(&[candidate(0, c, m)], STEP)[0];
            let at_a_floor = c == a || m == b;
            prop_assert_eq!(tier("floors") == Tier::High, tier("decoupled") == Tier::High && !at_a_floor);
        }
    }
}
