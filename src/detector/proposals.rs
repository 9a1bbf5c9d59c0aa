//! Proposals for a batch of images: pairs of a class and a mask with their scores, before any filter.

use crate::ops::{self, Bounds};
use crate::tensor::{Place, Tensor2};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// One pair of a class and a mask.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Row of its mask in [`Proposals::masks`]. Candidates of several classes may share a mask.
    pub mask: usize,
    /// The class.
    pub class: usize,
    /// Eq. 3 of PL-DC, in [0, 1].
    pub class_quality: f32,
    /// Eq. 4, or the predicted IoU of the mask with its object; in [0, 1].
    pub mask_quality: f32,
    /// Pixels of the mask at the padded input size.
    pub area: usize,
    /// The rectangle that was detected, in pixels of the padded input; none of a network that predicts no boxes.
    pub bounds: Option<Bounds>,
    /// True if the most likely class of this output is an object class, not no-object.
    pub foreground: bool,
    /// Probabilities of the object classes, which sum to 1.
    pub probabilities: Vec<f32>,
}

/// The candidates of a batch.
#[derive(Debug)]
pub struct Proposals {
    /// Rows and columns of the padded input. Areas and masks refer to this size.
    pub size: (usize, usize),
    /// The candidates of every image.
    pub images: Vec<Vec<Candidate>>,
    /// Their masks.
    pub masks: Box<dyn Masks>,
}

/// The masks of a batch of proposals. They are computed at full size for the candidates that pass a filter, not for
/// all: a hundred masks of a large image would need too much memory.
pub trait Masks: fmt::Debug + Send + Sync {
    /// The memory that holds them.
    fn place(&self) -> Place;

    /// The logits of the masks `rows` at the padded input size, in the memory of [`Self::place`]:
    /// `[rows, height * width]`. Foreground is above 0.
    fn logits(&self, rows: &[usize]) -> Tensor2;

    /// The masks `rows` in this order, without the others: what has to be kept to compute them later. They have the
    /// same bits.
    fn only(&self, rows: &[usize]) -> Arc<dyn Masks>;

    /// The logits of the masks `rows` at the resolution of a picture itself, in the memory of the CPU: a list with a
    /// value for each of its pixels for every mask. Foreground is above 0.
    fn in_picture(&self, rows: &[usize], sizes: PictureSizes) -> Vec<Vec<f32>> {
        let PictureSizes { padded, own, size } = sizes;
        let logits = self.logits(rows);
        let values = logits.host_values();
        let masks = values.chunks_exact((padded.0 * padded.1).max(1));
        let in_picture = |mask: &[f32]| {
            let lines = mask.chunks_exact(padded.1).take(own.0);
            let inside: Vec<f32> = lines.flat_map(|line| &line[..own.1]).copied().collect();
            match own == size {
                true => inside,
                false => ops::resize_planes(&inside, 1, own, size),
            }
        };
        masks.map(in_picture).collect()
    }

    /// The logits of the masks `rows` as the network predicts them, before they are resized to the input; none of a
    /// network that predicts no masks of the whole image.
    fn grid_logits(&self, _rows: &[usize]) -> Option<GridLogits> {
        None
    }
}

/// Rows and columns of a picture on its way through a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureSizes {
    /// Of the padded input.
    pub padded: (usize, usize),
    /// Of the part of the input that shows the picture.
    pub own: (usize, usize),
    /// Of the picture itself.
    pub size: (usize, usize),
}

impl PictureSizes {
    /// A rectangle of the input in pixels of the picture, cut to it.
    pub fn in_picture(&self, bounds: Bounds) -> Bounds {
        let across = self.size.1 as f32 / self.own.1 as f32;
        let down = self.size.0 as f32 / self.own.0 as f32;
        bounds.scaled(across, down).clipped(self.size)
    }
}

/// Mask logits on the network's own grid.
#[derive(Clone, Debug)]
pub struct GridLogits {
    /// `[masks, rows * columns]`, in the memory of the network.
    pub logits: Tensor2,
    /// Rows and columns of the grid.
    pub size: (usize, usize),
}
