//! Slot `correction`: which class the surviving candidates get.

mod dicc;
pub mod fusion;
mod keep;
mod pooling;

use super::filter::Tier;
use crate::graph::clip::{VisionLanguage, VisionLanguageConfig};
use crate::registry::Entry;
use crate::structures::{Mask, Picture};
use crate::tensor::{Later, Tensor2};
use dyn_clone::DynClone;
use std::fmt::Debug;

/// A candidate that the filter did not drop.
#[derive(Clone, Copy, Debug)]
pub struct Region<'a> {
    /// High or medium.
    pub tier: Tier,
    /// The teacher's softmax over the object classes.
    pub probabilities: &'a [f32],
    /// Its pixels; the picture fills the top left corner, the rest is padding.
    pub mask: &'a Mask,
    /// Its row among the logits that come with it.
    pub row: usize,
}

/// The result of the correction for a region.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Corrected {
    /// The class, changed or confirmed.
    pub class: usize,
    /// Its fused probability.
    pub probability: f32,
}

/// The progress of the run, from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TrainingProgress {
    /// Since the end of the burn-in.
    pub distillation: f32,
    /// Since the first step.
    pub training: f32,
}

/// A correction rule.
///
/// The rule of a recipe is made once; every training gets a copy of it.
pub trait Correction: DynClone + Debug + Send + Sync {
    /// The vision-language model that the rule needs, if any.
    fn vlm(&self) -> Option<&VisionLanguageConfig> {
        None
    }

    /// Gives the rule the model of [`Self::vlm`]. Copies of the rule that were made before do not have it.
    fn attach(&mut self, _vlm: Box<dyn VisionLanguage>) {}

    /// One answer per region of one `picture` (the teacher's view); `None` where the rule has nothing to say:
    /// the class of a high region stays, a medium region is dropped. `logits` `[N, height * width]`: the
    /// teacher's, of these regions' pixels and perhaps of other pictures'. What a rule computes on a GPU it
    /// may start here and wait for in the answer.
    fn correct(
        &self,
        picture: &Picture,
        logits: &Tensor2,
        regions: &[Region],
        progress: TrainingProgress,
    ) -> Later<Vec<Option<Corrected>>>;
}

dyn_clone::clone_trait_object!(Correction);

/// The corrections that a recipe can name.
pub const CORRECTIONS: &[Entry<Box<dyn Correction>>] = &[
    Entry {
        name: "keep",
        about: "keeps the teacher's classes and so drops the medium tier",
        build: keep::build,
    },
    Entry {
        name: "dicc",
        about: "DICC: fuses the teacher's class with a vision-language model's",
        build: dicc::build,
    },
];
