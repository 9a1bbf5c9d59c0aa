//! The kinds of heads that a recipe can name.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The head for the masks of regions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MaskHeadKind {
    /// Convolutions, a doubling of the resolution, and a mask for each class.
    Plain,
    /// A coarse mask beside the fine one, with a loss of its own, and a mask that is made of both (Noisy Boundaries).
    NoiseTolerant,
}

impl MaskHeadKind {
    /// True if the head predicts coarse masks, too.
    pub fn is_coarse_too(self) -> bool {
        self == Self::NoiseTolerant
    }
}

/// The prediction of the IoU of a region's mask with its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum IouHeadKind {
    /// None.
    None,
    /// Two linear layers on the features of the mask head, for all classes (PAIS). It changes no score.
    Flat,
    /// Convolutions and linear layers on the features of the region and its mask (Mask Scoring R-CNN). The score of a
    /// mask is the probability of its class times its predicted IoU.
    Scoring,
}

impl IouHeadKind {
    /// True if there is a head.
    pub fn is_there(self) -> bool {
        self != Self::None
    }

    /// True if the predicted IoU is a factor of a mask's score.
    pub fn scores_masks(self) -> bool {
        self == Self::Scoring
    }
}

/// The sets of heads that look at regions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Branches {
    /// One, which learns from labels and pseudo-labels.
    Shared,
    /// A strong one, which learns from labels and finds the objects, and a weak one, which learns from pseudo-labels
    /// (Dual-branch). Backbone, pyramid and proposals learn from both.
    StrongWeak,
}
