//! The predictions of a model for an image.

use super::Mask;

/// One predicted object at the resolution of its image.
#[derive(Clone, Debug, PartialEq)]
pub struct Detection {
    /// Index into the dataset's class names.
    pub class: usize,
    /// Class probability times mask quality, in [0, 1].
    pub score: f32,
    /// The predicted pixels.
    pub mask: Mask,
}
