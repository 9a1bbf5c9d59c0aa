//! The mask of an object that has to be found: its pixels, or their bits while its image waits for its turn.

use crate::structures::{Mask, PackedMask};
use std::borrow::Cow;

/// The mask of an object.
#[derive(Clone, Debug)]
pub enum ObjectMask<'m> {
    /// A byte for each pixel.
    Pixels(Cow<'m, Mask>),
    /// A bit for each pixel.
    Packed(PackedMask),
}

impl ObjectMask<'_> {
    /// Rows and columns.
    pub fn size(&self) -> (usize, usize) {
        match self {
            Self::Pixels(mask) => (mask.height, mask.width),
            Self::Packed(mask) => (mask.height, mask.width),
        }
    }

    /// Its pixels. A packed mask is unpacked by every call.
    pub fn pixels(&self) -> Cow<'_, Mask> {
        match self {
            Self::Pixels(mask) => Cow::Borrowed(mask),
            Self::Packed(mask) => Cow::Owned(mask.unpacked()),
        }
    }

    /// The same mask, packed.
    pub fn packed(self) -> ObjectMask<'static> {
        ObjectMask::Packed(match self {
            Self::Pixels(mask) => PackedMask::new(&mask),
            Self::Packed(mask) => mask,
        })
    }
}

impl From<Mask> for ObjectMask<'_> {
    fn from(mask: Mask) -> Self {
        Self::Pixels(Cow::Owned(mask))
    }
}

impl<'m> From<&'m Mask> for ObjectMask<'m> {
    fn from(mask: &'m Mask) -> Self {
        Self::Pixels(Cow::Borrowed(mask))
    }
}
