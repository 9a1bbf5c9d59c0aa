//! A part of a batch whose losses are taken together, and how they are taken.

use super::Targets;
use serde::Deserialize;
use std::ops::Range;

/// The labelled or the unlabelled part of a batch: its losses are normalised on their own.
#[derive(Clone, Debug)]
pub struct Part<'a> {
    /// The images of the predictions.
    pub images: Range<usize>,
    /// One per image, with classes that the predictions know and masks of one size.
    pub targets: &'a [Targets<'a>],
    /// The form of its mask loss.
    pub mask_loss: MaskLoss,
    /// The class loss of images without a target.
    pub empty_image: EmptyImage,
}

/// The options of the binary cross-entropy of pseudo-masks. The default is that of annotated masks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MaskLoss {
    /// Divide it by the mean weight of its points.
    pub renormalise: bool,
    /// Sample its points (and those of dice) uniformly, so that it estimates the mean over all pixels.
    pub uniform_points: bool,
    /// Divide it by the queries of all images instead of the number of masks.
    pub per_query: bool,
}

/// The class loss of images without a target.
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
