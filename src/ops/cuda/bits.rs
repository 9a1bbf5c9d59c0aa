//! Masks of 32 pixels a word: what a GPU is sent and sends back.

/// Pixels of a word.
const PIXELS: usize = 32;

/// Words of a mask of `pixels` pixels.
pub(in crate::ops) fn words(pixels: usize) -> usize {
    pixels.div_ceil(PIXELS)
}

/// Packs bytes of 0 or 1, the first pixel into the lowest bit; what is left of the last word is 0.
pub(in crate::ops) fn pack(mask: &[u8], to: &mut [u32]) {
    for (to, pixels) in to.iter_mut().zip(mask.chunks(PIXELS)) {
        *to = match pixels.as_chunks::<8>() {
            (eights, []) if eights.len() == PIXELS / 8 => {
                // The product moves the lowest bits of eight bytes side by side into the highest byte.
                let byte = |eight: &[u8; 8]| {
                    (u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u32
                };
                (0..)
                    .zip(eights)
                    .map(|(i, eight)| byte(eight) << (8 * i))
                    .sum()
            }
            _ => (0..)
                .zip(pixels)
                .map(|(i, pixel)| u32::from(*pixel) << i)
                .sum(),
        };
    }
}

/// The bytes of 0 or 1 of a packed mask of `pixels` pixels.
pub(in crate::ops) fn unpacked(words: &[u32], pixels: usize) -> Vec<u8> {
    let mut bits: Vec<u8> = words
        .iter()
        .flat_map(|word| (0..PIXELS).map(move |i| (word >> i & 1) as u8))
        .collect();
    bits.truncate(pixels);
    bits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_unpacks() {
        for pixels in [1, 8, 31, 32, 33, 64, 100] {
            let mask: Vec<u8> = (0..pixels).map(|i| u8::from(i * i % 7 < 3)).collect();
            let mut packed = vec![0; words(pixels)];
            pack(&mask, &mut packed);
            assert_eq!(
                packed[0] & 1,
                u32::from(mask[0]),
                "the first pixel is the lowest bit"
            );
            assert_eq!(unpacked(&packed, pixels), mask);
        }
    }
}
