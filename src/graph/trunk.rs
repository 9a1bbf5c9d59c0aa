//! What every network that finds objects begins with.

use super::backbone::{BackboneConfig, ResNet};
use super::input::Normaliser;
use crate::rng::Stream;
use crate::tensor::Place;
use anyhow::Result;

/// The preparation of the input, the backbone, and the number of classes. A clone shares the values of the parameters
/// until either is written.
#[derive(Clone, Debug)]
pub struct Trunk {
    /// The preparation of the input.
    pub normaliser: Normaliser,
    /// The backbone.
    pub backbone: ResNet,
    /// The number of object classes K.
    pub classes: usize,
}

impl Trunk {
    /// A trunk for pictures that `normaliser` prepares. The values of the backbone are drawn from `rng`, or read from
    /// `backbone.weights`.
    ///
    /// # Errors
    /// Weights are missing or do not fit.
    pub fn new(
        backbone: &BackboneConfig,
        normaliser: Normaliser,
        classes: usize,
        rng: &mut Stream,
    ) -> Result<Self> {
        Ok(Self {
            normaliser,
            backbone: ResNet::new(backbone, rng)?,
            classes,
        })
    }

    /// The memory that holds the parameters of the network.
    pub fn place(&self) -> Place {
        self.backbone.place()
    }
}
