//! The predictions of a model for an image.

use super::Mask;

/// One predicted object at the resolution of its image.
#[derive(Clone, Debug, PartialEq)]
pub struct Detection {
    /// Index into the dataset's class names.
    pub class: usize,
    /// Class probability times mask quality, or the class probability, in [0, 1].
    pub score: f32,
    /// The detector's own rectangle, x1, y1, x2, y2 in pixels; none if it finds masks alone.
    pub bounds: Option<[f32; 4]>,
    /// The predicted pixels.
    pub mask: Mask,
}
