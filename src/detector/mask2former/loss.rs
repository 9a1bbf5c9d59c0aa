//! Table `[model.loss]` of a recipe: its keys and their allowed values.
//!
//! Every key is required; the defaults and their sources stand in `recipes/pl-dc.toml` alone.

use crate::registry::{Check, Checked, MOST_WEIGHT};
use schemars::JsonSchema;
use serde::Deserialize;

/// Table `[model.loss]`: weights of the losses and of the matching costs, and the sampled points.
#[derive(Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LossConfig {
    /// Weight of the class cross-entropy.
    pub class: f32,
    /// Weight of the point-wise binary cross-entropy.
    pub mask: f32,
    /// Weight of the dice loss.
    pub dice: f32,
    /// Weight of the sum of binary cross-entropy and dice of the coarse masks of a noise-tolerant mask head.
    pub mask_coarse: f32,
    /// Weight of the loss of the predicted IoU of the masks.
    pub iou: f32,
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

impl LossConfig {
    /// The values of Mask2Former's own configuration for COCO, for a network that no recipe describes.
    pub fn published() -> Self {
        Self {
            class: 2.0,
            mask: 5.0,
            dice: 5.0,
            mask_coarse: 1.0,
            iou: 1.0,
            no_object: 0.1,
            points: 12544,
            oversample: 3.0,
            importance: 0.75,
            match_class: 2.0,
            match_mask: 5.0,
            match_dice: 5.0,
        }
    }
}

impl Checked for LossConfig {
    fn check(&self, check: &mut Check) {
        for (key, weight) in [
            ("class", self.class),
            ("mask", self.mask),
            ("dice", self.dice),
            ("mask-coarse", self.mask_coarse),
            ("iou", self.iou),
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::registry;

    /// Table `[model]` of `recipes/pl-dc.toml`, the contract for all keys.
    pub fn model() -> toml::Table {
        let recipe: toml::Table = include_str!("../../../recipes/pl-dc.toml")
            .parse()
            .expect("the recipe parses");
        recipe["model"].as_table().expect("a table").clone()
    }

    /// Its table `[model.loss]`.
    pub fn loss() -> LossConfig {
        let table = model()["loss"].as_table().expect("a table").clone();
        registry::read(table).expect("the defaults")
    }

    #[test]
    fn the_recipe_of_pl_dc_is_accepted() {
        loss().checked().unwrap();
    }

    #[test]
    fn a_loss_needs_points() {
        let mut loss = loss();
        loss.points = 0;
        loss.importance = f32::NAN;
        let errors = loss.checked().unwrap_err();
        let keys: Vec<&str> = errors.iter().map(|error| error.key.as_str()).collect();
        assert_eq!(keys, ["points", "importance"]);
    }
}
