//! Regions of images, and what heads say of them.

use crate::ops::{self, Bounds};
use crate::tensor::{Map, Tape, Tensor2};

/// The factor between the bins of a region and the pixels of its mask, along a side.
pub const DOUBLING: usize = 2;

/// A region of an image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Region {
    /// The number of the image in the batch.
    pub image: usize,
    /// The rectangle in pixels of the input.
    pub bounds: Bounds,
}

/// The channel of each region's own class, of a map with one for each class: `[R * pixels, 1]`.
///
/// Panics unless there is a class for every region.
pub fn of_own_class(tape: &mut Tape, masks: &Map, classes: &[usize]) -> Tensor2 {
    assert_eq!(classes.len(), masks.batch, "a class for every region");
    let columns: Vec<usize> = classes
        .iter()
        .flat_map(|class| std::iter::repeat_n(*class, masks.pixels()))
        .collect();
    let rows: Vec<usize> = (0..columns.len()).collect();
    ops::pick(tape, &masks.data, &rows, &columns, 1)
}
