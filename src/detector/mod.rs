//! Detectors: networks that find objects. Each comes with its loss and with the code that reads its outputs.
//!
//! Nothing above this floor names a network: methods train a [`Detector`], and evaluations measure one. A training step
//! calls [`Detector::forward`] for a batch, then [`Output::begin`] for each [`Part`] of the batch, then
//! [`Pending::losses`] for each part. The loss has two halves because the CPU assigns objects to outputs: a GPU can
//! compute the costs of one part while the CPU assigns the objects of another part.

mod boundary;
mod by_region;
pub mod centermask;
mod choice;
mod config;
mod discounts;
mod judged;
pub mod mask2former;
pub mod mask_rcnn;
mod object_mask;
mod part;
mod piece;
mod predict;
mod proposals;
pub mod quality;
mod regions;
mod tables;
mod targets;
mod test_views;

use crate::graph::{Images, Trunk, pixels};
use crate::nn::params::Parameters;
use crate::ops::{Bounds, Pixels};
use crate::registry::Entry;
use crate::rng::Stream;
use crate::structures::{Detection, Picture};
use crate::tensor::{Later, Place, Tape, Tensor2};

pub use boundary::{Boundary, Cells, Padding, Reduction};
pub use choice::{
    AreaMeasure, CandidateChoice, MaskQuality, MaskTarget, PseudoBox, Score, Selection,
};
pub use config::{Demands, DetectorConfig, ExportedFile};
pub use discounts::Discounts;
pub use judged::Judged;
pub use object_mask::ObjectMask;
pub use part::{Background, EmptyImage, MaskLoss, Negative, Origin, Part, RegionJudge};
pub use piece::{Piece, Survey};
pub use predict::predict;
pub use proposals::{Candidate, GridLogits, Masks, PictureSizes, Proposals};
pub use regions::{HeadKind, Region, RegionDetection, RegionHeads, RegionPredictions};
pub use targets::{ObjectWeights, Targets};
pub use test_views::{Merge, TestView, TestViews, ViewsRule};

// Of the networks that `transformers` describes, the program knows this one alone.
pub use mask2former::of_folder;

/// The detectors that a recipe can name.
pub const DETECTORS: &[Entry<Box<dyn DetectorConfig>>] =
    &[mask2former::ENTRY, mask_rcnn::ENTRY, centermask::ENTRY];

/// A network that finds objects, with its loss.
pub trait Detector: Parameters + Send {
    /// The preparation of its input, its backbone and the number of its classes. Class prototypes are means of the
    /// backbone's features.
    fn trunk(&self) -> &Trunk;

    /// The same, to set the values of the backbone.
    fn trunk_mut(&mut self) -> &mut Trunk;

    /// Number of object classes K.
    fn classes(&self) -> usize {
        self.trunk().classes
    }

    /// The memory that holds its parameters.
    fn place(&self) -> Place {
        self.trunk().place()
    }

    /// Computes everything that needs no targets. The output borrows nothing from the detector.
    fn forward(&self, tape: &mut Tape, images: &Images) -> Box<dyn Output>;

    /// The detections in one picture from several views of it, the best first, with masks of the size `rule.size`.
    ///
    /// Panics if the detector does not know the rule of merging: see [`DetectorConfig::merges`].
    fn judge_views(&self, views: &[TestView], rule: &ViewsRule) -> Vec<Judged> {
        test_views::union(self, views, rule)
    }

    /// Returns true if the pieces of `part` have to be counted before the first of them has losses, because divisors
    /// depend on what the network says of the images.
    fn is_counted(&self, _part: &Part) -> bool {
        true
    }

    /// A detector with the same parameters. The two share the memory of a parameter until one of them changes it.
    fn copy(&self) -> Box<dyn Detector>;

    /// The bytes of `pictures` in its memory, or on their way there.
    fn send(&self, pictures: &[&Picture]) -> Pixels {
        pixels(pictures, &self.place())
    }

    /// Its input for `pictures`. Panics without a picture.
    fn images(&self, pictures: &[&Picture]) -> Images {
        let normaliser = &self.trunk().normaliser;
        normaliser.pictures(pictures, &self.place())
    }
}

/// The outputs of a detector for a batch of images.
pub trait Output {
    /// Starts the losses of one part of the batch. `draws` gives all random numbers of these losses.
    ///
    /// Panics if the part names images or classes that the batch does not have, or has masks of several sizes.
    fn begin<'a>(&'a self, part: &'a Part<'a>, draws: Stream) -> Box<dyn Pending + 'a>;

    /// Starts the losses of a piece of `part`, whose images are the first ones of the batch. The positions
    /// [`Part::images`] are not read.
    ///
    /// Panics as [`Self::begin`] does, and if the detector knows no pieces: see [`DetectorConfig::takes_pieces`].
    fn begin_piece<'a>(&'a self, _part: &'a Part<'a>, _piece: Piece<'a>) -> Box<dyn Pending + 'a> {
        unreachable!("a recipe that asks for pieces of this network's batches is refused")
    }

    /// The candidates of all images, measured at the padded size of the input.
    fn propose(&self, choice: CandidateChoice) -> Later<Proposals>;

    /// The detections of every image, sorted by class probability, the highest first; at most `top` per image. `sizes`:
    /// rows and columns of the masks of each image. Masks are resized from the picture's own size where the two differ.
    fn detect(&self, sizes: &[(usize, usize)], top: usize) -> Vec<Vec<Detection>>;

    /// The same detections with the qualities that their scores are made of. `sizes` and `top` are those of
    /// [`Self::detect`].
    fn judge(&self, sizes: &[(usize, usize)], top: usize) -> Vec<Vec<Judged>> {
        let images = self.detect(sizes, top).into_iter();
        images
            .map(|found| found.into_iter().map(Judged::by_class).collect())
            .collect()
    }

    /// The probability of background in each of the `regions` of the image `image`, in pixels of the padded input; none
    /// of a network that does not look at regions.
    fn background(&self, _image: usize, _regions: &[Bounds]) -> Option<Vec<f32>> {
        None
    }

    /// Its heads for regions; none of a network that does not look at regions.
    fn regions(&self) -> Option<&dyn RegionHeads> {
        None
    }

    /// The network's numbers for the first image, for comparisons with other programs.
    fn raw(&self) -> Vec<RawArray>;
}

/// A named array: its shape, without the batch's dimension, and its values.
pub type RawArray = (&'static str, (Vec<usize>, Vec<f32>));

/// Started losses of one part of a batch.
pub trait Pending {
    /// Assigns the objects and computes the losses. Waits for the GPU if there is one.
    fn losses(self: Box<Self>, tape: &mut Tape) -> Losses;

    /// What the pieces of the part up to this one count. Waits for the GPU if there is one.
    ///
    /// Panics if these are the losses of no piece.
    fn count(self: Box<Self>) -> Survey {
        unreachable!("divisors that follow from targets are not counted")
    }
}

/// The losses of one part of a batch; each `[1, 1]`.
#[derive(Clone, Debug)]
pub struct Losses {
    /// The terms by name, before the weights of the recipe. The journal lists them in this order.
    pub terms: Vec<(&'static str, Tensor2)>,
    /// The weights of the recipe, term by term.
    pub weights: Vec<f32>,
    /// Their sum with the weights of the recipe.
    pub total: Tensor2,
}
