//! Slot `filter`: which candidates of the teacher become pseudo-labels.

mod adaptive;
mod coupled;
mod decoupled;
mod thresholds;

use crate::data::split::ClassCounts;
use crate::detector::Candidate;
use crate::registry::Entry;
use dyn_clone::DynClone;
use serde::Serialize;
use std::fmt::Debug;

pub use thresholds::{initial_thresholds, moved_threshold};

/// How good a candidate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// Dropped.
    Low,
    /// Used if the correction is sure enough of its class.
    Medium,
    /// Used.
    High,
}

/// Where in the run an image stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// The last image of its training step.
    pub last_of_step: bool,
    /// The last image of a pass over the unlabelled images.
    pub last_of_epoch: bool,
}

/// Thresholds by class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Thresholds {
    /// Of the class quality.
    pub class: Vec<f32>,
    /// Of the mask quality.
    pub mask: Vec<f32>,
}

/// A filter rule.
///
/// The rule of a recipe is made once; every training gets a copy of it.
pub trait Filter: DynClone + Debug + Send + Sync {
    /// Starts the rule with what the labelled images hold of every class.
    fn start(&mut self, _counts: &ClassCounts) {}

    /// Puts one candidate into its tier.
    fn tier(&self, candidate: &Candidate) -> Tier;

    /// Is told every candidate of an image, after the image was filtered and before the next one is.
    fn observe(&mut self, _candidates: &[Candidate], _clock: Clock) {}

    /// Is told which candidates of an image became pseudo-labels, image by image: before the next one is filtered where the rule
    /// [needs](Self::needs_labels) it, else any time before the next step.
    fn learn(&mut self, _candidates: &[Candidate], _kept: &[bool], _clock: Clock) {}

    /// Whether the tiers of an image depend on what became of the candidates of the image before it in the same step. Images of which they
    /// do not are labelled together, so that a GPU is waited for once for all masks.
    fn needs_labels(&self) -> bool {
        false
    }

    /// The present thresholds, where the rule has any by class.
    fn thresholds(&self) -> Option<Thresholds> {
        None
    }

    /// The fused class probability from which a medium candidate is used; the same throughout a step. Only rules with a medium tier are asked.
    fn accept(&self) -> f32 {
        1.0
    }

    /// What a checkpoint has to keep.
    fn state(&self) -> serde_json::Value {
        serde_json::Value::Null
    }

    /// Takes back what [`Self::state`] gave.
    ///
    /// # Errors
    /// A state of another rule or another number of classes.
    fn restore(&mut self, _state: &serde_json::Value) -> anyhow::Result<()> {
        Ok(())
    }
}

dyn_clone::clone_trait_object!(Filter);

/// The filters that a recipe can name.
pub const FILTERS: &[Entry<Box<dyn Filter>>] = &[
    Entry {
        name: "coupled",
        about: "one threshold on class quality times mask quality",
        build: coupled::build,
    },
    Entry {
        name: "decoupled",
        about: "one fixed threshold on the class quality and one on the mask quality",
        build: decoupled::build,
    },
    Entry {
        name: "adaptive",
        about: "DF-ACAT: thresholds by class that follow the teacher, three tiers",
        build: adaptive::build,
    },
];

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(in crate::method) fn candidate(class: usize, c: f32, m: f32) -> Candidate {
        Candidate {
            mask: 0,
            class,
            class_quality: c,
            mask_quality: m,
            area: 100,
            foreground: true,
            probabilities: vec![],
        }
    }

    fn filter(toml: &str) -> Box<dyn Filter> {
        crate::registry::build(FILTERS, toml.parse().unwrap()).unwrap()
    }

    proptest! {
        /// The competition of the coupled rule (section "DF-ACAT" of the paper): a weak class quality is bought with a good
        /// mask. What the decoupled rule keeps has both qualities, and at thresholds a and b a coupled rule at a * b keeps it too.
        #[test]
        fn decoupled_is_stricter_than_coupled(c in 0.0f32..=1.0, m in 0.0f32..=1.0, a in 0.1f32..1.0, b in 0.1f32..1.0) {
            let decoupled = filter(&format!("name = \"decoupled\"\nclass = {a:?}\nmask = {b:?}"));
            // A hair below, because both products are rounded.
            let coupled = filter(&format!("name = \"coupled\"\nthreshold = {:?}", a * b * 0.999));
            let candidate = candidate(0, c, m);
            let kept = decoupled.tier(&candidate) == Tier::High;
            prop_assert_eq!(kept, c >= a && m >= b);
            if kept {
                prop_assert_eq!(coupled.tier(&candidate), Tier::High);
            }
            prop_assert_ne!(decoupled.tier(&candidate), Tier::Medium);
            prop_assert_ne!(coupled.tier(&candidate), Tier::Medium);
        }
    }

    #[test]
    fn the_coupled_rule_trades_one_quality_for_the_other() {
        let coupled = filter("name = \"coupled\"\nthreshold = 0.72");
        assert_eq!(coupled.tier(&candidate(0, 0.76, 0.96)), Tier::High);
        assert_eq!(coupled.tier(&candidate(0, 0.81, 0.9)), Tier::High);
        assert_eq!(coupled.tier(&candidate(0, 0.7, 0.96)), Tier::Low);
        let decoupled = filter("name = \"decoupled\"\nclass = 0.8\nmask = 0.9");
        assert_eq!(decoupled.tier(&candidate(0, 0.76, 0.96)), Tier::Low);
        assert_eq!(decoupled.tier(&candidate(0, 0.81, 0.9)), Tier::High);
    }

    #[test]
    fn thresholds_out_of_range_are_refused() {
        for (toml, key) in [
            ("name = \"coupled\"\nthreshold = 1.2", "threshold"),
            ("name = \"decoupled\"\nclass = -0.1\nmask = 0.5", "class"),
            ("name = \"decoupled\"\nclass = 0.1\nmask = nan", "mask"),
        ] {
            let error = crate::registry::build(FILTERS, toml.parse().unwrap())
                .err()
                .expect(toml);
            assert_eq!(error[0].key, key);
        }
    }
}
