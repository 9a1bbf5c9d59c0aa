//! Resizes pictures with the same numbers as Pillow, which the image processors of `transformers` use.
//!
//! `$$ y_i = \sum_x k_i(x)\, v_x,\quad k_i(x) \propto f\big((x + \tfrac12 - c_i) / s\big),\quad
//! c_i = (i + \tfrac12) \tfrac{n}{m},\quad s = \max(1, \tfrac{n}{m}) $$`
//!
//! It resizes from n to m pixels along one side, then along the other. Each pass is rounded to 8 bits. f is
//! the filter. The weights are rounded to 22 bits as in Pillow's `Resample.c`
//! (<https://github.com/python-pillow/Pillow>), so that every value is the same. The training views use the
//! faster `fast_image_resize`, which rounds differently: its values sometimes differ from Pillow's by one,
//! and that can change a predicted mask.
//!
//! The order of the passes is that of Pillow 13.0, observed on 700 random sizes: along the rows first, unless
//! the height shrinks by more than twice as much as the width. Earlier versions always begin with the rows.

use super::Picture;
use rayon::prelude::*;
use std::f64::consts::PI;

/// The number of fractional bits of a weight.
const PRECISION: u32 = 22;
/// Red, green, blue.
const COLOURS: usize = 3;

/// The filters of Pillow's `resize`. All but the first average when they shrink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resample {
    /// The nearest pixel.
    Nearest,
    /// The mean.
    Box,
    /// A triangle.
    Bilinear,
    /// Hamming's window.
    Hamming,
    /// Cubic with a = -0.5 (Catmull-Rom).
    Bicubic,
    /// Lanczos with three lobes.
    Lanczos,
}

impl Resample {
    /// The filter with this number in Pillow and in the files of image processors; none if there is no such
    /// filter.
    pub fn from_pillow(number: u64) -> Option<Self> {
        const NUMBERED: [Resample; 6] = [
            Resample::Nearest,
            Resample::Lanczos,
            Resample::Bilinear,
            Resample::Bicubic,
            Resample::Box,
            Resample::Hamming,
        ];
        NUMBERED.get(usize::try_from(number).ok()?).copied()
    }

    /// Half the width of the filter; none for [`Self::Nearest`].
    fn support(self) -> Option<f64> {
        match self {
            Self::Nearest => None,
            Self::Box => Some(0.5),
            Self::Bilinear | Self::Hamming => Some(1.0),
            Self::Bicubic => Some(2.0),
            Self::Lanczos => Some(3.0),
        }
    }

    /// The filter at a distance of `x` pixels.
    fn at(self, x: f64) -> f64 {
        let sinc = |x: f64| match x {
            0.0 => 1.0,
            x => libm::sin(x * PI) / (x * PI),
        };
        match self {
            Self::Nearest => 1.0,
            Self::Box => f64::from(u8::from(x > -0.5 && x <= 0.5)),
            Self::Bilinear => (1.0 - x.abs()).max(0.0),
            Self::Hamming if x.abs() >= 1.0 => 0.0,
            Self::Hamming => sinc(x) * (0.54 + 0.46 * libm::cos(x * PI)),
            Self::Bicubic => {
                const A: f64 = -0.5;
                match x.abs() {
                    x if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
                    x if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
                    _ => 0.0,
                }
            }
            Self::Lanczos if (-3.0..3.0).contains(&x) => sinc(x) * sinc(x / 3.0),
            Self::Lanczos => 0.0,
        }
    }
}

/// The source pixels of one pixel of the result.
struct Taps {
    /// The first source pixel.
    start: usize,
    /// The weights of the first source pixel and of those after it.
    weights: Vec<i32>,
}

/// The taps of `target` pixels made from `source` pixels.
fn taps(source: usize, target: usize, filter: Resample) -> Vec<Taps> {
    let scale = source as f64 / target as f64;
    let Some(support) = filter.support() else {
        // Pillow adds up the steps, and the rounding errors decide at the edges of pixels.
        let mut place = 0.5 * scale;
        let nearest = |_| {
            let start = (place as usize).min(source - 1);
            place += scale;
            Taps {
                start,
                weights: vec![1 << PRECISION],
            }
        };
        return (0..target).map(nearest).collect();
    };
    let stretch = scale.max(1.0);
    let support = support * stretch;
    let of_pixel = |i: usize| {
        let centre = (i as f64 + 0.5) * scale;
        // A negative number becomes 0, as Pillow clips it there.
        let start = (centre - support + 0.5) as usize;
        let end = ((centre + support + 0.5) as usize).min(source);
        let distance = |x: usize| (x as f64 - centre + 0.5) * (1.0 / stretch);
        let weights: Vec<f64> = (start..end).map(|x| filter.at(distance(x))).collect();
        let sum: f64 = weights.iter().sum();
        let fixed = |weight: &f64| {
            let weight = if sum == 0.0 { *weight } else { weight / sum };
            let weight = weight * f64::from(1u32 << PRECISION);
            (weight + 0.5f64.copysign(weight)) as i32
        };
        Taps {
            start,
            weights: weights.iter().map(fixed).collect(),
        }
    };
    (0..target).map(of_pixel).collect()
}

/// The weighted sum of `values`, rounded and clipped to 8 bits.
fn mix(taps: &Taps, value: impl Fn(usize) -> u8) -> u8 {
    let mut sum = 1i32 << (PRECISION - 1);
    for (i, weight) in taps.weights.iter().enumerate() {
        sum += i32::from(value(taps.start + i)) * weight;
    }
    (sum >> PRECISION).clamp(0, 255) as u8
}

/// The whole picture at another size.
pub fn resampled(picture: &Picture, height: usize, width: usize, filter: Resample) -> Picture {
    let lost = |from: usize, to: usize| from as i64 - to as i64;
    let rows_lost = lost(picture.height, height);
    if rows_lost > 0 && rows_lost > 2 * lost(picture.width, width) {
        across(&along(picture, height, filter), width, filter)
    } else {
        along(&across(picture, width, filter), height, filter)
    }
}

/// `picture` with `width` columns.
fn across(picture: &Picture, width: usize, filter: Resample) -> Picture {
    if width == picture.width {
        return picture.clone();
    }
    let columns = taps(picture.width, width, filter);
    let mut pixels = vec![0; picture.height * width * COLOURS];
    let source = picture.pixels.par_chunks_exact(picture.width * COLOURS);
    let lines = pixels.par_chunks_exact_mut(width * COLOURS);
    lines.zip(source).for_each(|(line, from)| {
        for (pixel, taps) in line.chunks_exact_mut(COLOURS).zip(&columns) {
            for (c, value) in pixel.iter_mut().enumerate() {
                *value = mix(taps, |x| from[x * COLOURS + c]);
            }
        }
    });
    Picture::new(picture.height, width, pixels)
}

/// `picture` with `height` rows.
fn along(picture: &Picture, height: usize, filter: Resample) -> Picture {
    if height == picture.height {
        return picture.clone();
    }
    let rows = taps(picture.height, height, filter);
    let row = picture.width * COLOURS;
    let mut pixels = vec![0; height * row];
    let lines = pixels.par_chunks_exact_mut(row);
    lines.zip(&rows).for_each(|(line, taps)| {
        for (i, value) in line.iter_mut().enumerate() {
            *value = mix(taps, |y| picture.pixels[y * row + i]);
        }
    });
    Picture::new(height, picture.width, pixels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::image_file::{Exif, decode};
    use safetensors::SafeTensors;
    use std::path::Path;

    #[test]
    fn parity_of_every_filter_with_pillow() {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/hf_mask2former");
        let picture = decode(&golden.join("picture.png"), Exif::Applied).unwrap();
        let bytes = std::fs::read(golden.join("predict.safetensors")).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        for number in 0..6 {
            let filter = Resample::from_pillow(number).unwrap();
            // Wider and lower, then smaller: the two orders of the passes.
            for size in ["wide", "small"] {
                let expected = file.tensor(&format!("resized.{size}.{number}")).unwrap();
                let &[height, width, 3] = expected.shape() else {
                    panic!("{:?}", expected.shape());
                };
                let found = resampled(&picture, height, width, filter);
                let wrong = found.pixels.iter().zip(expected.data());
                let wrong = wrong.filter(|(found, expected)| found != expected).count();
                assert_eq!(wrong, 0, "values that differ of {filter:?}, {size}");
            }
        }
    }

    #[test]
    fn a_picture_of_one_colour_keeps_it_and_one_of_its_size_stays() {
        let picture = Picture::new(5, 7, [10, 200, 77].repeat(35));
        let other = resampled(&picture, 3, 20, Resample::Lanczos);
        assert_eq!(other.pixels, [10, 200, 77].repeat(60));
        assert_eq!(resampled(&picture, 5, 7, Resample::Bicubic), picture);
    }
}
