//! Detectors: networks that find objects, each with the loss that trains it and the reading of its outputs.
//!
//! Nothing above this floor names a network: methods train a [`Detector`], evaluations measure one. A training step calls
//! [`Detector::forward`] once for a batch, then [`Output::begin`] for each [`Part`] of it, then [`Pending::losses`] for each.
//! The two halves of the loss are apart so that a GPU computes the matching costs of one part while the CPU solves another.

mod choice;
mod config;
pub mod mask2former;
mod part;
mod predict;
mod proposals;
pub mod quality;
mod targets;

use crate::graph::backbone::ResNet;
use crate::graph::{Images, Normaliser, pixels};
use crate::nn::params::Parameters;
use crate::ops::Pixels;
use crate::registry::Entry;
use crate::rng::Stream;
use crate::structures::{Detection, Picture};
use crate::tensor::{Later, Place, Tape, Tensor2};

// The only network that `transformers` describes and this program knows.
pub use choice::{Choice, Score, Selection};
pub use config::{Demands, DetectorConfig};
pub use mask2former::of_folder;
pub use part::{EmptyImage, MaskLoss, Part};
pub use predict::predict;
pub use proposals::{Candidate, Masks, Proposals};
pub use targets::Targets;

/// The detectors that a recipe can name.
pub const DETECTORS: &[Entry<Box<dyn DetectorConfig>>] = &[mask2former::ENTRY];

/// A network that finds objects, with the loss that trains it.
pub trait Detector: Parameters + Send {
    /// Number of object classes K.
    fn classes(&self) -> usize;

    /// Makes its input from pictures.
    fn normaliser(&self) -> &Normaliser;

    /// Its backbone, whose features others may use.
    fn backbone(&self) -> &ResNet;

    /// Its backbone, to set the values of its parameters.
    fn backbone_mut(&mut self) -> &mut ResNet;

    /// The memory that holds its parameters.
    fn place(&self) -> Place;

    /// Computes all that needs no targets. The result owns what its losses need, so the detector is free meanwhile.
    fn forward(&self, tape: &mut Tape, images: &Images) -> Box<dyn Output>;

    /// A detector with the same values. Both share the memory of a parameter until either changes it.
    fn copy(&self) -> Box<dyn Detector>;

    /// The bytes of `pictures` in its memory, or on their way there.
    fn send(&self, pictures: &[&Picture]) -> Pixels {
        pixels(pictures, &self.place())
    }

    /// Its input for `pictures`. Panics without a picture.
    fn images(&self, pictures: &[&Picture]) -> Images {
        self.normaliser().pictures(pictures, &self.place())
    }
}

/// The outputs of a detector for a batch of images.
pub trait Output {
    /// Begins the losses of one part of the batch: all that must be known before the CPU decides which output answers for
    /// which object. Random numbers come from `draws` alone.
    ///
    /// Panics where the part does not fit the batch: images, classes, or masks of several sizes.
    fn begin<'a>(&'a self, part: &'a Part<'a>, draws: Stream) -> Box<dyn Pending + 'a>;

    /// The candidates of all images, measured at the padded size of the input.
    fn propose(&self, choice: Choice) -> Later<Proposals>;

    /// The detections of every image, in order of falling class probability, at most `top` of each. `sizes`: rows and columns
    /// of the masks of each image, those of the picture or of the one that it was resized from.
    fn detect(&self, sizes: &[(usize, usize)], top: usize) -> Vec<Vec<Detection>>;

    /// The numbers behind the detections of the first image, for comparisons with other programs.
    fn raw(&self) -> Vec<RawArray>;
}

/// A named array: its shape, without the batch's dimension, and its values.
pub type RawArray = (&'static str, (Vec<usize>, Vec<f32>));

/// Losses of one part of a batch that have begun.
pub trait Pending {
    /// The losses, once every object has its output. May wait for a GPU.
    fn losses(self: Box<Self>, tape: &mut Tape) -> Losses;
}

/// The losses of one part of a batch; each `[1, 1]`.
#[derive(Clone, Debug)]
pub struct Losses {
    /// The terms that the detector trains, by name, without the weights of the recipe. The journal lists them in this order.
    pub terms: Vec<(&'static str, Tensor2)>,
    /// Their sum with the weights of the recipe.
    pub total: Tensor2,
}
