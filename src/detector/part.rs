//! One part of a batch, and the rules for its losses.

use super::{Boundary, Targets};
use crate::ops::Bounds;
use schemars::JsonSchema;
use serde::Deserialize;
use std::fmt;
use std::ops::Range;

/// The labelled or the unlabelled part of a batch. The losses of each part are normalised on their own.
#[derive(Clone, Debug)]
pub struct Part<'a> {
    /// The positions of its images in the batch.
    pub images: Range<usize>,
    /// The targets of each image. All masks have one size.
    pub targets: &'a [Targets<'a>],
    /// The origin of these targets.
    pub origin: Origin,
    /// The rules of its mask loss.
    pub mask_loss: MaskLoss,
    /// The class loss of its images without a target.
    pub empty_image: EmptyImage,
    /// The weight, in the class loss, of outputs to which no object is assigned.
    pub background: Background<'a>,
}

/// The origin of targets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// Annotations.
    #[default]
    Labelled,
    /// A network's predictions.
    Pseudo,
}

/// The weight, in the class loss, of outputs to which no object is assigned.
#[derive(Clone, Copy, Default)]
pub enum Background<'a> {
    /// That of the detector.
    #[default]
    Own,
    /// This one. The loss is divided by what it would be divided by with the detector's own.
    Weight(f32),
    /// The probability of background that a teacher gives the same region. The loss is divided by the sum of the
    /// weights, or by 1 if that is smaller (Soft Teacher).
    Teacher(&'a dyn RegionJudge),
}

/// Says how much of a region is background.
pub trait RegionJudge {
    /// The probability of background in each of the `regions` of the image `image` of the part, in pixels of its padded
    /// input.
    fn background(&self, image: usize, regions: &[Bounds]) -> Vec<f32>;
}

impl fmt::Debug for Background<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Own => f.write_str("Own"),
            Self::Weight(weight) => write!(f, "Weight({weight})"),
            Self::Teacher(_) => f.write_str("Teacher"),
        }
    }
}

/// What a recipe says of [`Background`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Negative {
    /// [`Background::Own`].
    Own,
    /// [`Background::Weight`].
    Weight(f32),
    /// [`Background::Teacher`].
    Teacher,
}

/// The rules for the binary cross-entropy of pseudo-masks. The default is the rule for annotated masks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MaskLoss {
    /// Divide the loss by the mean weight of its points.
    pub renormalise: bool,
    /// Sample the points of this loss and of dice uniformly. The loss then estimates the mean over all pixels.
    pub uniform_points: bool,
    /// Divide the loss by the number of queries of all images, not by the number of masks.
    pub per_query: bool,
    /// Weights of the pixels by the student's own prediction.
    pub boundary: Option<Boundary>,
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
    /// The image leaves the step, and nothing counts it (Noisy Boundaries). `zero-image` counts it where a loss is
    /// divided by the number of images.
    Drop,
}

impl EmptyImage {
    /// True if an image with these `targets` has a class loss. `nothing`: no image of the part has a target.
    pub fn teaches(self, targets: &Targets, nothing: bool) -> bool {
        match self {
            Self::ZeroBatch => !nothing,
            Self::ZeroImage | Self::Drop => !targets.is_empty(),
            Self::Background => true,
        }
    }

    /// The number of images with `targets` that count.
    pub fn counted(self, targets: &[Targets]) -> usize {
        match self {
            Self::Drop => targets.iter().filter(|image| !image.is_empty()).count(),
            Self::ZeroBatch | Self::ZeroImage | Self::Background => targets.len(),
        }
    }
}
