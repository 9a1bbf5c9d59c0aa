//! Filter `coupled`: one threshold on the product of the qualities, the rule of prior work and of the paper's ablation.
//!
//! `$$ c \cdot m \ge T $$`

use super::{Clock, Rule, Tier};
use crate::detector::Candidate;
use crate::registry::{Check, Checked};
use schemars::JsonSchema;
use serde::Deserialize;

/// Table `[method.filter]` with `name = "coupled"`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Coupled {
    /// T: a candidate is kept if its class quality times its mask quality reaches this.
    threshold: f32,
}

impl Checked for Coupled {
    fn check(&self, check: &mut Check) {
        check.range("threshold", self.threshold, 0.0..=1.0);
    }
}

impl Rule for Coupled {
    type State = ();

    fn tiers(&self, _: &mut (), image: &[Candidate], _: Clock) -> Vec<Tier> {
        let kept = |one: &Candidate| one.class_quality * one.mask_quality >= self.threshold;
        image.iter().map(|one| Tier::kept(kept(one))).collect()
    }
}
