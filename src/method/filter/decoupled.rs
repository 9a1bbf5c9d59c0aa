//! Filter `decoupled`: a fixed threshold on each quality, for all classes; the rule of PL-DC's released configurations.
//!
//! `$$ c \ge T_c \;\wedge\; m \ge T_m $$`

use super::{Clock, Rule, Tier};
use crate::detector::Candidate;
use crate::registry::{Check, Checked};
use schemars::JsonSchema;
use serde::Deserialize;

/// Table `[method.filter]` with `name = "decoupled"`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Decoupled {
    /// T_c: the least class quality of a candidate that is kept.
    class: f32,
    /// T_m: the least mask quality of a candidate that is kept; 0 asks for none.
    mask: f32,
}

impl Checked for Decoupled {
    fn check(&self, check: &mut Check) {
        check.range("class", self.class, 0.0..=1.0);
        check.range("mask", self.mask, 0.0..=1.0);
    }
}

impl Rule for Decoupled {
    type State = ();

    fn tiers(&self, _: &mut (), image: &[Candidate], _: Clock) -> Vec<Tier> {
        let kept =
            |one: &Candidate| one.class_quality >= self.class && one.mask_quality >= self.mask;
        image.iter().map(|one| Tier::kept(kept(one))).collect()
    }
}
