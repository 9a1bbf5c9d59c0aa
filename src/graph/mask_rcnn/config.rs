//! The table `[model]` of a recipe with `name = "mask-rcnn"`: the sizes of the network and its rules.

use super::fpn::LEVELS;
use super::head_kinds::{Branches, IouHeadKind, MaskHeadKind};
use super::points::RulesConfig;
use super::semantics::{Rules, Semantics};
use crate::graph::backbone::BackboneConfig;
use crate::graph::bounds::{DEVIATIONS, HIDDEN_WIDTHS, LAYERS, LENGTHS, WIDTHS, check_parameters};
use crate::graph::input::ChannelOrder;
use crate::graph::regional::ScoringSizes;
use crate::registry::{Check, Checked};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::ops::{Bound, RangeInclusive};
use std::path::PathBuf;

/// The sizes of [`super::MaskRcnn`].
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct MaskRcnnConfig {
    /// The implementation whose rules are followed where implementations differ.
    pub semantics: Semantics,
    /// Single points in which the network differs from `semantics`.
    pub rules: RulesConfig,
    /// The channels of the feature pyramid.
    pub fpn_width: usize,
    /// The side of the anchors of each level, from fine to coarse, in pixels of the input.
    pub anchor_sizes: [f32; LEVELS],
    /// Height over width of the anchors of a cell.
    pub anchor_ratios: Vec<f32>,
    /// The side of a region that is read from the third level, in pixels of the input.
    pub canonical_side: f32,
    /// The mean of the red, green and blue values, 0 to 255.
    pub pixel_mean: [f64; 3],
    /// The standard deviation of the red, green and blue values.
    pub pixel_std: [f64; 3],
    /// The order of the colours in the input of the network.
    pub channel_order: ChannelOrder,
    /// A file with the values of the whole network; see the page Weights of the book. If empty, the values are random.
    pub weights: PathBuf,
    /// The head for the masks of regions.
    pub mask_head: MaskHeadKind,
    /// The prediction of the IoU of a region's mask with its object.
    pub iou_head: IouHeadKind,
    /// The sets of heads for regions.
    pub branches: Branches,
    /// Further heads for the classes and masks of regions, which the method `consistency` with `perturb` trains. A test
    /// does not use them.
    pub auxiliary_heads: usize,
    /// The heads for regions.
    pub heads: HeadConfig,
    /// The choice of proposals among the anchors.
    pub proposals: ProposalConfig,
    /// The choice of detections among the regions.
    pub detections: DetectionConfig,
    /// The backbone, a ResNet.
    pub backbone: BackboneConfig,
}

/// The table `[model.heads]`: the sizes of the heads for regions.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct HeadConfig {
    /// Bins along a side of a region for its class and box.
    pub box_side: usize,
    /// The width of the two fully connected layers, and of those of an IoU head.
    pub width: usize,
    /// Bins along a side of a region for its mask, which has twice as many pixels along a side.
    pub mask_side: usize,
    /// The channels of the mask head.
    pub mask_width: usize,
    /// The number of 3x3 convolutions of the mask head.
    pub mask_convs: usize,
}

/// The table `[model.proposals]`: the regions that the heads look at.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ProposalConfig {
    /// The best anchors of a level that become proposals, in training.
    pub per_level_train: usize,
    /// The best anchors of a level that become proposals, in evaluation and for pseudo-labels.
    pub per_level_test: usize,
    /// The proposals of an image that are kept, in training.
    pub kept_train: usize,
    /// The proposals of an image that are kept, in evaluation and for pseudo-labels.
    pub kept_test: usize,
    /// Of two proposals of a level that overlap by more than this, the worse one is dropped.
    pub overlap: f32,
}

/// The table `[model.detections]`: the regions that are reported.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DetectionConfig {
    /// A region and class with at most this probability is dropped.
    pub probability: f32,
    /// Of two detections of a class that overlap by more than this, the worse one is dropped.
    pub overlap: f32,
    /// Detections of an image, at most.
    pub most: usize,
}

/// Bins along a side of a region.
const BINS: RangeInclusive<usize> = 1..=64;
/// Proposals and detections: each is held in memory.
const REGIONS: RangeInclusive<usize> = 1..=100_000;
/// Most ratios of the anchors of a cell.
const MOST_RATIOS: usize = 32;
/// Most auxiliary heads: CCT has 30 decoders.
const MOST_AUXILIARY: usize = 64;

impl MaskRcnnConfig {
    /// The rules that the network follows.
    pub fn rules(&self) -> Rules {
        self.rules.over(self.semantics)
    }
}

impl Checked for MaskRcnnConfig {
    fn check(&self, check: &mut Check) {
        let before = check.refusals();
        check.range("fpn-width", self.fpn_width, WIDTHS);
        for size in self.anchor_sizes {
            check.range("anchor-sizes", size, LENGTHS);
        }
        let count = self.anchor_ratios.len();
        check.require(
            (1..=MOST_RATIOS).contains(&count),
            "anchor-ratios",
            count,
            format!("1 to {MOST_RATIOS} numbers"),
        );
        for ratio in &self.anchor_ratios {
            check.range("anchor-ratios", *ratio, 0.01..=100.0);
        }
        check.range("canonical-side", self.canonical_side, LENGTHS);
        check.within("rules", |check| self.rules.check(check));
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
        check.range("auxiliary-heads", self.auxiliary_heads, 0..=MOST_AUXILIARY);
        check.within("heads", |check| self.heads.check(check));
        check.within("proposals", |check| self.proposals.check(check));
        check.within("detections", |check| self.detections.check(check));
        check.within("backbone", |check| self.backbone.check(check));
        if check.refusals() == before {
            check_parameters(check, &self.parts());
        }
    }
}

impl HeadConfig {
    /// The sizes of a scoring IoU head for regions of `channels` channels.
    pub(super) fn scoring(&self, channels: usize) -> ScoringSizes {
        ScoringSizes {
            channels,
            side: self.mask_side,
            width: self.mask_width,
            hidden: self.width,
        }
    }
}

impl Checked for HeadConfig {
    fn check(&self, check: &mut Check) {
        check.range("box-side", self.box_side, BINS);
        check.range("width", self.width, HIDDEN_WIDTHS);
        check.range("mask-side", self.mask_side, BINS);
        check.range("mask-width", self.mask_width, WIDTHS);
        check.range("mask-convs", self.mask_convs, LAYERS);
    }
}

impl Checked for ProposalConfig {
    fn check(&self, check: &mut Check) {
        check.range("per-level-train", self.per_level_train, REGIONS);
        check.range("per-level-test", self.per_level_test, REGIONS);
        check.range("kept-train", self.kept_train, REGIONS);
        check.range("kept-test", self.kept_test, REGIONS);
        check.range("overlap", self.overlap, 0.0..=1.0);
    }
}

impl Checked for DetectionConfig {
    fn check(&self, check: &mut Check) {
        let below_one = (Bound::Included(0.0), Bound::Excluded(1.0));
        check.range("probability", self.probability, below_one);
        check.range("overlap", self.overlap, 0.0..=1.0);
        check.range("most", self.most, REGIONS);
    }
}

impl MaskRcnnConfig {
    /// Pixels of the input for a pixel of each level, along a side.
    pub fn strides(&self) -> [usize; LEVELS] {
        let coarsest = self.backbone.coarsest_stride();
        // The backbone's coarsest map is the level before the last.
        std::array::from_fn(|level| (2 * coarsest) >> (LEVELS - 1 - level))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use toml::Table;

    /// The network of the shipped body at full size, which has the published sizes.
    pub(crate) fn published() -> MaskRcnnConfig {
        let body = include_str!("../../../recipes/bodies/mask-rcnn-r50.toml");
        let body: Table = body.parse().expect("TOML");
        let mut model = body["model"].as_table().expect("a table").clone();
        model.retain(|key, _| key != "name" && key != "loss");
        model.try_into().expect("the keys of the network")
    }

    #[test]
    fn the_published_sizes_are_valid_and_have_the_published_strides() {
        published().checked().unwrap();
        assert_eq!(published().strides(), [4, 8, 16, 32, 64]);
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused_by_key() {
        let refused = |change: fn(&mut MaskRcnnConfig)| {
            let mut config = published();
            change(&mut config);
            config.checked().expect_err("refused")[0].key.clone()
        };
        assert_eq!(refused(|c| c.fpn_width = 0), "fpn-width");
        assert_eq!(refused(|c| c.anchor_sizes[2] = 0.99), "anchor-sizes");
        assert_eq!(refused(|c| c.pixel_std[2] = 0.0009), "pixel-std");
        assert_eq!(refused(|c| c.anchor_ratios.clear()), "anchor-ratios");
        assert_eq!(refused(|c| c.canonical_side = f32::NAN), "canonical-side");
        assert_eq!(refused(|c| c.canonical_side = 0.99), "canonical-side");
        let never = refused(|c| c.detections.probability = 1.0);
        assert_eq!(never, "detections.probability");
        assert_eq!(refused(|c| c.heads.mask_convs = 0), "heads.mask-convs");
        assert_eq!(refused(|c| c.proposals.overlap = 1.5), "proposals.overlap");
        assert_eq!(refused(|c| c.detections.most = 0), "detections.most");
        assert_eq!(refused(|c| c.backbone.depths[2] = 0), "backbone.depths");
    }
}
