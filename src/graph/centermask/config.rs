//! The table `[model]` of a recipe with `name = "centermask"`: the sizes of the network.

use super::levels::LEVELS;
use crate::graph::backbone::BackboneConfig;
use crate::graph::bounds::{DEVIATIONS, HIDDEN_WIDTHS, LAYERS, WIDTHS, check_parameters};
use crate::graph::input::ChannelOrder;
use crate::graph::regional::ScoringSizes;
use crate::registry::{Check, Checked};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::ops::{Bound, RangeInclusive};
use std::path::PathBuf;

/// The sizes of [`super::CenterMask`].
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CenterMaskConfig {
    /// The channels of the feature pyramid, and of the towers of the head of FCOS.
    pub fpn_width: usize,
    /// The mean of the red, green and blue values, 0 to 255.
    pub pixel_mean: [f64; 3],
    /// The standard deviation of the red, green and blue values.
    pub pixel_std: [f64; 3],
    /// The order of the colours in the input of the network.
    pub channel_order: ChannelOrder,
    /// A file with the values of the whole network; see the page Weights of the book. If empty, the values are random.
    pub weights: PathBuf,
    /// The heads for locations and for regions.
    pub heads: HeadConfig,
    /// The choice of detections among the locations.
    pub detections: DetectionConfig,
    /// The backbone, a ResNet.
    pub backbone: BackboneConfig,
}

/// The table `[model.heads]`: the sizes of the heads.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct HeadConfig {
    /// The number of 3x3 convolutions before the classes of a location, and as many before its box.
    pub tower_convs: usize,
    /// The number of groups of the norms of these convolutions.
    pub norm_groups: usize,
    /// Bins along a side of a region for its mask, which has twice as many pixels along a side.
    pub mask_side: usize,
    /// The channels of the mask head, and of the convolutions of the IoU head.
    pub mask_width: usize,
    /// The number of 3x3 convolutions of the mask head.
    pub mask_convs: usize,
    /// The width of the two fully connected layers of the IoU head.
    pub width: usize,
}

/// The table `[model.detections]`: the boxes that are reported, and the regions that the heads look at.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DetectionConfig {
    /// A location and class with at most this probability, without the centreness, is dropped.
    pub probability: f32,
    /// The best locations and classes of a level that become boxes.
    pub per_level: usize,
    /// Of two boxes of a class that overlap by more than this, the worse one is dropped.
    pub overlap: f32,
    /// Boxes of an image, at most, for the losses of masks and for pseudo-labels.
    pub kept_train: usize,
    /// Boxes of an image, at most, in an evaluation.
    pub kept_test: usize,
}

/// Bins along a side of a region.
const BINS: RangeInclusive<usize> = 1..=64;
/// Boxes: each is held in memory.
const BOXES: RangeInclusive<usize> = 1..=100_000;

impl HeadConfig {
    /// The sizes of the IoU head for regions of `channels` channels.
    pub(super) fn scoring(&self, channels: usize) -> ScoringSizes {
        ScoringSizes {
            channels,
            side: self.mask_side,
            width: self.mask_width,
            hidden: self.width,
        }
    }
}

impl CenterMaskConfig {
    /// Pixels of the input for a pixel of each level, along a side.
    pub fn strides(&self) -> [usize; LEVELS] {
        // res5 is the third level; each is half as large as the one before it.
        let coarsest = 4 * self.backbone.coarsest_stride();
        std::array::from_fn(|level| coarsest >> (LEVELS - 1 - level))
    }
}

impl Checked for CenterMaskConfig {
    fn check(&self, check: &mut Check) {
        let before = check.refusals();
        check.range("fpn-width", self.fpn_width, WIDTHS);
        for mean in self.pixel_mean {
            check.range("pixel-mean", mean, ..);
        }
        for deviation in self.pixel_std {
            check.range("pixel-std", deviation, DEVIATIONS);
        }
        if !self.weights.as_os_str().is_empty() && !self.backbone.weights.as_os_str().is_empty() {
            let message = "holds the backbone as well: `backbone.weights` must then be empty";
            check.refuse("weights", message);
        }
        check.within("heads", |check| self.heads.check(check));
        let groups = self.heads.norm_groups;
        check.divides("fpn-width", self.fpn_width, groups, "`heads.norm-groups`");
        check.within("detections", |check| self.detections.check(check));
        check.within("backbone", |check| self.backbone.check(check));
        if check.refusals() == before {
            check_parameters(check, &self.parts());
        }
    }
}

impl Checked for HeadConfig {
    fn check(&self, check: &mut Check) {
        check.range("tower-convs", self.tower_convs, LAYERS);
        check.range("norm-groups", self.norm_groups, WIDTHS);
        check.range("mask-side", self.mask_side, BINS);
        check.range("mask-width", self.mask_width, WIDTHS);
        check.range("mask-convs", self.mask_convs, LAYERS);
        check.range("width", self.width, HIDDEN_WIDTHS);
    }
}

impl Checked for DetectionConfig {
    fn check(&self, check: &mut Check) {
        let below_one = (Bound::Included(0.0), Bound::Excluded(1.0));
        check.range("probability", self.probability, below_one);
        check.range("per-level", self.per_level, BOXES);
        check.range("overlap", self.overlap, 0.0..=1.0);
        check.range("kept-train", self.kept_train, BOXES);
        check.range("kept-test", self.kept_test, BOXES);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use toml::Table;

    /// The network of the shipped body at full size, which has the published sizes.
    pub(crate) fn published() -> CenterMaskConfig {
        let body = include_str!("../../../recipes/bodies/centermask-r50.toml");
        let body: Table = body.parse().expect("TOML");
        let mut model = body["model"].as_table().expect("a table").clone();
        model.retain(|key, _| key != "name" && key != "loss");
        model.try_into().expect("the keys of the network")
    }

    #[test]
    fn the_published_sizes_are_valid_and_have_the_published_strides() {
        published().checked().unwrap();
        assert_eq!(published().strides(), [8, 16, 32, 64, 128]);
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused_by_key() {
        let refused = |change: fn(&mut CenterMaskConfig)| {
            let mut config = published();
            change(&mut config);
            config.checked().expect_err("refused")[0].key.clone()
        };
        assert_eq!(refused(|c| c.fpn_width = 0), "fpn-width");
        assert_eq!(refused(|c| c.fpn_width = 48), "fpn-width");
        assert_eq!(refused(|c| c.pixel_std[2] = 0.0009), "pixel-std");
        assert_eq!(refused(|c| c.heads.tower_convs = 0), "heads.tower-convs");
        assert_eq!(refused(|c| c.heads.norm_groups = 0), "heads.norm-groups");
        assert_eq!(refused(|c| c.heads.mask_convs = 0), "heads.mask-convs");
        assert_eq!(refused(|c| c.heads.mask_side = 65), "heads.mask-side");
        let never = refused(|c| c.detections.probability = 1.0);
        assert_eq!(never, "detections.probability");
        assert_eq!(
            refused(|c| c.detections.per_level = 0),
            "detections.per-level"
        );
        assert_eq!(
            refused(|c| c.detections.overlap = 1.5),
            "detections.overlap"
        );
        assert_eq!(
            refused(|c| c.detections.kept_test = 0),
            "detections.kept-test"
        );
        assert_eq!(refused(|c| c.backbone.depths[2] = 0), "backbone.depths");
        let twice = refused(|c| {
            (c.weights, c.backbone.weights) = ("whole".into(), "backbone".into());
        });
        assert_eq!(twice, "weights");
    }
}
