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

use crate::detector::{Losses, Region, RegionHeads};
use crate::ops;
use crate::registry::{Check, Entry};
use crate::rng::Stream;
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

    /// What is compared of the images of `group`, all as constants. `draws`: the random numbers of the images of its
    /// kind, behind what the images before them have drawn.
    fn look(&self, group: &Group, draws: &mut Stream) -> Seen;

    /// The parts of the terms of the images of `group`, of which `looked` tells what was seen. Every term is divided by
    /// what is compared of the images of all groups.
    fn compare(&self, tape: &mut Tape, group: &Group, looked: &Looked) -> Vec<Vec<Tensor2>>;

    /// The losses of the images of all `groups` together, one group for each kind. What they draw comes from the seed
    /// and the step in `place`.
    fn losses(&self, tape: &mut Tape, groups: &[Group], place: (u64, usize)) -> Agreement {
        let numbered = groups.iter().enumerate();
        let look = |(kind, group)| vec![self.look(group, &mut draws_of_regions(kind, place))];
        let all: Vec<Vec<Seen>> = numbered.map(look).collect();
        let mut parts = vec![Vec::new(); self.terms().len()];
        for (kind, group) in groups.iter().enumerate() {
            let looked = Looked {
                all: &all,
                kind,
                piece: 0,
                place,
            };
            let terms = self.compare(tape, group, &looked);
            for (parts, term) in parts.iter_mut().zip(terms) {
                parts.extend(term);
            }
        }
        Agreement::new(tape, self.terms(), &parts, regions(&all))
    }
}

/// The random numbers by which regions of the images of a kind are drawn.
fn draws_of_regions(kind: usize, (seed, step): (u64, usize)) -> Stream {
    Stream::at(seed, &format!("consistency/regions/{kind}"), step as u64)
}

/// The number of regions in `all`.
fn regions(all: &[Vec<Seen>]) -> usize {
    let all = all.iter().flatten();
    all.map(|seen| seen.regions.len()).sum()
}

/// What is compared of some images, as constants.
#[derive(Default)]
pub struct Seen {
    /// The regions, numbered by the images of their group.
    regions: Vec<Region>,
    /// The classes of the first regions, or of all.
    classes: Vec<usize>,
    /// What the heads say of the regions, if the rule keeps it.
    told: Option<Told>,
}

/// What the heads say of regions.
struct Told {
    /// The probabilities of the masks of the first regions, `[F, S * S]`.
    masks: Tensor2,
    /// The probabilities of the classes and background, `[R, K + 1]`.
    probabilities: Tensor2,
}

/// What was seen of the images of a step, and which of them are meant.
pub struct Looked<'a> {
    /// By kind, and piece by piece.
    all: &'a [Vec<Seen>],
    kind: usize,
    piece: usize,
    /// The seed and the step.
    place: (u64, usize),
}

impl<'a> Looked<'a> {
    /// What was seen of the images that are meant.
    fn own(&self) -> &'a Seen {
        &self.all[self.kind][self.piece]
    }
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
    fn new(
        tape: &mut Tape,
        names: &[&'static str],
        parts: &[Vec<Tensor2>],
        regions: usize,
    ) -> Self {
        let terms: Vec<Tensor2> = parts.iter().map(|parts| sum(tape, parts)).collect();
        let total = sum(tape, &terms);
        Self {
            losses: Losses {
                weights: vec![1.0; names.len()],
                terms: names.iter().copied().zip(terms).collect(),
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
