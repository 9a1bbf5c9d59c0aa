//! Filter `coupled`: one threshold on the product of the qualities, the rule of prior work and of the paper's ablation.
//!
//! $$ c \cdot m \ge T $$

use super::{Filter, Tier};
use crate::detector::Candidate;
use crate::method::config::check_range;
use crate::registry::{self, ComponentErrors};
use serde::Deserialize;

#[derive(Deserialize, Clone, Debug)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Coupled {
    threshold: f32,
}

pub(super) fn build(table: toml::Table) -> Result<Box<dyn Filter>, ComponentErrors> {
    let filter: Coupled = registry::options(table)?;
    check_range("threshold", filter.threshold, 0.0, 1.0)?;
    Ok(Box::new(filter))
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
