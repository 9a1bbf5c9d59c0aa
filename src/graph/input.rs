//! Turns pictures into the input of the network: `$$ (v - mean) / std $$` for each colour, one map for the
//! batch.
//!
//! The common size is the largest height and width, rounded up to a multiple of the coarsest stride. The
//! padding at the right and at the bottom is added after the normalisation, so it is 0. Source: detectron2's
//! `ImageList.from_tensors`.

use super::interpolation::interpolate;
use crate::ops::{self, COLOURS, LEVELS, Pixels};
use crate::structures::Picture;
use crate::tensor::{Map, Place, Tape, Tensor2};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Pictures as the input of a network.
#[derive(Clone, Debug)]
pub struct Images {
    /// The normalised values, 3 channels. All pictures are padded with 0 at the right and at the bottom to
    /// one size.
    pub map: Map,
    /// Rows and columns of each picture without the padding.
    pub sizes: Vec<(usize, usize)>,
}

impl Images {
    /// Rows and columns of the padded input.
    pub fn padded(&self) -> (usize, usize) {
        (self.map.height, self.map.width)
    }

    /// These pictures, then the `others`.
    ///
    /// Panics unless they are padded to one size.
    pub fn followed_by(self, others: Self) -> Self {
        assert_eq!(self.padded(), others.padded(), "pictures of one batch");
        let (height, width) = self.padded();
        let both = [&self.map.data, &others.map.data];
        let data = ops::concat_tokens(&mut Tape::off(), &both, 1);
        Self {
            map: Map::new(data, self.map.batch + others.map.batch, height, width),
            sizes: [self.sizes, others.sizes].concat(),
        }
    }
}

/// The order of the colours in the input of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ChannelOrder {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red: as the networks of detectron2's model zoo were trained.
    Bgr,
}

/// What an evaluation resizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Resizing {
    /// The bytes of the picture. A smaller picture has the means of its pixels, and the size is rounded to the nearest
    /// pixel: detectron2, Pillow.
    Bytes,
    /// The normalised values. They are interpolated between four pixels, also in a smaller picture, and the size is
    /// rounded down: torchvision.
    Values,
}

/// Normalises 8-bit pictures.
#[derive(Clone, Debug)]
pub struct Normaliser {
    /// The normalised value of every 8-bit value, colour by colour.
    table: Vec<f32>,
    /// The colour of each channel.
    colours: [usize; COLOURS],
    stride: usize,
    resizing: Resizing,
}

impl Normaliser {
    /// `mean` and `std` of the red, green and blue values, 0..255, which become the channels of the input in this
    /// `order`; sizes are padded to multiples of `stride`.
    pub fn new(
        (mean, std): ([f64; COLOURS], [f64; COLOURS]),
        order: ChannelOrder,
        stride: usize,
    ) -> Self {
        let of_colour = |(mean, std): (f64, f64)| {
            (0..LEVELS).map(move |level| ((level as f64 - mean) / std) as f32)
        };
        let table = mean.into_iter().zip(std).flat_map(of_colour).collect();
        let colours = match order {
            ChannelOrder::Rgb => [0, 1, 2],
            ChannelOrder::Bgr => [2, 1, 0],
        };
        Self {
            table,
            colours,
            stride,
            resizing: Resizing::Bytes,
        }
    }

    /// The same with another way to resize.
    pub fn resizing_by(self, resizing: Resizing) -> Self {
        Self { resizing, ..self }
    }

    /// What an evaluation resizes.
    pub fn resizing(&self) -> Resizing {
        self.resizing
    }

    /// One input for `pictures`, in the memory `place`. Panics without a picture.
    pub fn pictures(&self, pictures: &[&Picture], place: &Place) -> Images {
        self.images(&pixels(pictures, place), 0..pictures.len())
    }

    /// One input for the pictures `which`, which may differ in size. Panics without a picture.
    pub fn images(&self, pixels: &Pixels, which: Range<usize>) -> Images {
        self.images_among(pixels, which.clone(), which)
    }

    /// The same, padded to the size of an input for the pictures `all`, of which `which` are some. Panics without a
    /// picture.
    pub fn images_among(&self, pixels: &Pixels, which: Range<usize>, all: Range<usize>) -> Images {
        let sizes = &pixels.sizes()[which.clone()];
        let (height, width) = self.padded(&pixels.sizes()[all]);
        let batch = which.len();
        let values = pixels.values(which, &self.table, self.colours, (height, width));
        Images {
            map: Map::new(values, batch, height, width),
            sizes: sizes.to_vec(),
        }
    }

    /// One input for `pictures`, in the memory `place`, whose normalised values are interpolated at these `sizes`: rows
    /// and columns. Panics without a picture.
    pub fn interpolated(
        &self,
        pictures: &[&Picture],
        sizes: &[(usize, usize)],
        place: &Place,
    ) -> Images {
        let (height, width) = self.padded(sizes);
        let mut values = vec![0.0; sizes.len() * height * width * COLOURS];
        let maps = values.chunks_exact_mut(height * width * COLOURS);
        for ((map, picture), size) in maps.zip(pictures).zip(sizes) {
            let level = |y: usize, x: usize, channel: usize| {
                let colour = self.colours[channel];
                let level = picture.pixels[(y * picture.width + x) * COLOURS + colour];
                self.table[colour * LEVELS + usize::from(level)]
            };
            interpolate(level, (picture.height, picture.width), *size, map, width);
        }
        let values = Tensor2::constant(values, sizes.len() * height * width, COLOURS).to(place);
        Images {
            map: Map::new(values, sizes.len(), height, width),
            sizes: sizes.to_vec(),
        }
    }

    /// The rows and columns of a map for pictures of these `sizes`. Panics without a size.
    pub fn padded(&self, sizes: &[(usize, usize)]) -> (usize, usize) {
        let largest = |side: fn(&(usize, usize)) -> usize| {
            let side = sizes.iter().map(side).max();
            side.expect("at least one picture")
                .next_multiple_of(self.stride)
        };
        (largest(|size| size.0), largest(|size| size.1))
    }
}

/// The bytes of `pictures` at `place`.
pub fn pixels(pictures: &[&Picture], place: &Place) -> Pixels {
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
        let numbers = ([1.0, 2.0, 3.0], [2.0, 4.0, 8.0]);
        let normaliser = Normaliser::new(numbers, ChannelOrder::Rgb, 4);
        let Images { map, sizes } = normaliser.images(&sent, 0..2);
        assert_eq!(sizes, [(1, 3), (5, 1)]);
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
        let turned = Normaliser::new(numbers, ChannelOrder::Bgr, 4).images(&sent, 0..2);
        let pixel = &turned.map.data.values()[2 * 3..][..3];
        assert_eq!(pixel, [0.875, 2.0, 4.5], "every colour keeps its numbers");
    }
}
