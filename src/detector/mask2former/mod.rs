//! Mask2Former as a detector: the network of [`crate::graph::Mask2Former`] with its loss, its matching, its candidates and its
//! detections.

mod candidates;
pub mod criterion;
mod detections;
mod loss;
pub mod matcher;
mod objects;
mod output;
mod planes;
pub mod points;
mod scores;

use crate::detector::{Detector, Output};
use crate::graph::backbone::ResNet;
use crate::graph::{HuggingFaceFolder, Images, Mask2Former, ModelConfig, Normaliser};
use crate::nn::params::{Param, Parameters};
use crate::rng::Stream;
use crate::tensor::{Place, Tape};
use anyhow::Result;
use std::path::Path;

#[cfg(test)]
pub(crate) use candidates::tests as examples;
pub use criterion::Criterion;
pub use loss::LossConfig;
use output::Mask2FormerOutput;

/// The network with the loss that trains it. A clone shares the values of its parameters until either is written.
#[derive(Clone, Debug)]
pub struct Mask2FormerDetector {
    network: Mask2Former,
    criterion: Criterion,
}

impl Mask2FormerDetector {
    /// Puts a network and its loss together.
    pub fn new(network: Mask2Former, loss: LossConfig) -> Self {
        Self {
            network,
            criterion: Criterion::new(loss),
        }
    }
}

/// A detector for `classes` object classes, its values drawn from `rng` or read from the files that `model` names.
///
/// # Errors
/// As for [`Mask2Former::new`].
pub fn build(
    model: &ModelConfig,
    loss: &LossConfig,
    classes: usize,
    rng: &mut Stream,
) -> Result<Box<dyn Detector>> {
    let network = Mask2Former::new(model, classes, rng)?;
    Ok(Box::new(Mask2FormerDetector::new(network, loss.clone())))
}

/// The network that `config.json` of the Hugging Face folder `folder` describes, with the values of `weights` (random ones where
/// it is empty), and the names of its classes.
///
/// # Errors
/// A configuration of another network; weights that are missing or do not fit.
pub fn of_folder(folder: &Path, weights: &Path) -> Result<(Box<dyn Detector>, Vec<String>)> {
    let HuggingFaceFolder { model, labels } = HuggingFaceFolder::open(folder)?;
    let model = ModelConfig {
        weights: weights.to_path_buf(),
        ..model
    };
    let mut rng = Stream::new(0, "model");
    let detector = build(&model, &LossConfig::published(), labels.len(), &mut rng)?;
    Ok((detector, labels))
}

impl Parameters for Mask2FormerDetector {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        self.network.parameters(prefix, visit);
    }
}

impl Detector for Mask2FormerDetector {
    fn classes(&self) -> usize {
        self.network.classes()
    }

    fn normaliser(&self) -> &Normaliser {
        self.network.normaliser()
    }

    fn backbone(&self) -> &ResNet {
        self.network.backbone()
    }

    fn backbone_mut(&mut self) -> &mut ResNet {
        self.network.backbone_mut()
    }

    fn place(&self) -> Place {
        self.network.place()
    }

    fn forward(&self, tape: &mut Tape, images: &Images) -> Box<dyn Output> {
        Box::new(Mask2FormerOutput {
            predictions: self.network.forward(tape, &images.map),
            sizes: images.sizes.clone(),
            padded: images.padded(),
            criterion: self.criterion.clone(),
        })
    }

    fn copy(&self) -> Box<dyn Detector> {
        Box::new(self.clone())
    }
}
