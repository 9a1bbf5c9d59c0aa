//! Plain data of an image: pixels, masks, instances. This module knows neither tensors nor file formats.

mod affine;
mod detection;
mod instances;
mod mask;
mod packed_mask;
mod picture;
mod resample;
mod resampling;
pub mod rle;
mod thumbnail;

/// Longest side of a picture, in pixels: a larger number is a mistake.
pub const LARGEST_SIDE: usize = 1 << 15;

pub use affine::AffineMap;
pub use detection::Detection;
pub use instances::{Instance, InstanceSource};
pub use mask::Mask;
pub use packed_mask::PackedMask;
pub use picture::Picture;
pub use resample::{Resample, resampled};
pub use resampling::{Area, Resampling};
pub use thumbnail::{mask_resized, mask_thumbnail, thumbnail, thumbnail_size};
