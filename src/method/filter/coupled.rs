//! Filter `coupled`: one threshold on the product of the qualities, the rule of prior work and of the paper's ablation.
//!
//! $$ c \cdot m \ge T $$

use super::{Filter, Tier};
use crate::detector::Candidate;
use crate::registry::{self, Check, Checked, ComponentErrors};
use serde::Deserialize;

#[derive(Deserialize, Clone, Debug)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Coupled {
    threshold: f32,
}

pub(super) fn build(table: toml::Table) -> Result<Box<dyn Filter>, ComponentErrors> {
    Ok(Box::new(registry::read::<Coupled>(table)?))
}

impl Checked for Coupled {
    fn check(&self, check: &mut Check) {
        check.range("threshold", self.threshold, 0.0..=1.0);
    }
}

impl Filter for Coupled {
    fn tier(&self, candidate: &Candidate) -> Tier {
        let score = candidate.class_quality * candidate.mask_quality;
        if score >= self.threshold {
            Tier::High
        } else {
            Tier::Low
        }
    }
}
