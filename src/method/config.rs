//! The recipe's table `[loss]`, and the choices of `[method]` that several methods have.
//!
//! Every key is required; the defaults and their sources stand in `recipes/pl-dc.toml` alone.

use crate::registry::{Check, Checked, MOST_WEIGHT};
use serde::Deserialize;

/// Table `[loss]`: weights of the losses and of the matching costs, and the sampled points.
#[derive(Deserialize, Clone, Debug, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LossConfig {
    /// Weight of the class cross-entropy.
    pub class: f32,
    /// Weight of the point-wise binary cross-entropy.
    pub mask: f32,
    /// Weight of the dice loss.
    pub dice: f32,
    /// Class weight of the no-object class.
    pub no_object: f32,
    /// Sampled points per mask.
    pub points: usize,
    /// Candidate points per chosen point.
    pub oversample: f32,
    /// Fraction of the points chosen by uncertainty; the rest is uniform.
    pub importance: f32,
    /// Matching cost of the class probability.
    pub match_class: f32,
    /// Matching cost of the binary cross-entropy.
    pub match_mask: f32,
    /// Matching cost of dice.
    pub match_dice: f32,
}

/// Largest number of sampled points per mask; the candidates that they are chosen from are held in memory.
const MOST_POINTS: usize = 1_000_000;
/// Largest number of candidate points per chosen point.
const MOST_OVERSAMPLE: f32 = 100.0;

impl Checked for LossConfig {
    fn check(&self, check: &mut Check) {
        for (key, weight) in [
            ("class", self.class),
            ("mask", self.mask),
            ("dice", self.dice),
            ("no-object", self.no_object),
            ("match-class", self.match_class),
            ("match-mask", self.match_mask),
            ("match-dice", self.match_dice),
        ] {
            check.range(key, weight, 0.0..=MOST_WEIGHT as f32);
        }
        check.range("points", self.points, 1..=MOST_POINTS);
        check.range("oversample", self.oversample, 1.0..=MOST_OVERSAMPLE);
        check.range("importance", self.importance, 0.0..=1.0);
    }
}

/// What eq. 3's softmax runs over.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Score {
    /// The objects and no-object: the probability that the detector itself reports (released code).
    WithNoObject,
    /// The objects only, as the paper prints it; queries whose most likely class is no-object are then no candidates.
    Foreground,
}

/// Which (query, class) pairs of an image are candidates.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Selection {
    /// Every query once, with its most likely object class (paper).
    ArgMax,
    /// The pairs with the highest probability, so that a query may appear with several classes (released code).
    TopPairs,
}

/// What the class loss does with images that have no target.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum EmptyImage {
    /// No class loss if no image of the part has a target; else all images count (released code).
    ZeroBatch,
    /// No class loss for the images without a target.
    ZeroImage,
    /// Every query of such an image learns no-object (Mask2Former).
    Background,
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::registry;

    /// The tables of `recipes/pl-dc.toml`, the contract for all keys.
    pub(in crate::method) fn recipe() -> toml::Table {
        include_str!("../../recipes/pl-dc.toml")
            .parse()
            .expect("the recipe parses")
    }

    pub(in crate::method) fn table(name: &str) -> toml::Table {
        recipe()[name].as_table().expect("a table").clone()
    }

    #[test]
    fn the_recipe_of_pl_dc_is_accepted() {
        registry::read::<LossConfig>(table("loss")).unwrap();
    }

    #[test]
    fn a_loss_needs_points() {
        let mut loss: LossConfig = registry::read(table("loss")).unwrap();
        loss.points = 0;
        assert_eq!(loss.checked().unwrap_err()[0].key, "points");
        loss.points = 1;
        loss.importance = f32::NAN;
        assert_eq!(loss.checked().unwrap_err()[0].key, "importance");
    }
}
