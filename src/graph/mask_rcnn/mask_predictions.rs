//! The predictions of a mask head.
//!
//! Shapes: R regions of P x P bins, K classes.

use crate::tensor::Map;

/// The predictions for the masks of some regions.
#[derive(Clone, Debug)]
pub struct MaskPredictions {
    /// Logits of 2 P x 2 P with a channel for each class.
    pub logits: Map,
    /// Coarse logits of P x P with a channel for each class; none of a plain head.
    pub coarse: Option<Map>,
    /// The regions of P x P bins that the head has read.
    pub(super) regions: Map,
    /// The same after the convolutions.
    pub(super) features: Map,
}
