//! The predictions of a batch, with the sizes of its images.

use crate::graph::Predictions;

/// The predictions of the network for a batch.
pub(super) struct PredictedBatch {
    /// The predictions of every layer.
    pub predictions: Predictions,
    /// Rows and columns of each image without the padding.
    pub sizes: Vec<(usize, usize)>,
    /// Rows and columns of the padded input.
    pub padded: (usize, usize),
}
