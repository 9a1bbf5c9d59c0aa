//! The points in which the implementations of Mask R-CNN differ.
//!
//! | point | `detectron2` | `torchvision` | `mmdetection` |
//! |---|---|---|---|
//! | regions are shifted by half a pixel | yes | no | yes |
//! | samples of a bin | as many as pixels | 2 x 2 | as many as pixels |
//! | level of a region | floor(4 + log2(r + 1e-8)) | floor(4 + log2(r) + 1e-6) | floor(log2(4 r + 1e-6)) + 2 |
//! | anchors | exact, strides of the levels | rounded, strides of the maps' sizes | exact, strides of the levels |
//! | an object's best anchor, however bad | any | any | from IoU 0.3, and takes the object |
//! | the same for regions | no | no | from IoU 0.5 |
//! | divisor of the anchors' losses | all that may be sampled | all that are sampled | all that are sampled |
//! | loss of boxes | L1 | smooth L1, bound 1/9 | L1 |
//! | decoded sides are bounded | above | above | above and below |
//! | proposals are ordered by | logit | probability | probability |
//! | smallest side of a proposal, of a detection | above 0 | 1e-3, 1e-2 | above 0 |
//! | target of a mask | RoIAlign, at least 0.5 | RoIAlign without shift, soft | RoIAlign, at least 0.5 |
//! | a picture of another size in evaluation | means of bytes, nearest size | interpolated values, size rounded down | as detectron2's |
//! | initial values of the pyramid | uniform, variance 1 / in | uniform, variance 1 / in | Xavier |
//! | of the fully connected layers | uniform, variance 1 / in | PyTorch's default | Xavier |
//! | of the predictors of classes and deltas | N(0, 0.01^2), N(0, 0.001^2) | PyTorch's default | as detectron2's |
//! | of the predictor of masks | N(0, 0.001^2) | Kaiming, PyTorch's default for biases | Kaiming |
//! | paste | pixels read the mask | the mask is resized | pixels read the mask |
//!
//! r is the side of a square of the region's area, in units of 224 pixels. Sources: detectron2, torchvision 0.29.2 and
//! mmdetection 2.18.

use crate::graph::input::Resizing;
use crate::ops::{BoxCoder, PasteRule, RoiPool};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The implementation whose rules a Mask R-CNN follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Semantics {
    /// Detectron2, the reference of most papers.
    Detectron2,
    /// torchvision's `maskrcnn_resnet50_fpn`.
    Torchvision,
    /// MMDetection 2.
    Mmdetection,
}

/// The level of a region in the pyramid, from r.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LevelRule {
    /// floor(4 + log2(r + 1e-8)).
    Detectron2,
    /// floor(4 + log2(r) + 1e-6).
    Torchvision,
    /// floor(log2(4 r + 1e-6)) + 2.
    Mmdetection,
}

/// The match of an object with its best candidates, although they overlap it by less than the bound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LowQuality {
    /// The smallest overlap of such a match.
    pub least: f32,
    /// True if the candidate then belongs to this object. Otherwise it keeps the object that it overlaps most.
    pub reassigns: bool,
}

/// The rules of one implementation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// True if regions are shifted by half a pixel.
    pub aligned: bool,
    /// Samples of a bin along a side; 0: as many as pixels.
    pub sampling: usize,
    /// The level of a region.
    pub level: LevelRule,
    /// True if the anchors around a cell have whole sides.
    pub rounded_anchors: bool,
    /// True if the stride of a level is the size of the input over that of its map. Otherwise it is the level's own.
    pub strides_of_maps: bool,
    /// Low-quality matches of anchors.
    pub anchors: Option<LowQuality>,
    /// Low-quality matches of regions.
    pub regions: Option<LowQuality>,
    /// True if the losses of anchors are divided by the number of sampled ones. Otherwise by the number that may be
    /// sampled.
    pub divides_by_sampled: bool,
    /// The bound of the smooth L1 loss of anchors; 0: L1.
    pub anchor_beta: f32,
    /// The same for regions.
    pub region_beta: f32,
    /// True if decoded rectangles are bounded below, too.
    pub bounded_below: bool,
    /// True if proposals are ordered by their probability, which is less exact than the logit.
    pub orders_by_probability: bool,
    /// The smallest side of a proposal; 0: above 0.
    pub least_proposal: f32,
    /// The smallest side of a detection; 0: above 0.
    pub least_detection: f32,
    /// True if the target of a mask is 0 or 1. Otherwise it is the covered part.
    pub hard_masks: bool,
    /// The rule by which masks are pasted.
    pub paste: PasteRule,
    /// What an evaluation resizes.
    pub resizing: Resizing,
    /// The implementation whose initial values the pyramid and the heads have.
    pub start: Semantics,
}

impl Semantics {
    /// All of them.
    #[cfg(test)]
    pub const ALL: [Self; 3] = [Self::Detectron2, Self::Torchvision, Self::Mmdetection];

    /// Its rules.
    pub fn rules(self) -> Rules {
        let any = LowQuality {
            least: 0.0,
            reassigns: false,
        };
        let detectron2 = Rules {
            aligned: true,
            sampling: 0,
            level: LevelRule::Detectron2,
            rounded_anchors: false,
            strides_of_maps: false,
            anchors: Some(any),
            regions: None,
            divides_by_sampled: false,
            anchor_beta: 0.0,
            region_beta: 0.0,
            bounded_below: false,
            orders_by_probability: false,
            least_proposal: 0.0,
            least_detection: 0.0,
            hard_masks: true,
            paste: PasteRule::Sampled,
            resizing: Resizing::Bytes,
            start: Self::Detectron2,
        };
        match self {
            Self::Detectron2 => detectron2,
            Self::Torchvision => Rules {
                aligned: false,
                sampling: 2,
                level: LevelRule::Torchvision,
                rounded_anchors: true,
                strides_of_maps: true,
                divides_by_sampled: true,
                anchor_beta: 1.0 / 9.0,
                region_beta: 1.0 / 9.0,
                orders_by_probability: true,
                least_proposal: 1e-3,
                least_detection: 1e-2,
                hard_masks: false,
                paste: PasteRule::Expanded,
                resizing: Resizing::Values,
                start: Self::Torchvision,
                ..detectron2
            },
            Self::Mmdetection => Rules {
                level: LevelRule::Mmdetection,
                anchors: Some(LowQuality {
                    least: 0.3,
                    reassigns: true,
                }),
                regions: Some(LowQuality {
                    least: 0.5,
                    reassigns: true,
                }),
                divides_by_sampled: true,
                bounded_below: true,
                orders_by_probability: true,
                start: Self::Mmdetection,
                ..detectron2
            },
        }
    }
}

impl Rules {
    /// The code of rectangles with the weights of dx, dy, dw, dh.
    pub fn coder(&self, weights: [f32; 4]) -> BoxCoder {
        BoxCoder {
            weights,
            bounded_below: self.bounded_below,
        }
    }

    /// The pooling of a region to `side` x `side` bins.
    pub fn pool(&self, side: usize) -> RoiPool {
        RoiPool {
            side,
            sampling: self.sampling,
            aligned: self.aligned,
        }
    }
}
