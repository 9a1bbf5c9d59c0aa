//! One part of a batch, and the rules for its losses.

use super::Targets;
use schemars::JsonSchema;
use serde::Deserialize;
use std::ops::Range;

/// The labelled or the unlabelled part of a batch. The losses of each part are normalised on their own.
#[derive(Clone, Debug)]
pub struct Part<'a> {
    /// The positions of its images in the batch.
    pub images: Range<usize>,
    /// The targets of each image. All masks have one size.
    pub targets: &'a [Targets<'a>],
    /// The rules of its mask loss.
    pub mask_loss: MaskLoss,
    /// The class loss of its images without a target.
    pub empty_image: EmptyImage,
}

/// The rules for the binary cross-entropy of pseudo-masks. The default is the rule for annotated masks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MaskLoss {
    /// Divide the loss by the mean weight of its points.
    pub renormalise: bool,
    /// Sample the points of this loss and of dice uniformly. The loss then estimates the mean over all pixels.
    pub uniform_points: bool,
    /// Divide the loss by the number of queries of all images, not by the number of masks.
    pub per_query: bool,
}

/// The class loss of images without a target.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EmptyImage {
    /// No class loss if no image of the part has a target. Otherwise all images count (released code).
    ZeroBatch,
    /// No class loss for images without a target.
    ZeroImage,
    /// Every query of such an image learns no-object (Mask2Former).
    Background,
}
