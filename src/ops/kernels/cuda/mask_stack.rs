//! Masks of 32 pixels a word on the GPU. They are packed on their way into pinned memory, several at a time.

use super::source;
use crate::tensor::Tensor2;
use crate::tensor::cuda::{Buffer, Gpu, Grid, Source};
use rayon::prelude::*;

static SOURCE: Source = source!("mask_stack");

const THREADS: u32 = 256;
/// Rows of a launch: what a grid has along y.
const MOST_ROWS: usize = 1 << 15;
/// Pixels of a word.
const PIXELS: usize = 32;

/// Some masks of one size.
#[derive(Debug)]
pub(crate) struct PackedMasks {
    gpu: Gpu,
    words: Buffer<u32>,
    size: (usize, usize),
}

impl PackedMasks {
    /// `masks` of bytes of 0 or 1, all of `size`.
    pub(crate) fn new(gpu: &Gpu, masks: &[&[u8]], size: (usize, usize)) -> Self {
        let length = words(size);
        let write = |to: &mut [u32]| {
            to.par_chunks_exact_mut(length.max(1))
                .zip(masks)
                .for_each(|(to, mask)| pack(mask, to));
        };
        Self {
            gpu: gpu.clone(),
            words: gpu.upload_written(masks.len() * length, write),
            size,
        }
    }

    /// As [`crate::ops::MaskStack::sample`], which has checked the numbers.
    pub(crate) fn sample(&self, which: &[usize], points: &Tensor2, rows: &[usize]) -> Tensor2 {
        let count = points.columns() / 2;
        let out = self.gpu.unwritten(which.len(), count);
        if out.is_empty() {
            return out;
        }
        let points = points.on(&self.gpu);
        let parts = which.chunks(MOST_ROWS).zip(rows.chunks(MOST_ROWS));
        for (part, (which, rows)) in parts.enumerate() {
            let [which, rows] = [which, rows].map(|numbers| {
                let numbers: Vec<i32> = numbers.iter().map(|number| *number as i32).collect();
                self.gpu.upload(&numbers)
            });
            let first = out.address() + (part * MOST_ROWS * count * size_of::<f32>()) as u64;
            let arguments = [
                (&self.words).into(),
                (&which).into(),
                (&rows).into(),
                (&points).into(),
                first.into(),
                words(self.size).into(),
                count.into(),
                self.size.0.into(),
                self.size.1.into(),
            ];
            let grid = Grid::items(count, THREADS).by(which.len(), 1);
            // SAFETY: the masks and rows of points are there, each row has `count` points; out holds `count` values for every row of
            // this part from `first` on.
            unsafe { self.gpu.launch(&SOURCE, "sample_masks", grid, &arguments) };
        }
        out
    }
}

/// Words of a mask.
pub(super) fn words(size: (usize, usize)) -> usize {
    (size.0 * size.1).div_ceil(PIXELS)
}

/// Packs bytes of 0 or 1, the first pixel into the lowest bit; what is left of the last word is 0.
fn pack(mask: &[u8], to: &mut [u32]) {
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
pub(super) fn unpacked(words: &[u32], pixels: usize) -> Vec<u8> {
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
            let mut packed = vec![0; words((pixels, 1))];
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
