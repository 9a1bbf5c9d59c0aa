//! Rectangles on the host: their overlap, their code relative to other rectangles, and the suppression of duplicates.
//! They hold thousands of numbers where a map holds millions, and their steps depend on one another, so they have no
//! kernels.

mod bounds;
mod coder;
mod suppress;

pub use bounds::{Bounds, iou_matrix};
pub use coder::{BoxCoder, LARGEST_GROWTH};
pub use suppress::{suppress, suppress_by_group, top_k};
