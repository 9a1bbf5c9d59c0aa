//! The images of a part whose predictions are in a batch: all of them, or a piece.

use crate::detector::{Part, Targets};
use std::ops::Range;

/// Images of a part, and their place in it.
pub(super) struct Extent<'p> {
    /// The targets of each.
    pub targets: &'p [Targets<'p>],
    /// The position of the first among the images of the batch.
    pub in_batch: usize,
    /// The position of the first among the images of the part.
    pub place: usize,
    /// The number of matched pairs of the images of the part before them, in every layer.
    pub pairs_before: usize,
}

impl<'p> Extent<'p> {
    /// All images of `part`. Panics if targets and images differ in number.
    pub fn whole(part: &'p Part<'p>) -> Self {
        let images = part.images.len();
        assert_eq!(part.targets.len(), images, "one list of targets per image");
        Self {
            targets: part.targets,
            in_batch: part.images.start,
            place: 0,
            pairs_before: 0,
        }
    }

    /// The images `images` of `part`, which are the first ones of the batch.
    pub fn piece(part: &'p Part<'p>, images: Range<usize>, queries: usize) -> Self {
        Self {
            in_batch: 0,
            place: images.start,
            pairs_before: pair_count(&part.targets[..images.start], queries),
            targets: &part.targets[images],
        }
    }

    /// The position behind the last among the images of the batch.
    pub fn end(&self) -> usize {
        self.in_batch + self.targets.len()
    }
}

/// The number of matched pairs of images with these `targets` in every layer. A matching leaves no query and no object
/// over if it can help it.
pub(super) fn pair_count(targets: &[Targets], queries: usize) -> usize {
    targets.iter().map(|image| image.len().min(queries)).sum()
}
