//! Flip, scale jitter, crop or pad: the geometry that an image, its masks and both of its views share.
//!
//! The image is resized so that it fits into a square with side `size * s` (large-scale jitter,
//! <https://arxiv.org/abs/2012.07177>). If it is larger than `size`, it is cropped at a random offset, with
//! one draw for both axes. If it is smaller, it is padded to the right and below.

use super::{AugmentConfig, ScaleDistribution};
use crate::rng::Stream;
use crate::structures::{Mask, Picture};
use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::{U8, U8x3};
use fast_image_resize::{FilterType, PixelTrait, ResizeAlg, ResizeOptions, Resizer};

/// One random geometry.
#[derive(Clone, Debug, PartialEq)]
pub struct Geometry {
    /// True if the image is mirrored, before anything else.
    pub flip: bool,
    /// The numbers of rows and columns after resizing.
    pub resized: (usize, usize),
    /// The row and column of the resized image where the result begins.
    pub offset: (usize, usize),
    /// The number of rows and of columns of the result.
    pub size: usize,
}

impl Geometry {
    /// Draws the geometry of an image of `height` x `width` pixels.
    pub fn draw(height: usize, width: usize, config: &AugmentConfig, rng: &mut Stream) -> Self {
        let flip = rng.chance(config.flip);
        let scale = if rng.chance(config.scale_probability) {
            let [low, high] = config.scale;
            match config.scale_distribution {
                ScaleDistribution::LogUniform => {
                    libm::exp(rng.range(libm::log(low), libm::log(high)))
                }
                ScaleDistribution::Uniform => rng.range(low, high),
            }
        } else {
            1.0
        };
        let factor = config.size as f64 * scale / height.max(width) as f64;
        let resized = |length: usize| (libm::round(length as f64 * factor) as usize).max(1);
        let resized = (resized(height), resized(width));
        let place = rng.uniform();
        let offset =
            |length: usize| libm::round(length.saturating_sub(config.size) as f64 * place) as usize;
        Self {
            flip,
            resized,
            offset: (offset(resized.0), offset(resized.1)),
            size: config.size,
        }
    }

    /// The picture in this geometry.
    pub fn apply(&self, picture: &Picture, pad: u8) -> Picture {
        let source = (picture.height, picture.width);
        let pixels = self.transform(picture.pixels.clone(), source, 3, pad);
        Picture::new(self.size, self.size, pixels)
    }

    /// The mask in the same geometry: the pixels that are more than half covered after bilinear resizing.
    pub fn apply_to_mask(&self, mask: &Mask) -> Mask {
        let grey = mask.bits.iter().map(|bit| bit * u8::MAX).collect();
        let mut bits = self.transform(grey, (mask.height, mask.width), 1, 0);
        for bit in &mut bits {
            *bit = u8::from(*bit > u8::MAX / 2);
        }
        Mask::new(self.size, self.size, bits)
    }

    /// `pixels` is `[height, width, channels]`.
    fn transform(
        &self,
        pixels: Vec<u8>,
        source: (usize, usize),
        channels: usize,
        pad: u8,
    ) -> Vec<u8> {
        let resized = resize(pixels, source, self.resized, channels);
        let (rows, columns) = (self.resized.0.min(self.size), self.resized.1.min(self.size));
        let mut out = vec![pad; self.size * self.size * channels];
        for (row, line) in out
            .chunks_exact_mut(self.size * channels)
            .take(rows)
            .enumerate()
        {
            let start = ((row + self.offset.0) * self.resized.1 + self.offset.1) * channels;
            line[..columns * channels].copy_from_slice(&resized[start..start + columns * channels]);
            if self.flip {
                mirror(&mut line[..columns * channels], channels);
            }
        }
        out
    }
}

/// The whole picture, resized to [`fitted_size`].
pub fn fitted(picture: &Picture, shorter: Option<usize>, longer: Option<usize>) -> Picture {
    if shorter.or(longer).is_none() {
        return picture.clone();
    }
    let source = (picture.height, picture.width);
    let target = fitted_size(source, shorter, longer);
    Picture::new(
        target.0,
        target.1,
        resize(picture.pixels.clone(), source, target, 3),
    )
}

/// Rows and columns of a picture after it was resized so that its shorter side has `shorter` pixels and its
/// longer side at most `longer`, as far as they are given. If only `longer` is given, the longer side has that
/// many pixels.
pub fn fitted_size(
    (height, width): (usize, usize),
    shorter: Option<usize>,
    longer: Option<usize>,
) -> (usize, usize) {
    let factor = |bound: Option<usize>, length: usize| {
        bound.map_or(f64::INFINITY, |bound| bound as f64 / length as f64)
    };
    let factor = factor(shorter, height.min(width)).min(factor(longer, height.max(width)));
    if factor.is_infinite() {
        return (height, width);
    }
    let length = |length: usize| (libm::round(length as f64 * factor) as usize).max(1);
    (length(height), length(width))
}

/// Left and right swapped.
fn mirror(line: &mut [u8], channels: usize) {
    let width = line.len() / channels;
    for x in 0..width / 2 {
        for c in 0..channels {
            line.swap(x * channels + c, (width - 1 - x) * channels + c);
        }
    }
}

/// Bilinear, with a wider kernel for shrinking (as in Pillow), so that fine detail is averaged and not
/// skipped.
fn resize(
    pixels: Vec<u8>,
    source: (usize, usize),
    target: (usize, usize),
    channels: usize,
) -> Vec<u8> {
    if source == target {
        return pixels;
    }
    let mut out = vec![0; target.0 * target.1 * channels];
    if channels == 3 {
        resize_typed::<U8x3>(&pixels, source, &mut out, target);
    } else {
        resize_typed::<U8>(&pixels, source, &mut out, target);
    }
    out
}

/// Resizes pixels of type `P`. The crate's function for any type would compile all types, which takes a
/// minute.
fn resize_typed<P: PixelTrait>(
    pixels: &[u8],
    source: (usize, usize),
    out: &mut [u8],
    target: (usize, usize),
) {
    let fits = "one byte per pixel and channel";
    let source = TypedImageRef::<P>::from_buffer(source.1 as u32, source.0 as u32, pixels);
    let mut target = TypedImage::<P>::from_buffer(target.1 as u32, target.0 as u32, out);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    Resizer::new()
        .resize_typed(&source.expect(fits), target.as_mut().expect(fits), &options)
        .expect("the whole source is a valid crop");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(height: usize, width: usize) -> Picture {
        let pixels = (0..height * width).flat_map(|i| [i as u8, 7, 9]).collect();
        Picture::new(height, width, pixels)
    }

    #[test]
    fn a_fitted_picture_keeps_its_shape() {
        let picture = picture(20, 30);
        let size = |side| {
            let fitted = fitted(&picture, None, Some(side));
            (fitted.height, fitted.width)
        };
        assert_eq!((size(15), size(60), size(1)), ((10, 15), (40, 60), (1, 1)));
        assert_eq!(fitted(&picture, None, Some(30)), picture);
        assert_eq!(fitted(&picture, None, None), picture);
        let size = |shorter, longer| {
            let fitted = fitted(&picture, Some(shorter), longer);
            (fitted.height, fitted.width)
        };
        assert_eq!(size(40, None), (40, 60));
        assert_eq!(size(40, Some(70)), (40, 60));
        assert_eq!(size(40, Some(50)), (33, 50));
    }

    #[test]
    fn crop_and_pad_place_the_pixels() {
        let geometry = Geometry {
            flip: false,
            resized: (2, 5),
            offset: (0, 2),
            size: 3,
        };
        let out = geometry.apply(&picture(2, 5), 128);
        let red: Vec<u8> = out.pixels.chunks_exact(3).map(|pixel| pixel[0]).collect();
        assert_eq!(
            red,
            [2, 3, 4, 7, 8, 9, 128, 128, 128],
            "right part kept, a row padded below"
        );
    }

    #[test]
    fn the_flip_mirrors_the_image_and_not_the_padding() {
        let geometry = Geometry {
            flip: true,
            resized: (1, 2),
            offset: (0, 0),
            size: 3,
        };
        let out = geometry.apply(&picture(1, 2), 128);
        let red: Vec<u8> = out.pixels.chunks_exact(3).map(|pixel| pixel[0]).collect();
        assert_eq!(red[..3], [1, 0, 128]);
        let mask = geometry.apply_to_mask(&Mask::new(1, 2, vec![1, 0]));
        assert_eq!(mask.bits[..3], [0, 1, 0]);
    }

    #[test]
    fn a_uniform_scale_is_large_more_often() {
        let config = |scale_distribution| AugmentConfig {
            size: 1000,
            scale: [0.1, 2.0],
            scale_distribution,
            scale_probability: 1.0,
            ..super::super::config::tests::from_recipe()
        };
        let large = |config: &AugmentConfig| {
            let draw = |index| Geometry::draw(10, 10, config, &mut Stream::at(1, "scale", index));
            (0..400)
                .filter(|index| draw(*index).resized.0 > 1000)
                .count()
        };
        // Uniform: 1.0 / 1.9 of the draws are above 1; log-uniform: log 2 / log 20.
        assert!(large(&config(ScaleDistribution::Uniform)).abs_diff(210) < 40);
        assert!(large(&config(ScaleDistribution::LogUniform)).abs_diff(93) < 35);
    }

    #[test]
    fn the_aspect_is_kept_and_one_draw_places_both_axes() {
        let recipe = super::super::config::tests::from_recipe();
        let config = AugmentConfig {
            size: 100,
            scale: [1.5, 2.0],
            scale_probability: 1.0,
            ..recipe
        };
        for index in 0..50 {
            let geometry = Geometry::draw(30, 60, &config, &mut Stream::at(1, "geometry", index));
            let (height, width) = geometry.resized;
            assert!((150..=200).contains(&width) && height.abs_diff(width / 2) <= 1);
            assert_eq!(geometry.offset.0, 0, "50 to 100 rows leave nothing to crop");
            assert!(geometry.offset.1 <= width - 100);
        }
    }
}
