//! A binary mask with one bit for each pixel: an eighth of the memory of a [`Mask`], for masks that wait to be used.

use super::Mask;

/// The pixels of a byte.
const PIXELS: usize = 8;

/// A packed [`Mask`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedMask {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// The pixels row by row without a gap, eight in a byte, the first of them in the lowest bit.
    bits: Vec<u8>,
}

impl PackedMask {
    /// The pixels of `mask`.
    pub fn new(mask: &Mask) -> Self {
        let byte = |pixels: &[u8]| {
            let places = pixels.iter().enumerate();
            places.fold(0, |byte, (place, bit)| byte | bit << place)
        };
        Self {
            height: mask.height,
            width: mask.width,
            bits: mask.bits.chunks(PIXELS).map(byte).collect(),
        }
    }

    /// The mask again.
    pub fn unpacked(&self) -> Mask {
        let mut bits = vec![0; self.height * self.width];
        for (pixels, byte) in bits.chunks_mut(PIXELS).zip(&self.bits) {
            for (place, bit) in pixels.iter_mut().enumerate() {
                *bit = byte >> place & 1;
            }
        }
        Mask::new(self.height, self.width, bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_packed_mask_is_unpacked_to_the_same_pixels(height in 0usize..20, width in 0usize..20, seed in any::<u64>()) {
            let mut rng = crate::rng::Stream::new(seed, "mask");
            let bits = (0..height * width).map(|_| u8::from(rng.chance(0.5))).collect();
            let mask = Mask::new(height, width, bits);
            let packed = PackedMask::new(&mask);
            prop_assert_eq!(packed.unpacked(), mask);
            prop_assert_eq!(packed.bits.len(), (height * width).div_ceil(8));
        }
    }
}
