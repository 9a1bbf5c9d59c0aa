//! The reductions of the mask loss of the objects of an image, pixel by pixel: the `u` of PL-DC, eq. 13.
//!
//! A hundred objects in an image of a megapixel have 400 MB of them. They may be computed when the losses of their
//! image are, so that those of other images need no memory.

use crate::tensor::Tensor2;
use std::fmt::Debug;

/// Reductions of the mask loss. The loss of a pixel has the weight 1 - u inside the image and 1 outside it.
pub trait Discounts: Debug + Send + Sync {
    /// u for every object and pixel of its mask, `[objects, height * width]`, in the memory of the network. Every call
    /// may compute them anew.
    fn values(&self) -> Tensor2;
}

impl Discounts for Tensor2 {
    fn values(&self) -> Tensor2 {
        self.clone()
    }
}
