//! The targets of one image: its objects, labelled or pseudo-labelled.

use super::{Discounts, ObjectMask};
use crate::ops::Bounds;
use crate::structures::{Instance, Mask};
use std::sync::Arc;

/// The objects of one image, labelled or pseudo-labelled, at the padded input size of the network.
#[derive(Clone, Debug, Default)]
pub struct Targets<'m> {
    /// Class of every object.
    pub classes: Vec<usize>,
    /// Mask of every object, all of one size.
    pub masks: Vec<ObjectMask<'m>>,
    /// The reductions of the mask loss of every object and pixel. `None`: nothing.
    pub discounts: Option<Arc<dyn Discounts>>,
    /// Rectangle of every object, in pixels of the padded input. `None`: the smallest around its mask.
    pub bounds: Option<Vec<Bounds>>,
    /// Weights of every object in the losses. `None`: 1. No loss is divided by them.
    pub weights: Option<Vec<ObjectWeights>>,
}

/// The weights of an object in the losses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ObjectWeights {
    /// Of its class.
    pub class: f32,
    /// Of its mask: of all losses of masks.
    pub mask: f32,
}

impl<'m> Targets<'m> {
    /// Labelled objects, padded with background at the right and at the bottom to `height x width`.
    pub fn of_objects(objects: &'m [Instance], height: usize, width: usize) -> Self {
        Self {
            classes: objects.iter().map(|object| object.class).collect(),
            masks: objects
                .iter()
                .map(|object| padded(&object.mask, height, width))
                .collect(),
            ..Self::default()
        }
    }

    /// The same targets with packed masks, for an image that waits for its turn.
    pub fn packed(self) -> Targets<'static> {
        Targets {
            classes: self.classes,
            masks: self.masks.into_iter().map(ObjectMask::packed).collect(),
            discounts: self.discounts,
            bounds: self.bounds,
            weights: self.weights,
        }
    }

    /// The weights of object `number`; none if no object has any.
    pub fn weights_of(&self, number: usize) -> Option<ObjectWeights> {
        self.weights.as_ref().map(|weights| weights[number])
    }

    /// Number of objects.
    pub fn len(&self) -> usize {
        self.classes.len()
    }

    /// True if the image has no object.
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }
}

/// `mask` in the top left corner of a mask of `height x width`. A mask that has this size is not copied.
fn padded(mask: &Mask, height: usize, width: usize) -> ObjectMask<'_> {
    if (mask.height, mask.width) == (height, width) {
        return mask.into();
    }
    assert!(
        mask.height <= height && mask.width <= width,
        "a {} x {} mask does not fit into {height} x {width}",
        mask.height,
        mask.width
    );
    let mut bits = vec![0; height * width];
    for (to, from) in bits
        .chunks_exact_mut(width)
        .zip(mask.bits.chunks_exact(mask.width))
    {
        to[..mask.width].copy_from_slice(from);
    }
    Mask::new(height, width, bits).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    #[test]
    fn padding_keeps_every_pixel_in_its_place() {
        let mask = Mask::new(2, 2, vec![1, 0, 0, 1]);
        assert_eq!(
            padded(&mask, 3, 4).pixels().bits,
            [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]
        );
        let whole = padded(&mask, 2, 2);
        assert!(matches!(whole, ObjectMask::Pixels(Cow::Borrowed(_))));
    }
}
