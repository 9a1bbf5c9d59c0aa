//! CenterMask as a detector: the network [`crate::graph::centermask`] with its loss, the assignment of its locations,
//! and its detections.

mod assigning;
mod config;
mod criterion;
mod detecting;
mod forward;
mod loss;
mod output;

use crate::detector::by_region::SampleOrder;
use crate::detector::{Detector, DetectorConfig, Output};
use crate::graph::centermask::CenterMask;
use crate::graph::{Images, Trunk};
use crate::nn::params::{Param, Parameters};
use crate::registry::Entry;
use crate::tensor::Tape;
use criterion::Criterion;
use forward::ForwardPass;
use output::CenterMaskOutput;
use std::sync::OnceLock;

pub use config::CenterMaskTable;
pub use loss::LossConfig;

/// Its row in the registry.
pub(super) const ENTRY: Entry<Box<dyn DetectorConfig>> = Entry {
    name: "centermask",
    about: "CenterMask with a feature pyramid: boxes around locations (FCOS), segmented, their masks scored",
    build: config::build,
};

/// The network with its loss. A clone shares the memory of a parameter until one of the two changes it.
#[derive(Clone, Debug)]
pub struct CenterMaskDetector {
    network: CenterMask,
    criterion: Criterion,
}

impl CenterMaskDetector {
    /// Joins a network and its loss. Regions are sampled at random.
    pub fn new(network: CenterMask, loss: LossConfig) -> Self {
        let criterion = Criterion {
            config: loss,
            order: SampleOrder::Random,
        };
        Self { network, criterion }
    }

    /// The same with another order of sampling.
    pub fn sampling(mut self, order: SampleOrder) -> Self {
        self.criterion.order = order;
        self
    }

    /// The levels and the predictions for locations of `images`.
    fn pass(&self, tape: &mut Tape, images: &Images) -> ForwardPass {
        let levels = self.network.levels(tape, &images.map);
        ForwardPass {
            predictions: self.network.location_predictions(tape, &levels),
            locations: self.network.locations(&levels),
            model: self.network.clone(),
            levels,
            on_host: OnceLock::new(),
            sizes: images.sizes.clone(),
            padded: images.padded(),
        }
    }
}

impl Parameters for CenterMaskDetector {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        self.network.parameters(prefix, visit);
    }
}

impl Detector for CenterMaskDetector {
    fn trunk(&self) -> &Trunk {
        self.network.trunk()
    }

    fn trunk_mut(&mut self) -> &mut Trunk {
        self.network.trunk_mut()
    }

    fn forward(&self, tape: &mut Tape, images: &Images) -> Box<dyn Output> {
        Box::new(CenterMaskOutput {
            pass: self.pass(tape, images),
            criterion: self.criterion.clone(),
        })
    }

    fn copy(&self) -> Box<dyn Detector> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests;
