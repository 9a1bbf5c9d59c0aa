//! Pictures to the input of the network: $$ (v - mean) / std $$ per colour, one map for the batch.
//!
//! The common size is the largest height and width, rounded up to a multiple of the coarsest stride. The padding at the right and at the
//! bottom is added after the normalisation, so it is 0. Source: detectron2's `ImageList.from_tensors`.

use crate::structures::Picture;
use crate::tensor::{Map, Tensor2};

/// Red, green, blue.
const COLOURS: usize = 3;
/// Values of an 8-bit colour.
const LEVELS: usize = 256;

/// Normalises 8-bit pictures.
#[derive(Clone, Debug)]
pub(super) struct Normaliser {
    /// The normalised value of every 8-bit value, per colour.
    table: [[f32; LEVELS]; COLOURS],
    stride: usize,
}

impl Normaliser {
    /// `mean` and `std` of 0..255 values; sizes are padded to multiples of `stride`.
    pub(super) fn new(mean: [f64; COLOURS], std: [f64; COLOURS], stride: usize) -> Self {
        let table = std::array::from_fn(|c| {
            std::array::from_fn(|level| ((level as f64 - mean[c]) / std[c]) as f32)
        });
        Self { table, stride }
    }

    /// Pictures of any sizes -> 3 channels of the common size. Panics without a picture.
    pub(super) fn map(&self, pictures: &[&Picture]) -> Map {
        let largest = |side: fn(&Picture) -> usize| {
            let side = pictures
                .iter()
                .map(|picture| side(picture))
                .max()
                .expect("at least one picture");
            side.next_multiple_of(self.stride)
        };
        let (height, width) = (
            largest(|picture| picture.height),
            largest(|picture| picture.width),
        );
        let mut values = vec![0.0; pictures.len() * height * width * COLOURS];
        for (picture, plane) in pictures
            .iter()
            .zip(values.chunks_exact_mut(height * width * COLOURS))
        {
            let lines = picture.pixels.chunks_exact(picture.width * COLOURS);
            for (line, row) in lines.zip(plane.chunks_exact_mut(width * COLOURS)) {
                for (pixel, out) in line
                    .chunks_exact(COLOURS)
                    .zip(row.chunks_exact_mut(COLOURS))
                {
                    for c in 0..COLOURS {
                        out[c] = self.table[c][usize::from(pixel[c])];
                    }
                }
            }
        }
        let rows = pictures.len() * height * width;
        Map::new(
            Tensor2::constant(values, rows, COLOURS),
            pictures.len(),
            height,
            width,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_of_two_sizes_share_a_padded_map() {
        let wide = Picture::new(1, 3, vec![10; 9]);
        let tall = Picture::new(5, 1, (0..15).collect());
        let map = Normaliser::new([1.0, 2.0, 3.0], [2.0, 4.0, 8.0], 4).map(&[&wide, &tall]);
        assert_eq!(
            (map.batch, map.height, map.width, map.channels()),
            (2, 8, 4, 3)
        );
        let at = |image: usize, y: usize, x: usize| {
            &map.data.values()[((image * 8 + y) * 4 + x) * 3..][..3]
        };
        assert_eq!(at(0, 0, 2), [4.5, 2.0, 0.875]);
        assert_eq!(at(0, 0, 3), [0.0; 3], "padding on the right");
        assert_eq!(at(0, 1, 0), [0.0; 3], "padding below");
        assert_eq!(
            at(1, 4, 0),
            [(12.0 - 1.0) / 2.0, (13.0 - 2.0) / 4.0, (14.0 - 3.0) / 8.0]
        );
        assert!(!map.data.requires_grad());
    }
}
