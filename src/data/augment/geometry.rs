//! Flip, scale, crop or pad: the geometry that an image, its masks and both of its views share.
//!
//! - `scale-jitter`, for COCO: the image is resized so that it fits into `size`, times a factor `s` (large-scale
//!   jitter, <https://arxiv.org/abs/2012.07177>). If it is larger than `size`, it is cropped at a random offset, with
//!   one draw for both axes.
//! - `shorter-side`, for Cityscapes: the shorter side gets one of several lengths, unless the longer one would then be
//!   too long. If the image is larger than `size`, it is cropped at a random offset, with a draw for each axis.
//!   Sources: detectron2's `ResizeShortestEdge` and `RandomCrop`.
//!
//! If the image is smaller than `size`, it is padded to the right and below.

use super::config::{AugmentConfig, GeometryKind, ScaleDistribution};
use super::content::Content;
use super::size::ImageSize;
use super::window::Window;
use crate::rng::Stream;
use crate::structures::{AffineMap, Mask, Picture};

/// One random geometry.
#[derive(Clone, Debug, PartialEq)]
pub struct Geometry {
    /// True if the image is mirrored, before anything else.
    pub flip: bool,
    /// The numbers of rows and columns after resizing.
    pub resized: (usize, usize),
    /// The row and column of the resized image where the result begins.
    pub offset: (usize, usize),
    /// The size of the result.
    pub size: ImageSize,
}

impl Geometry {
    /// Draws the geometry of an image of `height` x `width` pixels.
    pub fn draw(height: usize, width: usize, config: &AugmentConfig, rng: &mut Stream) -> Self {
        let flip = rng.chance(config.flip);
        let (resized, places) = match config.geometry {
            GeometryKind::ScaleJitter => {
                let resized = scale_jitter(height, width, config, rng);
                (resized, [rng.uniform(); 2])
            }
            GeometryKind::ShorterSide => {
                let resized = shorter_side(height, width, config, rng);
                (resized, [rng.uniform(), rng.uniform()])
            }
        };
        let ImageSize {
            height: rows,
            width: columns,
        } = config.size;
        let offset = |length: usize, kept: usize, place: f64| {
            libm::round(length.saturating_sub(kept) as f64 * place) as usize
        };
        Self {
            flip,
            resized,
            offset: (
                offset(resized.0, rows, places[0]),
                offset(resized.1, columns, places[1]),
            ),
            size: config.size,
        }
    }

    /// What all images of `height` x `width` pixels have in common in this geometry.
    pub fn of(&self, height: usize, width: usize) -> Placing {
        let span = |offset: usize, length: usize, kept: usize| offset..offset + length.min(kept);
        let window = (
            span(self.offset.0, self.resized.0, self.size.height),
            span(self.offset.1, self.resized.1, self.size.width),
        );
        let [down, across] = [(self.resized.0, height), (self.resized.1, width)]
            .map(|(resized, length)| resized as f64 / length as f64);
        let map = AffineMap::scale([across, down]).then(AffineMap::translation([
            -(self.offset.1 as f64),
            -(self.offset.0 as f64),
        ]));
        let content = Content {
            rows: window.0.len(),
            columns: window.1.len(),
        };
        let mirror = AffineMap::scale([-1.0, 1.0])
            .then(AffineMap::translation([content.columns as f64, 0.0]));
        Placing {
            flip: self.flip,
            size: self.size,
            source: (height, width),
            content,
            map: if self.flip { map.then(mirror) } else { map },
            window: Window::new((height, width), self.resized, window),
        }
    }
}

/// A geometry for the picture and the masks of one image.
pub struct Placing {
    flip: bool,
    size: ImageSize,
    /// Rows and columns of the image.
    source: (usize, usize),
    /// The part of the result that is not padding.
    content: Content,
    /// From the image to the result.
    map: AffineMap,
    window: Window,
}

impl Placing {
    /// The part of the result that is not padding.
    pub fn content(&self) -> Content {
        self.content
    }

    /// Where a point of the image lies in the result, both in pixels.
    pub fn map(&self) -> AffineMap {
        self.map
    }

    /// The picture in this geometry, padded with the grey `pad`. Panics if it has another size.
    pub fn picture(&self, picture: &Picture, pad: u8) -> Picture {
        assert_eq!((picture.height, picture.width), self.source, "one size");
        let ImageSize { height, width } = self.size;
        let mut pixels = vec![pad; height * width * 3];
        self.window.each_row::<3>(&picture.pixels, |row, line| {
            let out = &mut pixels[row * width * 3..][..line.len()];
            match self.flip {
                true => mirror(line, out),
                false => out.copy_from_slice(line),
            }
        });
        Picture::new(height, width, pixels)
    }

    /// The mask in the same geometry: the pixels that are more than half covered after bilinear resizing. Panics if it
    /// has another size.
    pub fn mask(&self, mask: &Mask) -> Mask {
        assert_eq!((mask.height, mask.width), self.source, "one size");
        let ImageSize { height, width } = self.size;
        let mut bits = vec![0; height * width];
        if let Some(part) = mask.bounds() {
            let grey: Vec<u8> = mask.bits.iter().map(|bit| bit * u8::MAX).collect();
            self.window
                .each_row_of_part(&grey, part, |row, column, line| {
                    let column = match self.flip {
                        true => self.content.columns - column - line.len(),
                        false => column,
                    };
                    let out = &mut bits[row * width + column..][..line.len()];
                    let covered = line.iter().map(|grey| u8::from(*grey > u8::MAX / 2));
                    match self.flip {
                        true => out
                            .iter_mut()
                            .rev()
                            .zip(covered)
                            .for_each(|(o, bit)| *o = bit),
                        false => out.iter_mut().zip(covered).for_each(|(o, bit)| *o = bit),
                    }
                });
        }
        Mask::new(height, width, bits)
    }
}

/// Rows and columns of an image that fits into the training image, times a random factor.
fn scale_jitter(
    height: usize,
    width: usize,
    config: &AugmentConfig,
    rng: &mut Stream,
) -> (usize, usize) {
    let scale = if rng.chance(config.scale_probability) {
        let [low, high] = config.scale;
        match config.scale_distribution {
            ScaleDistribution::LogUniform => libm::exp(rng.range(libm::log(low), libm::log(high))),
            ScaleDistribution::Uniform => rng.range(low, high),
        }
    } else {
        1.0
    };
    let factor = |kept: usize, length: usize| kept as f64 * scale / length as f64;
    let factor = factor(config.size.height, height).min(factor(config.size.width, width));
    let resized = |length: usize| (libm::round(length as f64 * factor) as usize).max(1);
    (resized(height), resized(width))
}

/// Rows and columns of an image whose shorter side has a drawn length, unless the longer one is then too long.
fn shorter_side(
    height: usize,
    width: usize,
    config: &AugmentConfig,
    rng: &mut Stream,
) -> (usize, usize) {
    let shorter = config.shorter[rng.below(config.shorter.len())];
    let factor = shorter as f64 / height.min(width) as f64;
    let factor = factor.min(config.longer as f64 / height.max(width) as f64);
    let resized = |length: usize| ((length as f64 * factor + 0.5) as usize).max(1);
    (resized(height), resized(width))
}

/// `out` becomes the pixels of `line`, left and right swapped.
fn mirror(line: &[u8], out: &mut [u8]) {
    let (from, _) = line.as_chunks::<3>();
    let (to, _) = out.as_chunks_mut::<3>();
    to.iter_mut()
        .rev()
        .zip(from)
        .for_each(|(to, from)| *to = *from);
}

#[cfg(test)]
mod tests {
    use super::super::resize::tests::picture;
    use super::*;

    #[test]
    fn crop_and_pad_place_the_pixels() {
        let geometry = Geometry {
            flip: false,
            resized: (2, 5),
            offset: (0, 2),
            size: ImageSize::square(3),
        };
        let out = geometry.of(2, 5).picture(&picture(2, 5), 128);
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
            size: ImageSize::square(3),
        };
        let out = geometry.of(1, 2).picture(&picture(1, 2), 128);
        let red: Vec<u8> = out.pixels.chunks_exact(3).map(|pixel| pixel[0]).collect();
        assert_eq!(red[..3], [1, 0, 128]);
        let mask = geometry.of(1, 2).mask(&Mask::new(1, 2, vec![1, 0]));
        assert_eq!(mask.bits[..3], [0, 1, 0]);
    }

    /// The map and the pixels tell the same: the middle of a white spot lies where the map says.
    #[test]
    fn the_map_leads_to_the_pixels() {
        let recipe = crate::data::augment::config::tests::from_recipe();
        let mut seen = [0; 2];
        for index in 0..200 {
            let mut rng = Stream::at(1, "map", index);
            let config = AugmentConfig {
                size: ImageSize {
                    height: 96,
                    width: 64,
                },
                scale: [0.5, 2.0],
                scale_probability: 1.0,
                ..recipe.clone()
            };
            let (height, width) = (70 + rng.below(40), 50 + rng.below(60));
            let placing = Geometry::draw(height, width, &config, &mut rng).of(height, width);
            let (row, column) = (10 + rng.below(height - 20), 10 + rng.below(width - 20));
            let inside =
                |i: usize| (i / width).abs_diff(row) <= 6 && (i % width).abs_diff(column) <= 6;
            let bits = (0..height * width).map(|i| u8::from(inside(i))).collect();
            let mask = placing.mask(&Mask::new(height, width, bits));
            let middle = [column as f64 + 0.5, row as f64 + 0.5];
            let [x, y] = placing.map().apply(middle);
            let Content { rows, columns } = placing.content();
            let [left, right] = [x - 16.0, x + 16.0];
            let is_whole =
                left > 0.0 && right < columns as f64 && y > 16.0 && y < rows as f64 - 16.0;
            let Some((found_rows, found_columns)) = mask.bounds().filter(|_| is_whole) else {
                continue;
            };
            let found =
                [found_columns, found_rows].map(|range| (range.start + range.end) as f64 / 2.0);
            assert!(
                (found[0] - x).abs() <= 1.0 && (found[1] - y).abs() <= 1.0,
                "{found:?}, not {x} {y}"
            );
            seen[usize::from(placing.flip)] += 1;
        }
        assert!(seen.iter().all(|count| *count > 15), "{seen:?}");
    }

    #[test]
    fn a_uniform_scale_is_large_more_often() {
        let config = |scale_distribution| AugmentConfig {
            size: ImageSize::square(1000),
            scale: [0.1, 2.0],
            scale_distribution,
            scale_probability: 1.0,
            ..crate::data::augment::config::tests::from_recipe()
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
        let recipe = crate::data::augment::config::tests::from_recipe();
        let config = AugmentConfig {
            size: ImageSize::square(100),
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

    #[test]
    fn in_a_rectangle_the_image_fits_both_sides() {
        let config = AugmentConfig {
            size: ImageSize {
                height: 256,
                width: 128,
            },
            scale_probability: 0.0,
            ..crate::data::augment::config::tests::from_recipe()
        };
        let resized = |height, width| {
            Geometry::draw(height, width, &config, &mut Stream::new(1, "geometry")).resized
        };
        assert_eq!(resized(256, 128), (256, 128));
        assert_eq!(resized(512, 256), (256, 128));
        assert_eq!(resized(100, 100), (128, 128));
        assert_eq!(resized(300, 100), (256, 85));
        let cropped = Geometry {
            flip: false,
            resized: (2, 5),
            offset: (0, 2),
            size: ImageSize {
                height: 1,
                width: 3,
            },
        };
        let out = cropped.of(2, 5).picture(&picture(2, 5), 128);
        let red: Vec<u8> = out.pixels.chunks_exact(3).map(|pixel| pixel[0]).collect();
        assert_eq!(red, [2, 3, 4], "rows and columns are not mixed up");
    }

    /// The lengths of Cityscapes' training, 1024 x 2048 pixels: 0.5 to 2 times the height.
    #[test]
    fn the_shorter_side_has_one_of_the_lengths_and_each_axis_its_own_place() {
        let config = AugmentConfig {
            size: ImageSize {
                height: 512,
                width: 1024,
            },
            geometry: GeometryKind::ShorterSide,
            shorter: (5..=20).map(|k| (102.4 * f64::from(k)) as usize).collect(),
            longer: 4096,
            ..crate::data::augment::config::tests::from_recipe()
        };
        assert_eq!(config.shorter[..3], [512, 614, 716]);
        assert_eq!(config.shorter[15], 2048);
        let mut seen = std::collections::BTreeSet::new();
        let mut apart = 0;
        for index in 0..400 {
            let draw = Geometry::draw(1024, 2048, &config, &mut Stream::at(1, "shorter", index));
            let (height, width) = draw.resized;
            assert!(config.shorter.contains(&height) && width == 2 * height);
            assert!(draw.offset.0 <= height - 512 && draw.offset.1 <= width - 1024);
            seen.insert(height);
            let share = |offset: usize, free: usize| offset as f64 / free.max(1) as f64;
            let shares = [
                share(draw.offset.0, height - 512),
                share(draw.offset.1, width - 1024),
            ];
            apart += usize::from((shares[0] - shares[1]).abs() > 0.1);
        }
        assert_eq!(seen.len(), 16, "every length is drawn");
        assert!(apart > 200, "{apart} of 400 places differ");
        let narrow = AugmentConfig {
            longer: 1000,
            shorter: vec![600],
            ..config
        };
        let draw = |height, width| {
            Geometry::draw(height, width, &narrow, &mut Stream::new(1, "x")).resized
        };
        assert_eq!(draw(100, 300), (333, 1000), "the longer side is bounded");
        assert_eq!(draw(300, 200), (900, 600));
    }
}
