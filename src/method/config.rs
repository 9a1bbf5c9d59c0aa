//! The recipe's table `[loss]`, and the choices of `[method]` that several methods have.
//!
//! Every key is required; the defaults and their sources stand in `recipes/pl-dc.toml` alone.

use crate::registry::{self, ComponentError, Entry};
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

impl LossConfig {
    /// Whether the values make sense together.
    ///
    /// # Errors
    /// The first key whose value is out of its range.
    pub fn check(&self) -> Result<(), ComponentError> {
        let weights = [
            ("class", self.class),
            ("mask", self.mask),
            ("dice", self.dice),
            ("no-object", self.no_object),
            ("match-class", self.match_class),
            ("match-mask", self.match_mask),
            ("match-dice", self.match_dice),
        ];
        for (key, weight) in weights {
            check_range(key, weight, 0.0, MOST_WEIGHT)?;
        }
        check_range("oversample", self.oversample, 1.0, MOST_WEIGHT)?;
        check_range("importance", self.importance, 0.0, 1.0)?;
        if self.points == 0 {
            return Err(ComponentError::new("points", "0 is too few; at least 1"));
        }
        Ok(())
    }
}

/// Bound of weights and factors that have no natural one: larger ones are typing mistakes.
pub(super) const MOST_WEIGHT: f32 = 1e6;

/// An error about `key` unless `value` is a number from `low` to `high`.
pub(super) fn check_range(
    key: &str,
    value: f32,
    low: f32,
    high: f32,
) -> Result<(), ComponentError> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(ComponentError::new(
        key,
        format!("{value} is out of range; allowed: {low} to {high}"),
    ))
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

/// Makes the component of a slot; an error names the key with the slot in front.
pub(super) fn slot<T>(
    name: &str,
    entries: &[Entry<T>],
    table: &toml::Table,
) -> Result<T, ComponentError> {
    registry::build(entries, table.clone()).map_err(|error| {
        let dot = if error.key.is_empty() { "" } else { "." };
        ComponentError::new(format!("{name}{dot}{}", error.key), error.message)
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

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
        let loss: LossConfig = registry::options(table("loss")).unwrap();
        loss.check().unwrap();
    }

    #[test]
    fn a_loss_needs_points() {
        let mut loss: LossConfig = registry::options(table("loss")).unwrap();
        loss.points = 0;
        assert_eq!(loss.check().unwrap_err().key, "points");
        loss.points = 1;
        loss.importance = f32::NAN;
        assert_eq!(loss.check().unwrap_err().key, "importance");
    }
}
