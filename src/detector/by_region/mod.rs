//! What detectors with heads for regions share: objects as rectangles with masks, which candidates have to find them,
//! the losses of masks and of their IoU, and what is found with its masks in the image.

mod begun;
mod demands;
#[cfg(test)]
pub mod drawn;
mod found;
mod iou_loss;
mod mask_loss;
mod matching;
mod objects;
mod planes;
mod sampling;
mod taught;

use crate::tensor::Tensor2;

pub use begun::BegunPart;
pub use demands::refuse_whole_images;
pub use found::{Found, Pasting, regions_of};
pub use iou_loss::{Pair, iou_loss};
pub use mask_loss::MaskTargets;
pub use matching::Matcher;
pub use sampling::{SampleOrder, SampleSize};
pub use taught::{objects_of_part, taught_in};

/// The loss of nothing.
pub fn zero() -> Tensor2 {
    Tensor2::constant(vec![0.0], 1, 1)
}
