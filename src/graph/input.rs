//! Turns pictures into the input of the network: $$ (v - mean) / std $$ for each colour, one map for the
//! batch.
//!
//! The common size is the largest height and width, rounded up to a multiple of the coarsest stride. The
//! padding at the right and at the bottom is added after the normalisation, so it is 0. Source: detectron2's
//! `ImageList.from_tensors`.

use crate::ops::{COLOURS, LEVELS, Pixels};
use crate::structures::Picture;
use crate::tensor::{Map, Place};
use std::ops::Range;

/// Normalises 8-bit pictures.
#[derive(Clone, Debug)]
pub(super) struct Normaliser {
    /// The normalised value of every 8-bit value, colour by colour.
    table: Vec<f32>,
    stride: usize,
}

impl Normaliser {
    /// `mean` and `std` are for values from 0 to 255. Sizes are padded to multiples of `stride`.
    pub(super) fn new(mean: [f64; COLOURS], std: [f64; COLOURS], stride: usize) -> Self {
        let of_colour = |(mean, std): (f64, f64)| {
            (0..LEVELS).map(move |level| ((level as f64 - mean) / std) as f32)
        };
        let table = mean.into_iter().zip(std).flat_map(of_colour).collect();
        Self { table, stride }
    }

    /// The pictures in the range `which`, of any sizes -> 3 channels of their common size. Panics if there is
    /// no picture.
    pub(super) fn map(&self, pixels: &Pixels, which: Range<usize>) -> Map {
        let sizes = &pixels.sizes()[which.clone()];
        let largest = |side: fn(&(usize, usize)) -> usize| {
            let side = sizes.iter().map(side).max();
            side.expect("at least one picture")
                .next_multiple_of(self.stride)
        };
        let (height, width) = (largest(|size| size.0), largest(|size| size.1));
        let batch = which.len();
        let values = pixels.values(which, &self.table, (height, width));
        Map::new(values, batch, height, width)
    }
}

/// The bytes of `pictures` at `place`.
pub(super) fn pixels(pictures: &[&Picture], place: &Place) -> Pixels {
    let pictures: Vec<_> = pictures
        .iter()
        .map(|picture| (&picture.pixels[..], (picture.height, picture.width)))
        .collect();
    Pixels::new(place, &pictures)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_of_two_sizes_share_a_padded_map() {
        let wide = Picture::new(1, 3, vec![10; 9]);
        let tall = Picture::new(5, 1, (0..15).collect());
        let sent = pixels(&[&wide, &tall], &Place::Host);
        let map = Normaliser::new([1.0, 2.0, 3.0], [2.0, 4.0, 8.0], 4).map(&sent, 0..2);
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
