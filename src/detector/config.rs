//! The description of a detector in a recipe, and the demands of a method on a detector.

use super::{CandidateChoice, Detector, MaskLoss};
use crate::graph::{BackboneConfig, Operations};
use crate::registry::Check;
use crate::rng::Stream;
use anyhow::Result;
use std::fmt::Debug;
use std::path::Path;

/// Table `[model]` of a recipe, read and checked: the network with its loss.
pub trait DetectorConfig: Debug + Send + Sync {
    /// A detector for `classes` object classes. Its values are drawn from `rng`, or read from [`Self::weights`] or
    /// [`Self::backbone_weights`].
    ///
    /// # Errors
    /// Weights that are missing or do not fit.
    fn build(&self, classes: usize, rng: &mut Stream) -> Result<Box<dyn Detector>>;

    /// The network without its loss, as text. Weights that fit one network fit every network with the same text.
    fn network(&self) -> String;

    /// The file or folder with values for the whole network; empty: none.
    fn weights(&self) -> &Path;

    /// The keys of its backbone.
    fn backbone(&self) -> &BackboneConfig;

    /// The file with values for the backbone alone; empty: none.
    fn backbone_weights(&self) -> &Path {
        &self.backbone().weights
    }

    /// The floating-point operations for one picture of `height` x `width`. They tell how long a training takes.
    fn operations(&self, height: usize, width: usize) -> Operations;

    /// The number of pixels of which the sides of the network's input are multiples. Other sizes are padded.
    fn stride(&self) -> usize {
        self.backbone().coarsest_stride()
    }

    /// The content of `config.json` with which `transformers` makes this network, for classes with these `labels`.
    ///
    /// # Errors
    /// A value of `[model]` that `transformers` has no key for.
    fn hugging_face(&self, labels: Vec<String>) -> Result<serde_json::Value>;

    /// Refuses the keys of `[method]` whose values have no meaning for this detector. The default refuses none.
    fn check_demands(&self, _demands: &Demands, _check: &mut Check) {}
}

/// The demands of a method with a teacher on a detector.
#[derive(Clone, Copy, Debug)]
pub struct Demands {
    /// Keys `score`, `candidates` and `top-pairs`.
    pub choice: CandidateChoice,
    /// Keys of the slot `weighting`.
    pub mask_loss: MaskLoss,
}
