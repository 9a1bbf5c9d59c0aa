//! Other colours for a picture: changes of its pixels, then a blur, row by row. No more than a few rows are held as
//! floating-point numbers.

use super::blur::Kernel;
use super::change::{Change, Row, luma};
use super::core::Core;
use crate::structures::Picture;
use std::sync::LazyLock;

/// The changes of a picture.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Colouring {
    /// The changes of the pixels in their order.
    pub changes: Vec<Change>,
    /// The blur after them.
    pub blur: Option<Kernel>,
}

impl Colouring {
    /// The picture in other colours, rounded to 8 bits.
    pub fn apply(&self, picture: &Picture) -> Picture {
        if self.changes.is_empty() && self.blur.is_none() {
            return picture.clone();
        }
        let reach = self.blur.as_ref().map_or(0, Kernel::reach);
        self.apply_to(&Core::of(picture, reach))
    }

    /// The whole picture of a core in other colours.
    fn apply_to(&self, core: &Core) -> Picture {
        let changes = self.with_means(core);
        let mut out = core.empty();
        let read = |place: usize, row: &mut Row| {
            take(core.line(place), row);
            changes.iter().for_each(|change| change.apply(row));
        };
        let mut levels = [0, 1, 2].map(|_| vec![0; core.width]);
        let write = |place: usize, row: &Row| put(row, &mut levels, core.line_of(&mut out, place));
        self.each_row(core, read, write);
        core.spread(out)
    }

    /// Reads every row of `core` and writes it, blurred if there is a blur.
    fn each_row(
        &self,
        core: &Core,
        mut read: impl FnMut(usize, &mut Row),
        mut write: impl FnMut(usize, &Row),
    ) {
        match &self.blur {
            Some(kernel) => kernel.blur(core.height, core.width, read, write),
            None => {
                let mut row = empty_row(core.width);
                for place in 0..core.height {
                    read(place, &mut row);
                    write(place, &row);
                }
            }
        }
    }

    /// The changes, each contrast with the mean grey of the picture after the changes before it.
    fn with_means(&self, core: &Core) -> Vec<Change> {
        let mut changes = Vec::with_capacity(self.changes.len());
        for change in &self.changes {
            changes.push(match *change {
                Change::Contrast { factor, .. } => Change::Contrast {
                    factor,
                    mean: mean_grey(core, &changes),
                },
                other => other,
            });
        }
        changes
    }
}

/// The mean luma of the whole picture after `changes`, summed up pixel by pixel in their order.
fn mean_grey(core: &Core, changes: &[Change]) -> f32 {
    let mut row = empty_row(core.width);
    let mut greys = vec![0.0; core.width];
    let mut sum = 0.0;
    let (height, width) = (core.picture.height, core.picture.width);
    for place in 0..height {
        // The rows below the core are its last one.
        if place < core.height {
            take(core.line(place), &mut row);
            changes.iter().for_each(|change| change.apply(&mut row));
            let [red, green, blue] = &row;
            let pixels = red.iter().zip(green).zip(blue);
            for (grey, ((red, green), blue)) in greys.iter_mut().zip(pixels) {
                *grey = luma([*red, *green, *blue]);
            }
        }
        sum = greys.iter().fold(sum, |sum, grey| sum + f64::from(*grey));
        let last = f64::from(greys.last().copied().unwrap_or_default());
        sum = (core.width..width).fold(sum, |sum, _| sum + last);
    }
    (sum / (height * width) as f64) as f32
}

fn empty_row(width: usize) -> Row {
    [0, 1, 2].map(|_| vec![0.0; width])
}

/// Fills `row` with the pixels of `line`, `[width, 3]`.
fn take(line: &[u8], row: &mut Row) {
    static LEVELS: LazyLock<[f32; 256]> =
        LazyLock::new(|| std::array::from_fn(|level| level as f32 / 255.0));
    let levels: &[f32; 256] = &LEVELS;
    let [red, green, blue] = row;
    let (pixels, _) = line.as_chunks::<3>();
    let out = red.iter_mut().zip(green).zip(blue);
    for (((red, green), blue), pixel) in out.zip(pixels) {
        [*red, *green, *blue] = pixel.map(|level| levels[usize::from(level)]);
    }
}

/// Rounds the pixels of `row` to 8 bits. `levels` is a scratch buffer, one list for each colour: so many values are
/// rounded at once.
fn put(row: &Row, levels: &mut [Vec<u8>; 3], line: &mut [u8]) {
    for (levels, values) in levels.iter_mut().zip(row) {
        for (level, value) in levels.iter_mut().zip(values) {
            *level = (value * 255.0 + 0.5) as u8;
        }
    }
    let [red, green, blue] = levels;
    let (pixels, _) = line.as_chunks_mut::<3>();
    let levels = red.iter().zip(green).zip(blue);
    for (pixel, ((red, green), blue)) in pixels.iter_mut().zip(levels) {
        *pixel = [*red, *green, *blue];
    }
}

#[cfg(test)]
mod tests {
    use super::super::change::jitter;
    use super::super::tests::placed;
    use super::super::{Jitter, config};
    use super::*;
    use crate::rng::Stream;

    fn noise(height: usize, width: usize, rng: &mut Stream) -> Picture {
        let values = (0..height * width * 3).map(|_| rng.bits() as u8);
        Picture::new(height, width, values.collect())
    }

    fn blurred(picture: &Picture, sigma: f64) -> Picture {
        let colouring = Colouring {
            blur: Some(Kernel::new(sigma)),
            ..Colouring::default()
        };
        colouring.apply(picture)
    }

    #[test]
    fn blur_keeps_the_sum_and_treats_both_axes_alike() {
        let mut point = Picture::new(9, 11, vec![0; 99 * 3]);
        point.pixels[(4 * 11 + 5) * 3..][..3].fill(255);
        let blurred = blurred(&point, 1.0);
        let at = |row: usize, column: usize| blurred.pixels[(row * 11 + column) * 3 + 1];
        let total: usize = blurred
            .pixels
            .iter()
            .skip(1)
            .step_by(3)
            .map(|v| usize::from(*v))
            .sum();
        assert!(total.abs_diff(255) <= 12, "{total}");
        for distance in 1..=3 {
            assert_eq!(at(4, 5 + distance), at(4 + distance, 5));
            assert_eq!(at(4, 5 - distance), at(4 - distance, 5));
        }
        let ratio = f64::from(at(4, 6)) / f64::from(at(4, 5));
        assert!((ratio - libm::exp(-0.5)).abs() < 0.03, "{ratio}");
    }

    /// The definition: every weight with its pixel, in full pictures, one axis after the other.
    fn blurred_plainly(picture: &Picture, sigma: f64) -> Picture {
        let (height, width) = (picture.height as i64, picture.width as i64);
        let reach = (3.0 * sigma).ceil().max(1.0) as i64;
        let weight = |k: i64| libm::exp(-0.5 * libm::pow(k as f64 / sigma, 2.0));
        let total: f64 = (-reach..=reach).map(weight).sum();
        let at = |values: &[f32], y: i64, x: i64, c: usize| {
            let (y, x) = (y.clamp(0, height - 1), x.clamp(0, width - 1));
            values[((y * width + x) * 3) as usize + c]
        };
        let mut values: Vec<f32> = picture
            .pixels
            .iter()
            .map(|v| f32::from(*v) / 255.0)
            .collect();
        for (down, right) in [(0, 1), (1, 0)] {
            let before = values.clone();
            for (i, value) in values.iter_mut().enumerate() {
                let (pixel, c) = ((i / 3) as i64, i % 3);
                let (y, x) = (pixel / width, pixel % width);
                let terms = (-reach..=reach).map(|k| {
                    at(&before, y + k * down, x + k * right, c) * (weight(k) / total) as f32
                });
                *value = terms.fold(0.0, |sum: f32, term| sum + term).min(1.0);
            }
        }
        let pixels = values.iter().map(|value| (value * 255.0 + 0.5) as u8);
        Picture::new(picture.height, picture.width, pixels.collect())
    }

    #[test]
    fn a_stream_of_rows_is_blurred_as_the_whole_picture() {
        for index in 0..60 {
            let mut rng = Stream::at(1, "blur", index);
            let picture = noise(1 + rng.below(40), 1 + rng.below(80), &mut rng);
            let sigma = rng.range(0.1, 6.0);
            assert_eq!(
                blurred(&picture, sigma),
                blurred_plainly(&picture, sigma),
                "{index}"
            );
        }
    }

    /// Padding below and to the right is not computed pixel by pixel. It may be of any colour, or there may be none.
    #[test]
    fn padding_gets_the_colours_that_it_has_without_a_core() {
        for index in 0..80 {
            let mut rng = Stream::at(3, "padding", index);
            let (height, width) = (1 + rng.below(50), 1 + rng.below(50));
            let (rows, columns) = (rng.below(height + 1), rng.below(width + 1));
            let mut picture = noise(height, width, &mut rng);
            let grey = rng.bits() as u8;
            for (place, pixel) in picture.pixels.as_chunks_mut::<3>().0.iter_mut().enumerate() {
                if place / width >= rows || place % width >= columns {
                    *pixel = [grey; 3];
                }
            }
            let config = config::tests::from_recipe();
            let colouring = Colouring {
                changes: jitter(&config.jitter, &mut rng),
                blur: rng.chance(0.5).then(|| Kernel::new(rng.range(0.1, 3.0))),
            };
            let whole = Core {
                picture: &picture,
                height,
                width,
            };
            let expected = colouring.apply_to(&whole);
            assert_eq!(colouring.apply(&picture), expected, "{index}");
        }
    }

    #[test]
    fn contrast_zero_is_the_mean_of_the_picture_so_far() {
        let picture = Picture::new(1, 2, vec![0, 0, 0, 200, 200, 200]);
        let contrast = Change::Contrast {
            factor: 0.0,
            mean: 0.0,
        };
        let apply = |changes: &[Change]| {
            let colouring = Colouring {
                changes: changes.to_vec(),
                blur: None,
            };
            colouring.apply(&picture).pixels
        };
        assert_eq!(apply(&[contrast]), [100; 6]);
        assert_eq!(apply(&[Change::Scale(0.5), contrast]), [50; 6]);
        assert_eq!(apply(&[contrast, Change::Scale(0.5)]), [50; 6]);
    }

    #[test]
    fn the_jitter_has_each_change_once_within_its_bounds() {
        let config: Jitter = config::tests::from_recipe().jitter;
        for index in 0..50 {
            let changes = jitter(&config, &mut Stream::at(1, "jitter", index));
            let (mut seen, mut sum) = ([0; 4], 0.0);
            for change in changes {
                let (place, by, most) = match change {
                    Change::Scale(factor) => (0, factor - 1.0, config.brightness),
                    Change::Contrast { factor, .. } => (1, factor - 1.0, config.contrast),
                    Change::Saturation(factor) => (2, factor - 1.0, config.saturation),
                    Change::Hue(shift) => (3, shift, config.hue),
                    other => panic!("{other:?}"),
                };
                seen[place] += 1;
                sum += by.abs();
                assert!(f64::from(by.abs()) <= most + 1e-6, "{change:?}");
            }
            assert_eq!(seen, [1; 4]);
            assert!(sum > 0.0);
        }
    }

    #[test]
    fn eight_bits_survive_the_round_trip() {
        let values = (0..=255).flat_map(|value| [value, 255 - value, 128]);
        let picture = Picture::new(16, 16, values.collect());
        let same = Colouring {
            changes: vec![Change::Scale(1.0)],
            blur: None,
        };
        assert_eq!(same.apply(&picture), picture);
    }

    /// The pixels of one picture for every change, so that none of them changes by accident.
    #[test]
    fn the_pixels_never_change() {
        let picture = noise(24, 40, &mut Stream::new(7, "picture"));
        let config = config::tests::from_recipe();
        let mut hasher = blake3::Hasher::new();
        for index in 0..40 {
            let mut rng = Stream::at(7, "colours", index);
            let view = placed(picture.clone(), Vec::new());
            let view = super::super::strong(&view, &config, &mut rng).view;
            hasher.update(&view.picture.pixels);
            let changes = super::super::ssd::changes(&mut rng);
            hasher.update(
                &Colouring {
                    changes,
                    blur: None,
                }
                .apply(&picture)
                .pixels,
            );
        }
        let hash = hasher.finalize().to_hex();
        assert_eq!(&hash[..16], "de557578c9f859bb");
    }
}
