//! Weighting `gate`: only a pseudo-mask of a high quality teaches masks, the rule of Polite Teacher.
//!
//! `$$ w^{mask}_n = [\,m_n > T\,], \qquad w^{class}_n = 1 $$`
//!
//! A mask that is shut out still counts in the divisor of the mask loss. Source: AI-Clearing/PoliteTeacher 4347fa7.

use super::Weighting;
use crate::detector::ObjectWeights;
use crate::registry::{self, Check, Checked, ComponentErrors};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Deserialize, Clone, Debug, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Gate {
    /// T: a pseudo-label teaches masks if its mask quality is above this.
    mask: f32,
}

impl Checked for Gate {
    fn check(&self, check: &mut Check) {
        check.range("mask", self.mask, 0.0..=1.0);
    }
}

pub(super) fn build(table: toml::Table) -> Result<Box<dyn Weighting>, ComponentErrors> {
    Ok(Box::new(registry::read::<Gate>(table)?))
}

impl Weighting for Gate {
    fn of_label(&self, _class_quality: f32, mask_quality: f32) -> Option<ObjectWeights> {
        Some(ObjectWeights {
            class: 1.0,
            mask: f32::from(u8::from(mask_quality > self.mask)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gate_opens_above_its_threshold_and_leaves_the_class_alone() {
        let gate = build(toml::toml! { mask = 0.9 }).unwrap();
        for (c, m, mask) in [
            (0.2, 0.91, 1.0),
            (1.0, 0.9, 0.0),
            (1.0, 0.0, 0.0),
            (0.0, 1.0, 1.0),
        ] {
            let expected = ObjectWeights { class: 1.0, mask };
            assert_eq!(gate.of_label(c, m), Some(expected), "{c} {m}");
        }
        assert!(build(toml::toml! { mask = 1.1 }).is_err());
    }
}
