//! The choice of candidates for pseudo-labels among a detector's proposals, and the form of the labels.

use schemars::JsonSchema;
use serde::Deserialize;

/// The rules by which candidates are chosen and scored.
#[derive(Clone, Copy, Debug)]
pub struct CandidateChoice {
    /// The probability that is the class quality.
    pub score: Score,
    /// The (query, class) pairs that are candidates.
    pub selection: Selection,
    /// The number of pairs for [`Selection::TopPairs`].
    pub top: usize,
    /// The mask quality.
    pub quality: MaskQuality,
}

/// The quality m of a candidate's mask.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MaskQuality {
    /// The mean probability of its pixels above 0.5 (PL-DC, eq. 4).
    MeanForeground,
    /// The IoU with its object that the network predicts by its IoU head (PAIS, Polite Teacher).
    IouHead,
}

/// The classes that the softmax of eq. 3 runs over.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Score {
    /// The object classes and no-object. This is the probability that the detector itself reports (released code).
    WithNoObject,
    /// The object classes alone (paper). Queries whose most likely class is no-object are no candidates.
    Foreground,
}

/// The (query, class) pairs of an image that are candidates.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Selection {
    /// Every query once, with its most likely object class (paper).
    ArgMax,
    /// The pairs with the highest probability (released code). A query may appear with several classes.
    TopPairs,
}

/// The measure of the area of a pseudo-mask.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AreaMeasure {
    /// The pixels of the mask in the teacher's view (released code of PL-DC).
    Pixels,
    /// The sum of the probabilities on the grid on which the network predicts masks, a quarter of the view along each
    /// side at full size (GuidedDistillation).
    Probability,
}

/// The resolution of the masks that the student learns from.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MaskTarget {
    /// That of the teacher's view.
    Full,
    /// That of the grid on which the network predicts masks, a quarter of the view along each side at full size
    /// (GuidedDistillation).
    Quarter,
}

/// The rectangle of a pseudo-label.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PseudoBox {
    /// The smallest one around its mask.
    Mask,
    /// The box that the teacher detected (Unbiased Teacher, Noisy Boundaries).
    Detection,
}
