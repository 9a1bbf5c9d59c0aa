//! Mask2Former as a detector: the network [`crate::graph::Mask2Former`] with its loss, matching, candidates and
//! detections.

mod candidates;
mod config;
pub mod criterion;
mod detections;
mod loss;
pub mod matcher;
mod objects;
mod output;
mod planes;
pub mod points;
mod scores;

use crate::detector::{Detector, DetectorConfig, Output, Part};
use crate::graph::{Images, Mask2Former, Trunk};
use crate::nn::params::{Param, Parameters};
use crate::registry::Entry;
use crate::tensor::Tape;

#[cfg(test)]
pub(crate) use candidates::tests as examples;
pub use config::{Mask2FormerConfig, of_folder};
pub use criterion::Criterion;
pub use loss::LossConfig;
use output::Mask2FormerOutput;

/// Its row in the registry.
pub(super) const ENTRY: Entry<Box<dyn DetectorConfig>> = Entry {
    name: "mask2former",
    about: "Mask2Former: queries that each predict a class and a mask of the whole image",
    build: config::build,
};

/// The network with its loss. A clone shares the memory of a parameter until one of the two changes it.
#[derive(Clone, Debug)]
pub struct Mask2FormerDetector {
    network: Mask2Former,
    criterion: Criterion,
}

impl Mask2FormerDetector {
    /// Joins a network and its loss.
    pub fn new(network: Mask2Former, loss: LossConfig) -> Self {
        Self {
            network,
            criterion: Criterion::new(loss),
        }
    }
}

impl Parameters for Mask2FormerDetector {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        self.network.parameters(prefix, visit);
    }
}

impl Detector for Mask2FormerDetector {
    fn trunk(&self) -> &Trunk {
        self.network.trunk()
    }

    fn trunk_mut(&mut self) -> &mut Trunk {
        self.network.trunk_mut()
    }

    fn forward(&self, tape: &mut Tape, images: &Images) -> Box<dyn Output> {
        Box::new(Mask2FormerOutput {
            predictions: self.network.forward(tape, &images.map),
            sizes: images.sizes.clone(),
            padded: images.padded(),
            criterion: self.criterion.clone(),
        })
    }

    /// All divisors follow from the targets, but for the mean weight of the points.
    fn is_counted(&self, part: &Part) -> bool {
        part.mask_loss.renormalise
    }

    fn copy(&self) -> Box<dyn Detector> {
        Box::new(self.clone())
    }
}
