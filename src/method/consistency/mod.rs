//! Method `consistency`: no teacher and no pseudo-label. The network says the same of a region however it is seen.
//!
//! `$$ L = L_{sup} + w(t) \sum_i \lambda_i L_i $$`
//!
//! The terms L_i come from a rule of the slot [`CONSISTENCIES`], which compares what the heads of one network say of
//! regions; w is a [`Ramp`]. The rules know the heads by [`RegionHeads`] alone: a detector that does not look at
//! regions is refused when the settings are read.

mod config;
mod flip;
mod learner;
mod perturb;
mod perturbation;
mod ramp;
#[cfg(test)]
mod tests;

use crate::detector::{Losses, RegionHeads};
use crate::ops;
use crate::registry::{Check, Entry};
use crate::tensor::{Tape, Tensor2};
use schemars::JsonSchema;
use serde::Deserialize;
use std::fmt::Debug;

pub(super) use config::build;
use ramp::Ramp;

/// A rule that compares what the heads of a network say of regions.
pub trait Consistency: Debug + Send + Sync {
    /// The images whose regions are compared.
    fn applies_to(&self) -> AppliesTo;

    /// The weight of the losses during the training.
    fn ramp(&self) -> Ramp;

    /// True if the network has to see the mirror image of every image whose regions are compared.
    fn mirrors(&self) -> bool {
        false
    }

    /// The names of the terms of its losses.
    fn terms(&self) -> &'static [&'static str];

    /// Tells `check` if a network with this number of auxiliary heads does not suit the rule.
    fn check_auxiliary_heads(&self, heads: usize, check: &mut Check);

    /// The losses of the images of all `groups` together. What they draw comes from the seed and the step in `place`.
    fn losses(&self, tape: &mut Tape, groups: &[Group], place: (u64, usize)) -> Agreement;
}

/// Images that went through the network together.
pub struct Group<'a> {
    /// What the heads say of them.
    pub heads: &'a dyn RegionHeads,
    /// Their number n. They are the first n images of the heads; if the rule mirrors, image i + n is the mirror image
    /// of image i.
    pub images: usize,
}

/// The losses of a rule.
pub struct Agreement {
    /// The terms in the order of [`Consistency::terms`], each with weight 1, and their sum.
    pub losses: Losses,
    /// The number of compared regions.
    pub regions: usize,
}

impl Agreement {
    /// The losses whose terms are the sums of these `parts`. A term without parts is 0.
    fn new<const N: usize>(
        tape: &mut Tape,
        names: &[&'static str; N],
        parts: [Vec<Tensor2>; N],
        regions: usize,
    ) -> Self {
        let terms = parts.map(|parts| sum(tape, &parts));
        let total = sum(tape, &terms);
        Self {
            losses: Losses {
                terms: names.iter().copied().zip(terms).collect(),
                weights: vec![1.0; N],
                total,
            },
            regions,
        }
    }
}

/// The sum of scalars; 0 without any.
fn sum(tape: &mut Tape, parts: &[Tensor2]) -> Tensor2 {
    if parts.is_empty() {
        return Tensor2::constant(vec![0.0], 1, 1);
    }
    let weighted: Vec<(&Tensor2, f32)> = parts.iter().map(|part| (part, 1.0)).collect();
    ops::weighted_sum(tape, &weighted)
}

/// The images whose regions are compared.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AppliesTo {
    /// Labelled and unlabelled ones.
    All,
    /// Unlabelled ones.
    Unlabelled,
}

/// The rules that a recipe can name.
pub const CONSISTENCIES: &[Entry<Box<dyn Consistency>>] = &[
    Entry {
        name: "flip",
        about: "CSD: regions have the same classes, boxes and masks in the mirror image",
        build: flip::build,
    },
    Entry {
        name: "perturb",
        about: "CCT: auxiliary heads say of perturbed regions what the heads say of the regions as they are",
        build: perturb::build,
    },
];
