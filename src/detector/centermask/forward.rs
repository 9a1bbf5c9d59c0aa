//! The forward pass for a batch: the levels of the pyramid and the predictions for the locations. Losses and detections
//! start from it.

use crate::graph::centermask::{CenterMask, LEVELS, Location, LocationPredictions, RegionMasks};
use crate::graph::regional::Region;
use crate::tensor::{Map, Tape};
use std::sync::OnceLock;

/// The values of [`LocationPredictions`].
#[derive(Debug)]
pub(super) struct LocationValues {
    /// Logits of the classes, `[B * L, K]`.
    pub classes: Vec<f32>,
    /// Distances in strides, `[B * L, 4]`.
    pub sides: Vec<f32>,
    /// Logits of the centreness, `[B * L]`.
    pub centreness: Vec<f32>,
}

/// The levels and the predictions for locations of a batch.
pub(super) struct ForwardPass {
    /// The network, which shares its parameters with the detector.
    pub model: CenterMask,
    /// p3 to p7.
    pub levels: [Map; LEVELS],
    /// For the locations of all images.
    pub predictions: LocationPredictions,
    /// Their values in the memory of the host, once they have been asked for.
    pub on_host: OnceLock<LocationValues>,
    /// The locations of an image.
    pub locations: Vec<Location>,
    /// Rows and columns of each image without the padding.
    pub sizes: Vec<(usize, usize)>,
    /// Rows and columns of the padded input.
    pub padded: (usize, usize),
}

impl ForwardPass {
    /// The predictions in the memory of the host. All parts of a batch share one copy. A GPU's memory is read by the
    /// thread that owns it: this is not called inside an iterator of several threads.
    pub(super) fn values(&self) -> &LocationValues {
        self.on_host.get_or_init(|| {
            let predictions = &self.predictions;
            LocationValues {
                classes: predictions.classes.host_values().into_owned(),
                sides: predictions.sides.host_values().into_owned(),
                centreness: predictions.centreness.host_values().into_owned(),
            }
        })
    }

    /// The masks of `regions`, each of its own class.
    pub(super) fn masks(
        &self,
        tape: &mut Tape,
        regions: &[Region],
        classes: &[usize],
    ) -> RegionMasks {
        let (model, levels) = (&self.model, &self.levels);
        model.region_masks(tape, levels, regions, &self.sizes, classes)
    }
}
