//! The detections of a kind of file, image by image.

use crate::cityscapes::Frame;
use crate::eval::cityscapes::matching::Guess;
use anyhow::Result;

/// The order in which the pixels of an image are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Row by row, as in a PNG.
    Rows,
    /// Column by column, as in COCO's runs.
    Columns,
}

/// The detections of many images.
pub trait Results: Sync {
    /// The order of the pixels of all masks.
    fn order(&self) -> Order;

    /// The detections of `frame`, whose image has `size`: rows, columns.
    ///
    /// # Errors
    /// A file of them cannot be read, or is of another size.
    fn of(&self, frame: &Frame, size: [usize; 2]) -> Result<Vec<Guess>>;
}
