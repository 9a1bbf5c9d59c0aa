//! Demands that only a network with masks of whole images can meet.

use crate::detector::{AreaMeasure, Demands, MaskTarget};
use crate::registry::Check;

/// Refuses what only a network with masks of whole images has, or with queries. `network`: its name in a recipe.
pub fn refuse_whole_images(demands: &Demands, network: &str, check: &mut Check) {
    let no_masks = |value: &str, allowed: &str| {
        format!(
            "\"{value}\" has no meaning for \"{network}\", which predicts no masks of the whole image; allowed: \"{allowed}\""
        )
    };
    if demands.area == AreaMeasure::Probability {
        check.refuse("area", no_masks("probability", "pixels"));
    }
    if demands.mask_target == MaskTarget::Quarter {
        check.refuse("mask-target", no_masks("quarter", "full"));
    }
    if demands.mask_loss.per_query {
        let message = format!(
            "\"queries\" has no meaning for \"{network}\", which has none; allowed: \"masks\""
        );
        check.refuse("weighting.divisor", message);
    }
}
