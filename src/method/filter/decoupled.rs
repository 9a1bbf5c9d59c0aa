//! Filter `decoupled`: a fixed threshold on each quality, for all classes; what the released configurations of PL-DC run.
//!
//! $$ c \ge T_c \;\wedge\; m \ge T_m $$

use super::{Filter, Tier};
use crate::detector::Candidate;
use crate::registry::{self, Check, Checked, ComponentErrors};
use serde::Deserialize;

#[derive(Deserialize, Clone, Debug)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Decoupled {
    class: f32,
    mask: f32,
}

pub(super) fn build(table: toml::Table) -> Result<Box<dyn Filter>, ComponentErrors> {
    Ok(Box::new(registry::read::<Decoupled>(table)?))
}

impl Checked for Decoupled {
    fn check(&self, check: &mut Check) {
        check.range("class", self.class, 0.0..=1.0);
        check.range("mask", self.mask, 0.0..=1.0);
    }
}

impl Filter for Decoupled {
    fn tier(&self, candidate: &Candidate) -> Tier {
        let kept = candidate.class_quality >= self.class && candidate.mask_quality >= self.mask;
        if kept { Tier::High } else { Tier::Low }
    }
}
