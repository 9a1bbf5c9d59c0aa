//! Weighting `boundary`: pixels at the boundary of the student's own mask count more, the rule of Noisy Boundaries. The
//! loss computes the weights from its own prediction: [`crate::detector::Boundary`] has the formula.

use super::Weighting;
use crate::detector::{Boundary, MaskLoss, Padding, Reduction};
use crate::registry::{self, Check, Checked, ComponentErrors, MOST_WEIGHT};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Deserialize, Clone, Debug, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct BoundaryKeys {
    /// The mean of the weights.
    scale: f32,
    /// The order of weighting and averaging.
    reduction: Reduction,
    /// The probability of neighbours outside of a region, or of the image.
    padding: Padding,
    /// The masks whose loss is weighted, in steps with a teacher.
    applies_to: AppliesTo,
}

/// The masks whose loss is weighted.
#[derive(Deserialize, Clone, Copy, PartialEq, Debug, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum AppliesTo {
    /// Pseudo-masks.
    Pseudo,
    /// Annotated masks, too (released code).
    All,
}

impl Checked for BoundaryKeys {
    fn check(&self, check: &mut Check) {
        check.range("scale", self.scale, 0.0..=MOST_WEIGHT as f32);
    }
}

pub(super) fn build(table: toml::Table) -> Result<Box<dyn Weighting>, ComponentErrors> {
    Ok(Box::new(registry::read::<BoundaryKeys>(table)?))
}

impl Weighting for BoundaryKeys {
    fn mask_loss(&self) -> MaskLoss {
        MaskLoss {
            boundary: Some(Boundary {
                scale: self.scale,
                reduction: self.reduction,
                padding: self.padding,
            }),
            ..MaskLoss::default()
        }
    }

    fn labelled_mask_loss(&self) -> MaskLoss {
        match self.applies_to {
            AppliesTo::Pseudo => MaskLoss::default(),
            AppliesTo::All => self.mask_loss(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annotated_masks_are_weighted_if_the_recipe_says_so() {
        let rule = |applies_to: &str| {
            let text = format!(
                "scale = 3.0\nreduction = 'pixel'\npadding = 'replicate'\napplies-to = '{applies_to}'"
            );
            build(text.parse().unwrap()).unwrap()
        };
        let expected = MaskLoss {
            boundary: Some(Boundary {
                scale: 3.0,
                reduction: Reduction::Pixel,
                padding: Padding::Replicate,
            }),
            ..MaskLoss::default()
        };
        assert_eq!(rule("pseudo").mask_loss(), expected);
        assert_eq!(rule("pseudo").labelled_mask_loss(), MaskLoss::default());
        assert_eq!(rule("all").labelled_mask_loss(), expected);
    }
}
