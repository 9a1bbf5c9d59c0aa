//! Colour operations with the pixels that Pillow gives (<https://github.com/python-pillow/Pillow>, `ImageOps`,
//! `ImageEnhance`). They work on whole pictures of 8 bits.
//!
//! | operation | definition |
//! |---|---|
//! | autocontrast | each channel: its least value becomes 0, its largest 255, linearly, rounded down |
//! | equalize | each channel: the cumulative histogram becomes a line |
//! | solarize | values at or above a threshold are inverted |
//! | posterize | only the highest bits stay |
//! | colour, contrast, brightness, sharpness | `$d + f\,(v - d)$`, rounded down: `$d$` has none of that property |
//!
//! `$d$` is the grey of the pixel (colour), the mean grey of the picture (contrast), black (brightness), or the
//! smoothed picture (sharpness). The factor `$f$` is 1 for the picture itself.

use crate::structures::Picture;

/// The number of values of 8 bits.
const LEVELS: usize = 256;
/// Pillow's integer weights of red, green and blue in the grey of a pixel; they sum up to 2^16.
const GREY: [u32; 3] = [19595, 38470, 7471];

/// One operation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Operation {
    /// Every channel uses the whole range.
    AutoContrast,
    /// The values of every channel are equally frequent.
    Equalize,
    /// Values at or above this become their inverse.
    Solarize(u16),
    /// This number of the highest bits of every value stays, 1 to 8.
    Posterize(u32),
    /// The colourfulness times a factor.
    Colour(f32),
    /// The contrast times a factor.
    Contrast(f32),
    /// The brightness times a factor.
    Brightness(f32),
    /// The sharpness times a factor.
    Sharpness(f32),
}

impl Operation {
    /// The picture after the operation.
    pub fn apply(self, picture: &Picture) -> Picture {
        match self {
            Self::AutoContrast => each_channel(picture, stretched),
            Self::Equalize => each_channel(picture, equalized),
            Self::Solarize(threshold) => each_value(picture, |value| {
                if u16::from(value) < threshold {
                    value
                } else {
                    u8::MAX - value
                }
            }),
            Self::Posterize(bits) => {
                let lost = (1u32 << (u8::BITS - bits)) - 1;
                each_value(picture, |value| value & !(lost as u8))
            }
            Self::Colour(factor) => {
                let greys = picture.pixels.as_chunks::<3>().0.iter().map(grey);
                let dull = greys.flat_map(|grey| [grey; 3]).collect::<Vec<_>>();
                blend(&dull, picture, factor)
            }
            Self::Contrast(factor) => {
                let mean = mean_grey(picture);
                blend(&vec![mean; picture.pixels.len()], picture, factor)
            }
            Self::Brightness(factor) => blend(&vec![0; picture.pixels.len()], picture, factor),
            Self::Sharpness(factor) => blend(&smoothed(picture), picture, factor),
        }
    }
}

/// The grey of a pixel.
fn grey(pixel: &[u8; 3]) -> u8 {
    let terms = pixel
        .iter()
        .zip(GREY)
        .map(|(value, weight)| u32::from(*value) * weight);
    ((terms.sum::<u32>() + (1 << 15)) >> 16) as u8
}

/// The mean grey of the picture, rounded.
fn mean_grey(picture: &Picture) -> u8 {
    let (pixels, _) = picture.pixels.as_chunks::<3>();
    let sum: u64 = pixels.iter().map(|pixel| u64::from(grey(pixel))).sum();
    (sum as f64 / pixels.len().max(1) as f64 + 0.5) as u8
}

/// The picture with every value changed by itself.
fn each_value(picture: &Picture, change: impl Fn(u8) -> u8) -> Picture {
    let pixels = picture.pixels.iter().map(|value| change(*value)).collect();
    Picture { pixels, ..*picture }
}

/// The picture with every channel changed by the table that `table` makes of its histogram.
fn each_channel(picture: &Picture, table: fn(&[usize; LEVELS]) -> Option<[u8; LEVELS]>) -> Picture {
    let mut pixels = picture.pixels.clone();
    for channel in 0..3 {
        let mut histogram = [0; LEVELS];
        let values = picture.pixels.iter().skip(channel).step_by(3);
        values.for_each(|value| histogram[usize::from(*value)] += 1);
        if let Some(table) = table(&histogram) {
            let values = pixels.iter_mut().skip(channel).step_by(3);
            values.for_each(|value| *value = table[usize::from(*value)]);
        }
    }
    Picture { pixels, ..*picture }
}

/// The table of autocontrast; none if the channel has one value.
fn stretched(histogram: &[usize; LEVELS]) -> Option<[u8; LEVELS]> {
    let low = histogram.iter().position(|count| *count > 0)?;
    let high = histogram.iter().rposition(|count| *count > 0)?;
    let scale = 255.0 / high.checked_sub(low).filter(|span| *span > 0)? as f64;
    let offset = -(low as f64) * scale;
    Some(std::array::from_fn(|level| {
        (level as f64 * scale + offset) as u8
    }))
}

/// The table of equalize; none if the channel has too few values.
fn equalized(histogram: &[usize; LEVELS]) -> Option<[u8; LEVELS]> {
    let mut found = histogram.iter().filter(|count| **count > 0);
    // Those below the largest value.
    found.next_back()?;
    let before: usize = found.sum();
    let step = Some(before / 255).filter(|step| *step > 0)?;
    let mut sum = step / 2;
    Some(std::array::from_fn(|level| {
        let value = (sum / step).min(255) as u8;
        sum += histogram[level];
        value
    }))
}

/// The picture smoothed by a kernel of 3 x 3 with the weight 5 at its centre and 1 around it. The outermost pixels
/// stay.
fn smoothed(picture: &Picture) -> Vec<u8> {
    let Picture {
        height,
        width,
        pixels,
    } = picture;
    let stride = width * 3;
    let mut out = pixels.clone();
    for row in 1..height.saturating_sub(1) {
        for place in row * stride + 3..(row + 1) * stride - 3 {
            let of_row = |start: usize| {
                [start - 3, start, start + 3]
                    .iter()
                    .map(|i| u32::from(pixels[*i]))
                    .sum::<u32>()
            };
            let sum = of_row(place - stride) + of_row(place) + of_row(place + stride);
            let sum = sum + 4 * u32::from(pixels[place]);
            out[place] = ((2 * sum + 13) / 26) as u8;
        }
    }
    out
}

/// `from` at the factor 0, the picture at 1; beyond both, the line through them goes on.
fn blend(from: &[u8], picture: &Picture, factor: f32) -> Picture {
    let values = from.iter().zip(&picture.pixels).map(|(from, to)| {
        let (from, to) = (f32::from(*from), f32::from(*to));
        // The conversion rounds down and stops at 0 and 255.
        (from + factor * (to - from)) as u8
    });
    Picture {
        pixels: values.collect(),
        ..*picture
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    /// A picture, and what Pillow makes of it.
    #[derive(Deserialize)]
    struct Golden {
        height: usize,
        width: usize,
        /// In hexadecimal digits, as those of the results.
        pixels: String,
        results: Vec<(String, f64, String)>,
    }

    fn bytes(digits: &str) -> Vec<u8> {
        let (pairs, _) = digits.as_bytes().as_chunks::<2>();
        let byte = |pair: &[u8; 2]| {
            let pair = std::str::from_utf8(pair).unwrap();
            u8::from_str_radix(pair, 16).unwrap()
        };
        pairs.iter().map(byte).collect()
    }

    fn operation(name: &str, amount: f64) -> Operation {
        match name {
            "autocontrast" => Operation::AutoContrast,
            "equalize" => Operation::Equalize,
            "solarize" => Operation::Solarize(amount as u16),
            "posterize" => Operation::Posterize(amount as u32),
            "colour" => Operation::Colour(amount as f32),
            "contrast" => Operation::Contrast(amount as f32),
            "brightness" => Operation::Brightness(amount as f32),
            "sharpness" => Operation::Sharpness(amount as f32),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn parity_with_pillow() {
        let text = include_str!("../../../tests/golden/colours.json");
        let all: Vec<Golden> = serde_json::from_str(text).unwrap();
        let mut compared = 0;
        for golden in all {
            let picture = Picture::new(golden.height, golden.width, bytes(&golden.pixels));
            for (name, amount, expected) in golden.results {
                let found = operation(&name, amount).apply(&picture);
                assert_eq!(found.pixels, bytes(&expected), "{name} {amount}");
                compared += 1;
            }
        }
        assert!(compared == 4 * 25 + 2 * 2, "{compared}");
    }

    #[test]
    fn a_picture_of_one_colour_stays_and_a_factor_of_one_changes_nothing() {
        let flat = Picture::new(4, 5, [7, 90, 200].repeat(20));
        for operation in [Operation::AutoContrast, Operation::Equalize] {
            assert_eq!(operation.apply(&flat), flat, "{operation:?}");
        }
        let some = Picture::new(4, 5, (0..60).map(|i| (i * 37 % 256) as u8).collect());
        for make in [
            Operation::Colour,
            Operation::Contrast,
            Operation::Brightness,
            Operation::Sharpness,
        ] {
            assert_eq!(make(1.0).apply(&some), some);
        }
        assert_eq!(Operation::Posterize(8).apply(&some), some);
        assert_eq!(Operation::Solarize(256).apply(&some), some);
    }
}
