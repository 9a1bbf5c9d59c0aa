//! Regions of a map: rectangles that are cut out and resampled to one size.

mod roi_align;

pub use roi_align::{Roi, RoiPool, roi_align};
