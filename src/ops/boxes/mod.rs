//! Rectangles on the host: their overlap, their code relative to other rectangles, and the suppression of duplicates.
//! They hold thousands of numbers where a map holds millions, and their steps depend on one another, so they have no
//! kernels, but for the overlaps of lists that are on a GPU.

mod bounds;
mod coder;
mod pairwise_iou;
mod suppress;

pub use bounds::{Bounds, iou_matrix};
pub use coder::{BoxCoder, LARGEST_GROWTH};
pub use pairwise_iou::pairwise_iou;
pub use suppress::{suppress, suppress_by_group, top_k};
