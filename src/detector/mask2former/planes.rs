//! The mask logits of the last layer at the resolution of the network.

use crate::detector::{GridLogits, Masks};
use crate::graph::{LayerPredictions, Predictions};
use crate::ops;
use crate::tensor::{Place, Tensor2};
use std::sync::Arc;

/// The mask logits of all queries of a batch, in the memory of the network.
#[derive(Clone, Debug)]
pub(super) struct MaskPlanes {
    /// `[B * Q, h * w]`.
    masks: Tensor2,
    /// Rows and columns of a plane.
    size: (usize, usize),
    /// Rows and columns of the padded input.
    padded: (usize, usize),
}

impl MaskPlanes {
    /// The mask logits of `predictions`. `padded`: rows and columns of the input.
    pub fn new(predictions: &Predictions, padded: (usize, usize)) -> Self {
        Self {
            masks: last(predictions).masks.clone(),
            size: (predictions.height, predictions.width),
            padded,
        }
    }

    /// Copies the planes `rows` to the memory of the CPU.
    pub fn fetched(&self, rows: &[usize]) -> Fetched {
        Fetched {
            values: ops::rows_on_host(&self.masks, rows),
            size: self.size,
        }
    }
}

impl Masks for MaskPlanes {
    fn place(&self) -> Place {
        self.masks.place()
    }

    fn logits(&self, rows: &[usize]) -> Tensor2 {
        ops::resize_rows(&self.masks, rows, self.size, self.padded)
    }

    fn only(&self, rows: &[usize]) -> Arc<dyn Masks> {
        Arc::new(Self {
            // At its own size a plane is copied.
            masks: ops::resize_rows(&self.masks, rows, self.size, self.size),
            ..*self
        })
    }

    fn grid_logits(&self, rows: &[usize]) -> Option<GridLogits> {
        Some(GridLogits {
            logits: ops::resize_rows(&self.masks, rows, self.size, self.size),
            size: self.size,
        })
    }
}

/// Some planes of mask logits in the memory of the CPU.
pub(super) struct Fetched {
    values: Vec<f32>,
    size: (usize, usize),
}

impl Fetched {
    /// Plane `index`, bilinearly resized.
    pub fn resized(&self, index: usize, height: usize, width: usize) -> Vec<f32> {
        let len = self.size.0 * self.size.1;
        let plane = &self.values[index * len..][..len];
        ops::resize_planes(plane, 1, self.size, (height, width))
    }
}

/// The predictions of the last layer.
pub(super) fn last(predictions: &Predictions) -> &LayerPredictions {
    let layers = predictions.layers.last();
    layers.expect("at least the initial prediction")
}
