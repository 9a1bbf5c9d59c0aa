//! Uniform points on the GPU: a thread computes a block of its stream's generator, of which it writes what is asked for.

use crate::ops::cuda::source;
use crate::tensor::Tensor2;
use crate::tensor::cuda::{Gpu, Grid, Source};

static SOURCE: Source = source!("random_points");

const THREADS: u32 = 128;
/// 32-bit words of a block of the generator.
const WORDS: usize = 16;

/// As [`crate::ops::random_points`].
pub(super) fn random_points(gpu: &Gpu, seeds: &[[u8; 32]], skip: usize, count: usize) -> Tensor2 {
    let points = gpu.unwritten(seeds.len(), 2 * count);
    if points.is_empty() {
        return points;
    }
    let words = seeds.as_flattened().as_chunks().0;
    let words: Vec<u32> = words.iter().map(|word| u32::from_le_bytes(*word)).collect();
    let words = gpu.upload(&words);
    let arguments = [
        (&words).into(),
        (&points).into(),
        (2 * skip).into(),
        count.into(),
    ];
    let grid = Grid::items(blocks(2 * skip, 2 * count), THREADS).by(seeds.len(), 1);
    // SAFETY: eight words and `count` points a stream.
    unsafe { gpu.launch(&SOURCE, "random_points", grid, &arguments) };
    points
}

/// Blocks of the generator that hold the `count` words from `first` on.
fn blocks(first: usize, count: usize) -> usize {
    (first + count).div_ceil(WORDS) - first / WORDS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_in_a_block() {
        for (first, count, expected) in [
            (0, 1, 1),
            (0, 16, 1),
            (0, 17, 2),
            (15, 2, 2),
            (16, 16, 1),
            (30, 40, 4),
        ] {
            assert_eq!(blocks(first, count), expected, "{count} from {first}");
        }
    }
}
