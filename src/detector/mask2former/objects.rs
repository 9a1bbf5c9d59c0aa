//! Samples of the masks of objects at points.

use crate::detector::{ObjectMask, Targets};
use crate::ops::MaskStack;
use crate::tensor::{Place, Tensor2};
use std::borrow::Cow;

/// The masks of the objects of some images, in the memory of the predictions.
pub(super) struct Objects<'p> {
    stack: MaskStack<'p>,
    /// Rows and columns of every mask.
    size: (usize, usize),
    /// The number of objects before those of each image.
    firsts: Vec<usize>,
}

impl<'p> Objects<'p> {
    /// Panics if the masks are of several sizes.
    pub fn new(place: &Place, images: &'p [Targets<'p>]) -> Self {
        let masks = images.iter().flat_map(|targets| &targets.masks);
        let one = masks.clone().next().map_or((1, 1), ObjectMask::size);
        assert!(
            masks.clone().all(|mask| mask.size() == one),
            "masks of one size"
        );
        let bits = masks.map(|mask| match mask.pixels() {
            Cow::Borrowed(mask) => Cow::Borrowed(&mask.bits[..]),
            Cow::Owned(mask) => Cow::Owned(mask.bits),
        });
        let mut first = 0;
        let firsts = images.iter().map(|targets| {
            first += targets.len();
            first - targets.len()
        });
        Self {
            firsts: firsts.collect(),
            stack: MaskStack::new(place, bits.collect(), one),
            size: one,
        }
    }

    /// Rows and columns of every mask.
    pub fn size(&self) -> (usize, usize) {
        self.size
    }

    /// Objects (image, object) at the points of a row of `points` `[J, 2P]` each: `[objects, P]`.
    pub fn sample(
        &self,
        objects: impl Iterator<Item = (usize, usize, usize)>,
        points: &Tensor2,
    ) -> Tensor2 {
        let numbered = objects.map(|(image, object, row)| (self.firsts[image] + object, row));
        let (which, rows): (Vec<usize>, Vec<usize>) = numbered.unzip();
        self.stack.sample(&which, points, &rows)
    }
}
