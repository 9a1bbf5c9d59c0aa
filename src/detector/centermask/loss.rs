//! Table `[model.loss]` of a CenterMask: the weights of the losses, what locations have to find, and the sampled
//! regions.

use super::assigning::Assigner;
use crate::detector::by_region::{Matcher, SampleSize};
use crate::graph::centermask::LEVELS;
use crate::ops::Focal;
use crate::registry::{Check, Checked, MOST_WEIGHT};
use schemars::JsonSchema;
use serde::Deserialize;
use std::ops::RangeInclusive;

/// The table `[model.loss]`.
#[derive(Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LossConfig {
    /// Weight of the focal loss of the locations' classes.
    pub class: f32,
    /// Weight of the right class in the focal loss; the others have 1 - `focal-alpha`.
    pub focal_alpha: f32,
    /// Exponent of the focal loss of the locations' classes.
    pub focal_gamma: f32,
    /// Weight of the GIoU loss of the locations' boxes.
    #[serde(rename = "box")]
    pub boxes: f32,
    /// Weight of the binary cross-entropy of the locations' centreness.
    pub centreness: f32,
    /// Weight of the binary cross-entropy of the masks.
    pub mask: f32,
    /// Weight of the loss of the predicted IoU of the masks.
    pub iou: f32,
    /// A location has to find objects whose centre is less than this many of its strides away.
    pub centre_radius: f32,
    /// The largest distance to a side of the box, in pixels, that the locations of each level have to find; the
    /// coarsest level has no bound.
    pub ranges: [f32; LEVELS - 1],
    /// Sampled regions of an image.
    pub regions: usize,
    /// The largest share of regions that have to find an object.
    pub region_objects: f32,
    /// A region that overlaps an object by this much has to find it; otherwise it teaches nothing.
    pub region_high: f32,
}

/// Samples of an image.
const SAMPLES: RangeInclusive<usize> = 1..=100_000;
/// The exponents of the focal loss: below 1 its slope has no bound.
const EXPONENTS: RangeInclusive<f32> = 1.0..=10.0;
/// Strides around a centre, and pixels of a range. Larger ones are typing mistakes.
const RADII: RangeInclusive<f32> = 0.1..=100.0;
const PIXELS: RangeInclusive<f32> = 1.0..=65_536.0;

impl Checked for LossConfig {
    fn check(&self, check: &mut Check) {
        for (key, weight) in [
            ("class", self.class),
            ("box", self.boxes),
            ("centreness", self.centreness),
            ("mask", self.mask),
            ("iou", self.iou),
        ] {
            check.range(key, weight, 0.0..=MOST_WEIGHT as f32);
        }
        check.range("focal-alpha", self.focal_alpha, 0.0..=1.0);
        check.range("focal-gamma", self.focal_gamma, EXPONENTS);
        check.range("centre-radius", self.centre_radius, RADII);
        for end in self.ranges {
            check.range("ranges", end, PIXELS);
        }
        let rising = self.ranges.is_sorted_by(|one, next| one < next);
        let found = format!("{:?}", self.ranges);
        check.require(
            rising,
            "ranges",
            found,
            "numbers that rise from level to level",
        );
        check.range("regions", self.regions, SAMPLES);
        check.range("region-objects", self.region_objects, 0.0..=1.0);
        check.range("region-high", self.region_high, 0.0..=1.0);
    }
}

impl LossConfig {
    /// The assignment of locations.
    pub fn assigner(&self) -> Assigner {
        Assigner {
            radius: self.centre_radius,
            ranges: self.ranges,
        }
    }

    /// The focal loss.
    pub fn focal(&self) -> Focal {
        Focal {
            alpha: Some(self.focal_alpha),
            gamma: self.focal_gamma,
        }
    }

    /// The matching of regions.
    pub fn region_matcher(&self) -> Matcher {
        Matcher {
            low: self.region_high,
            high: self.region_high,
            low_quality: None,
        }
    }

    /// The sample of regions.
    pub fn region_sample(&self) -> SampleSize {
        SampleSize {
            count: self.regions,
            objects: self.region_objects,
        }
    }

    /// The most regions of an image that have to find an object.
    pub fn most_masks(&self) -> usize {
        (self.regions as f32 * self.region_objects) as usize
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The loss of the shipped body at full size: CenterMask2's values.
    pub fn published() -> LossConfig {
        let body = include_str!("../../../recipes/bodies/centermask-r50.toml");
        let body: toml::Table = body.parse().expect("TOML");
        let loss = body["model"]["loss"].clone();
        loss.try_into().expect("the keys of the loss")
    }

    #[test]
    fn values_that_cannot_be_meant_are_refused_by_key() {
        published().checked().unwrap();
        assert_eq!(published().most_masks(), 128);
        let refused = |change: fn(&mut LossConfig)| {
            let mut loss = published();
            change(&mut loss);
            let errors = loss.checked().expect_err("refused");
            errors
                .iter()
                .map(|error| error.key.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(refused(|c| c.ranges[2] = 128.0), ["ranges"]);
        assert_eq!(refused(|c| c.ranges[0] = f32::NAN)[0], "ranges");
        assert_eq!(refused(|c| c.focal_gamma = 0.5), ["focal-gamma"]);
        assert_eq!(refused(|c| c.focal_alpha = 1.5), ["focal-alpha"]);
        assert_eq!(refused(|c| c.centre_radius = 0.0), ["centre-radius"]);
        assert_eq!(refused(|c| c.centreness = -1.0), ["centreness"]);
        assert_eq!(refused(|c| c.regions = 0), ["regions"]);
    }
}
