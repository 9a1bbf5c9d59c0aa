//! Slot `filter`: which candidates of the teacher become pseudo-labels.

mod adaptive;
mod best_or_above;
mod class_frequency;
mod class_only;
mod coupled;
mod decoupled;
mod floors;
mod rule;
mod thresholds;
mod top_share;

use crate::data::split::ClassCounts;
use crate::detector::Candidate;
use crate::registry::Entry;
use dyn_clone::DynClone;
use serde::{Deserialize, Serialize};
use std::fmt::Debug;

use rule::filter;

pub use rule::Rule;
pub use thresholds::{initial_thresholds, moved_threshold};

/// The quality of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// Dropped.
    Low,
    /// Used if the correction is sure enough of its class.
    Medium,
    /// Used.
    High,
}

impl Tier {
    /// The tier of rules without a medium one.
    fn kept(kept: bool) -> Self {
        if kept { Self::High } else { Self::Low }
    }
}

/// The position of an image in the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// The last image of its training step.
    pub last_of_step: bool,
    /// The last image of a pass over the unlabelled images.
    pub last_of_epoch: bool,
}

/// Numbers of a rule for the journal, each with its name there, which no other column has: a number, a list
/// with a value per class, or a table of such lists. A line of the journal holds those after its last step.
pub type Readings = Vec<(&'static str, serde_json::Value)>;

/// A [`Rule`] with its state, as the labeller runs it. Its functions are those of the rule.
///
/// The rule of a recipe is made once; every training gets a copy of it.
pub trait Filter: DynClone + Debug + Send + Sync {
    /// Starts the state from the labelled objects of every class.
    fn start(&mut self, counts: &ClassCounts);

    /// The candidates of all images before the first is labelled: [`Rule::survey`].
    fn survey(&mut self, images: &[Vec<Candidate>]);

    /// The tier of every candidate of an image: [`Rule::tiers`].
    fn tiers(&mut self, image: &[Candidate], clock: Clock) -> Vec<Tier>;

    /// The candidates of an image that became pseudo-labels: [`Rule::learn`].
    fn learn(&mut self, image: &[Candidate], kept: &[bool], clock: Clock);

    /// True if `tiers` of an image needs `learn` of the image before; see [`Rule::follows_labels`].
    fn follows_labels(&self) -> bool;

    /// The probability from which a medium candidate is used: [`Rule::accept`].
    fn accept(&self) -> f32;

    /// A copy for a look at what it says now, which no other process hears of.
    fn for_a_look(&self) -> Box<dyn Filter>;

    /// Numbers for the journal: [`Rule::readings`].
    fn readings(&self) -> Readings;

    /// The state, for a checkpoint.
    fn state(&self) -> serde_json::Value;

    /// Takes back a state of the same rule with the same number of classes, once it has been started.
    ///
    /// # Errors
    /// A state of another rule or of another number of classes.
    fn restore(&mut self, state: &serde_json::Value) -> anyhow::Result<()>;
}

dyn_clone::clone_trait_object!(Filter);

/// The filters that a recipe can name.
pub const FILTERS: &[Entry<Box<dyn Filter>>] = &[
    Entry {
        name: "coupled",
        about: "one threshold on class quality times mask quality",
        build: filter::<coupled::Coupled>,
    },
    Entry {
        name: "decoupled",
        about: "one fixed threshold on the class quality and one on the mask quality",
        build: filter::<decoupled::Decoupled>,
    },
    Entry {
        name: "adaptive",
        about: "DF-ACAT: thresholds by class that follow the teacher, three tiers",
        build: filter::<adaptive::Adaptive>,
    },
    Entry {
        name: "top-share",
        about: "the best share of every class's candidates, of an image or of the run",
        build: filter::<top_share::TopShare>,
    },
    Entry {
        name: "class-only",
        about: "one threshold on the class quality, which a pseudo-label is above",
        build: filter::<class_only::ClassOnly>,
    },
    Entry {
        name: "floors",
        about: "one floor for the class quality and one for the mask quality, both of which a pseudo-label is above",
        build: filter::<floors::Floors>,
    },
    Entry {
        name: "best-or-above",
        about: "one threshold on the class quality; the best candidate of an image is kept in any case",
        build: filter::<best_or_above::BestOrAbove>,
    },
    Entry {
        name: "class-frequency",
        about: "thresholds by class that keep as many candidates of an image as a labelled image has annotations",
        build: filter::<class_frequency::ClassFrequency>,
    },
];

#[cfg(test)]
pub(crate) mod tests;
