//! Table `[model.loss]` of a Mask R-CNN: the weights of the losses, and what they sample.

use crate::detector::by_region::{Matcher, SampleSize};
use crate::graph::mask_rcnn::Rules;
use crate::registry::{Check, Checked, MOST_WEIGHT};
use schemars::JsonSchema;
use serde::Deserialize;
use std::ops::RangeInclusive;

/// The table `[model.loss]`.
#[derive(Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LossConfig {
    /// Weight of the cross-entropy of the regions' classes.
    pub class: f32,
    /// Exponent of the focal loss of the regions' classes; 0: plain cross-entropy.
    pub focal: f32,
    /// Weight of the loss of the regions' boxes.
    #[serde(rename = "box")]
    pub boxes: f32,
    /// Weight of the binary cross-entropy of the masks.
    pub mask: f32,
    /// Weight of the binary cross-entropy of the coarse masks of a noise-tolerant mask head.
    pub mask_coarse: f32,
    /// Weight of the binary cross-entropy of the anchors.
    pub rpn_objectness: f32,
    /// Weight of the loss of the anchors' boxes.
    pub rpn_box: f32,
    /// Weight of the loss of the predicted IoU of the masks.
    pub iou: f32,
    /// Sampled anchors of an image.
    pub anchors: usize,
    /// The largest share of anchors that have to find an object.
    pub anchor_objects: f32,
    /// An anchor that overlaps no object by this much is background.
    pub anchor_low: f32,
    /// An anchor that overlaps an object by this much has to find it.
    pub anchor_high: f32,
    /// Sampled regions of an image.
    pub regions: usize,
    /// The largest share of regions that have to find an object.
    pub region_objects: f32,
    /// A region that overlaps an object by this much has to find it; otherwise it is background.
    pub region_high: f32,
}

/// Samples of an image.
const SAMPLES: RangeInclusive<usize> = 1..=100_000;

/// The largest exponent of the focal loss. Larger ones are typing mistakes.
const MOST_FOCAL: f32 = 10.0;

impl Checked for LossConfig {
    fn check(&self, check: &mut Check) {
        for (key, weight) in [
            ("class", self.class),
            ("box", self.boxes),
            ("mask", self.mask),
            ("mask-coarse", self.mask_coarse),
            ("rpn-objectness", self.rpn_objectness),
            ("rpn-box", self.rpn_box),
            ("iou", self.iou),
        ] {
            check.range(key, weight, 0.0..=MOST_WEIGHT as f32);
        }
        check.range("focal", self.focal, 0.0..=MOST_FOCAL);
        let is_smooth = self.focal == 0.0 || self.focal >= 1.0;
        let allowed = "0, or 1 or more: below, the slope of the loss has no bound";
        check.require(is_smooth, "focal", self.focal, allowed);
        check.range("anchors", self.anchors, SAMPLES);
        check.range("regions", self.regions, SAMPLES);
        check.range("anchor-objects", self.anchor_objects, 0.0..=1.0);
        check.range("region-objects", self.region_objects, 0.0..=1.0);
        check.range("anchor-high", self.anchor_high, 0.0..=1.0);
        check.range("anchor-low", self.anchor_low, 0.0..=self.anchor_high);
        check.range("region-high", self.region_high, 0.0..=1.0);
    }
}

impl LossConfig {
    /// The matching of anchors.
    pub fn anchor_matcher(&self, rules: &Rules) -> Matcher {
        Matcher {
            low: self.anchor_low,
            high: self.anchor_high,
            low_quality: rules.anchors,
        }
    }

    /// The matching of regions.
    pub fn region_matcher(&self, rules: &Rules) -> Matcher {
        Matcher {
            low: self.region_high,
            high: self.region_high,
            low_quality: rules.regions,
        }
    }

    /// The sample of anchors.
    pub fn anchor_sample(&self) -> SampleSize {
        SampleSize {
            count: self.anchors,
            objects: self.anchor_objects,
        }
    }

    /// The sample of regions.
    pub fn region_sample(&self) -> SampleSize {
        SampleSize {
            count: self.regions,
            objects: self.region_objects,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The loss of the shipped body at full size: the values of Mask R-CNN and of all three implementations.
    pub fn published() -> LossConfig {
        let body = include_str!("../../../recipes/bodies/mask-rcnn-r50.toml");
        let body: toml::Table = body.parse().expect("TOML");
        let loss = body["model"]["loss"].clone();
        loss.try_into().expect("the keys of the loss")
    }

    #[test]
    fn bounds_in_the_wrong_order_are_refused() {
        published().checked().unwrap();
        let swapped = LossConfig {
            anchor_low: 0.8,
            regions: 0,
            ..published()
        };
        let errors = swapped.checked().unwrap_err();
        let keys: Vec<&str> = errors.iter().map(|error| error.key.as_str()).collect();
        assert_eq!(keys, ["regions", "anchor-low"]);
        for (focal, allowed) in [
            (0.0, true),
            (1.0, true),
            (1.5, true),
            (0.5, false),
            (-1.0, false),
        ] {
            let loss = LossConfig {
                focal,
                ..published()
            };
            assert_eq!(loss.checked().is_ok(), allowed, "{focal}");
        }
    }
}
