//! Mask R-CNN as a detector: the network [`crate::graph::mask_rcnn`] with its loss, matching, sampling, proposals and
//! detections.

mod config;
mod criterion;
mod detecting;
mod forward;
mod loss;
mod output;
mod proposing;
mod regions;
mod views;

use crate::detector::test_views::union;
use crate::detector::{Detector, DetectorConfig, Judged, Merge, Output, TestView, ViewsRule};
use crate::graph::mask_rcnn::MaskRcnn;
use crate::graph::{Images, Trunk};
use crate::nn::params::{Param, Parameters};
use crate::registry::Entry;
use crate::tensor::Tape;
use criterion::Criterion;
use forward::ForwardPass;
use output::MaskRcnnOutput;
use std::sync::OnceLock;

pub use crate::detector::by_region::SampleOrder;
pub use config::MaskRcnnTable;
pub use loss::LossConfig;

/// Its row in the registry.
pub(super) const ENTRY: Entry<Box<dyn DetectorConfig>> = Entry {
    name: "mask-rcnn",
    about: "Mask R-CNN with a feature pyramid: boxes that are proposed, classified and segmented",
    build: config::build,
};

/// The network with its loss. A clone shares the memory of a parameter until one of the two changes it.
#[derive(Clone, Debug)]
pub struct MaskRcnnDetector {
    network: MaskRcnn,
    criterion: Criterion,
}

impl MaskRcnnDetector {
    /// Joins a network and its loss. Anchors and regions are sampled at random.
    pub fn new(network: MaskRcnn, loss: LossConfig) -> Self {
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

    /// The levels and the predictions for anchors of `images`.
    fn pass(&self, tape: &mut Tape, images: &Images) -> ForwardPass {
        let levels = self.network.levels(tape, &images.map);
        let predictions = self.network.anchor_predictions(tape, &levels);
        let (anchors, of_level) = self.network.anchors(&levels, images.padded());
        ForwardPass {
            model: self.network.clone(),
            levels,
            predictions,
            on_host: OnceLock::new(),
            anchors,
            of_level,
            sizes: images.sizes.clone(),
            padded: images.padded(),
        }
    }
}

impl Parameters for MaskRcnnDetector {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        self.network.parameters(prefix, visit);
    }
}

impl Detector for MaskRcnnDetector {
    fn trunk(&self) -> &Trunk {
        self.network.trunk()
    }

    fn trunk_mut(&mut self) -> &mut Trunk {
        self.network.trunk_mut()
    }

    fn forward(&self, tape: &mut Tape, images: &Images) -> Box<dyn Output> {
        Box::new(MaskRcnnOutput {
            pass: self.pass(tape, images),
            criterion: self.criterion.clone(),
        })
    }

    fn judge_views(&self, views: &[TestView], rule: &ViewsRule) -> Vec<Judged> {
        match rule.merge {
            Merge::MeanByProposal => views::judge(self, views, rule),
            Merge::UnionNms => union(self, views, rule),
        }
    }

    fn copy(&self) -> Box<dyn Detector> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests;
