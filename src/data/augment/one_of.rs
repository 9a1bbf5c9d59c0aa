//! The colour operations of Noisy Boundaries: one of seven, on 8 bits.
//!
//! | operation | amount | weight |
//! |---|---|---|
//! | Gaussian blur | standard deviation up to 3, in a window of 3, 5 or 7 pixels | 1 |
//! | mean of a square | 2, 4 or 6 pixels | 1 |
//! | sharpen | part `$\alpha$` of 0 to 1, lightness 0.75 to 1.5 | 1 |
//! | Gaussian noise | variance up to 12.75, each value its own | 1 |
//! | invert | none | 0.05 |
//! | multiply | factor 0.5 to 1.5 | 0.5 |
//! | brightness and contrast | `$(1 + a)\,v + 255\,b$`, each of 0.1 to 0.3 | 1 |
//!
//! Sources: zhenyuw16/noisyboundaries 0c83823, `configs/_base_/datasets/*_pl.py`, read with the rules of its library,
//! albumentations 1.1: a probability inside `OneOf` is a relative weight, a range of side lengths goes in steps of
//! two, and the factor is one for the whole picture. Ours: values are rounded to the nearest, and the border repeats
//! its last pixel.

use super::blur::Kernel;
use super::colour::Colouring;
use crate::rng::Stream;
use crate::structures::Picture;

/// The relative weights of the operations, in the order of the table.
const WEIGHTS: [f64; 7] = [1.0, 1.0, 1.0, 1.0, 0.05, 0.5, 1.0];
/// The largest standard deviation of the blur, in pixels.
const MOST_SIGMA: f64 = 3.0;
/// A smaller one than this does not change 8 bits; 0 is no kernel.
const LEAST_SIGMA: f64 = 1e-3;
/// The largest variance of the noise: 0.05 of 255.
const MOST_VARIANCE: f64 = 12.75;

/// One operation with its amount.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Operation {
    /// A Gaussian in a window that reaches so many pixels to either side.
    Blur {
        /// Standard deviation in pixels.
        sigma: f64,
        /// Pixels on either side of the centre.
        reach: usize,
    },
    /// The mean of a square with this side; of an even side, the centre is its lower right middle.
    Mean(usize),
    /// `(1 - alpha)` of the picture and `alpha` of a kernel with `8 + lightness` at its centre and -1 around it.
    Sharpen {
        /// The part of the kernel.
        alpha: f64,
        /// The sum of the kernel's weights.
        lightness: f64,
    },
    /// Normal noise with this standard deviation, in 8-bit levels.
    Noise(f64),
    /// 255 - v.
    Invert,
    /// Every value times a factor.
    Multiply(f64),
    /// `scale` times the value plus `shift`.
    Brighten {
        /// The factor.
        scale: f64,
        /// In 8-bit levels.
        shift: f64,
    },
}

/// Draws an operation with its amount.
pub fn draw(rng: &mut Stream) -> Operation {
    let mut place = rng.range(0.0, WEIGHTS.iter().sum());
    let before_last = WEIGHTS.iter().take(WEIGHTS.len() - 1);
    let chosen = before_last
        .take_while(|weight| {
            place -= **weight;
            place >= 0.0
        })
        .count();
    match chosen {
        0 => Operation::Blur {
            reach: 1 + rng.below(3),
            sigma: rng.range(0.0, MOST_SIGMA).max(LEAST_SIGMA),
        },
        1 => Operation::Mean(2 + 2 * rng.below(3)),
        2 => Operation::Sharpen {
            alpha: rng.range(0.0, 1.0),
            lightness: rng.range(0.75, 1.5),
        },
        3 => Operation::Noise(libm::sqrt(rng.range(0.0, MOST_VARIANCE))),
        4 => Operation::Invert,
        5 => Operation::Multiply(rng.range(0.5, 1.5)),
        _ => Operation::Brighten {
            scale: 1.0 + rng.range(0.1, 0.3),
            shift: 255.0 * rng.range(0.1, 0.3),
        },
    }
}

impl Operation {
    /// The picture after the operation. `rng` gives the noise.
    pub fn apply(self, picture: &Picture, rng: &mut Stream) -> Picture {
        match self {
            Self::Blur { sigma, reach } => {
                let colouring = Colouring {
                    changes: Vec::new(),
                    blur: Some(Kernel::within(sigma, reach)),
                };
                colouring.apply(picture)
            }
            Self::Mean(side) => {
                let weights = vec![1.0 / (side * side) as f64; side * side];
                filtered(picture, side, &weights)
            }
            Self::Sharpen { alpha, lightness } => {
                let mut weights = [-alpha; 9];
                weights[4] = 1.0 - alpha + alpha * (8.0 + lightness);
                filtered(picture, 3, &weights)
            }
            Self::Noise(deviation) => each_value(picture, |value| value + deviation * rng.normal()),
            Self::Invert => each_value(picture, |value| 255.0 - value),
            Self::Multiply(factor) => each_value(picture, |value| value * factor),
            Self::Brighten { scale, shift } => each_value(picture, |value| value * scale + shift),
        }
    }
}

/// The picture with every value changed, rounded and cut off at 0 and 255.
fn each_value(picture: &Picture, mut change: impl FnMut(f64) -> f64) -> Picture {
    let values = picture.pixels.iter();
    let pixels = values.map(|value| rounded(change(f64::from(*value))));
    Picture {
        pixels: pixels.collect(),
        ..*picture
    }
}

/// Rounded to the nearest of 8 bits.
fn rounded(value: f64) -> u8 {
    (value + 0.5) as u8
}

/// The sums over squares of `side` x `side` pixels with these weights.
fn filtered(picture: &Picture, side: usize, weights: &[f64]) -> Picture {
    let (height, width) = (picture.height, picture.width);
    let mut pixels = Vec::with_capacity(picture.pixels.len());
    let near = |place: usize, step: usize, length: usize| {
        (place + step).saturating_sub(side / 2).min(length - 1)
    };
    for row in 0..height {
        for column in 0..width {
            let mut sums = [0.0; 3];
            for (index, weight) in weights.iter().enumerate() {
                let (row, column) = (
                    near(row, index / side, height),
                    near(column, index % side, width),
                );
                let pixel = &picture.pixels[(row * width + column) * 3..][..3];
                for (sum, value) in sums.iter_mut().zip(pixel) {
                    *sum += weight * f64::from(*value);
                }
            }
            pixels.extend(sums.map(rounded));
        }
    }
    Picture::new(height, width, pixels)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One bright row in the middle of 5 x 4 pixels.
    fn line() -> Picture {
        let of_row = |row: usize| [if row == 2 { 90 } else { 0 }; 12];
        Picture::new(5, 4, (0..5).flat_map(of_row).collect())
    }

    fn rows(picture: &Picture) -> Vec<u8> {
        let rows = picture.pixels.chunks_exact(picture.width * 3);
        rows.map(|row| {
            assert!(row.iter().all(|value| *value == row[0]), "{row:?}");
            row[0]
        })
        .collect()
    }

    fn applied(operation: Operation) -> Vec<u8> {
        rows(&operation.apply(&line(), &mut Stream::new(1, "noise")))
    }

    #[test]
    fn the_operations_are_their_formulas() {
        assert_eq!(applied(Operation::Invert), [255, 255, 165, 255, 255]);
        assert_eq!(applied(Operation::Multiply(1.5)), [0, 0, 135, 0, 0]);
        let brighten = Operation::Brighten {
            scale: 1.25,
            shift: 51.0,
        };
        assert_eq!(
            applied(brighten),
            [51, 51, 164, 51, 51],
            "163.5 is rounded up"
        );
        assert_eq!(applied(Operation::Multiply(3.0))[2], 255, "cut off");
        // Of an even side, the row itself is the second of the lower half: rows 1 and 2, then 0 to 3.
        assert_eq!(applied(Operation::Mean(2)), [0, 0, 45, 45, 0]);
        assert_eq!(applied(Operation::Mean(4)), [0, 23, 23, 23, 23]);
        let sharpen = Operation::Sharpen {
            alpha: 0.5,
            lightness: 1.0,
        };
        // In the row: 0.5 + 0.5 x 9 - 2 x 0.5 = 4 times 90; beside it: 3 x -0.5 times 90.
        assert_eq!(applied(sharpen), [0, 0, 255, 0, 0]);
        let soft = Operation::Sharpen {
            alpha: 0.1,
            lightness: 1.0,
        };
        // 0.9 + 0.9 - 0.2 = 1.6.
        assert_eq!(applied(soft)[2], 144);
        let blur = Operation::Blur {
            sigma: 3.0,
            reach: 1,
        };
        let blurred = applied(blur);
        let side = libm::exp(-1.0 / 18.0);
        let centre = 90.0 / (1.0 + 2.0 * side);
        let expected = [0.0, centre * side, centre, centre * side, 0.0];
        assert_eq!(blurred, expected.map(rounded), "the window ends the kernel");
    }

    #[test]
    fn the_noise_has_its_deviation_and_no_two_values_share_it() {
        let grey = Picture::new(60, 60, vec![128; 60 * 60 * 3]);
        let noisy = Operation::Noise(3.5).apply(&grey, &mut Stream::new(2, "noise"));
        let off: Vec<f64> = noisy.pixels.iter().map(|v| f64::from(*v) - 128.0).collect();
        let mean = off.iter().sum::<f64>() / off.len() as f64;
        let variance = off.iter().map(|x| x * x).sum::<f64>() / off.len() as f64;
        assert!(mean.abs() < 0.15, "{mean}");
        assert!(
            (variance - 12.3).abs() < 0.8,
            "12.25 and the rounding: {variance}"
        );
        let pixels = noisy.pixels.as_chunks::<3>().0.iter();
        let grey = pixels.filter(|[r, g, b]| r == g && g == b).count();
        assert!(grey < 200, "{grey} of 3600 pixels are grey");
    }

    #[test]
    fn the_operations_are_as_frequent_as_their_weights() {
        let mut rng = Stream::new(1, "one of");
        let mut counts = [0usize; 7];
        for _ in 0..11_100 {
            let place = match draw(&mut rng) {
                Operation::Blur { sigma, reach } => {
                    assert!((LEAST_SIGMA..3.0).contains(&sigma) && (1..=3).contains(&reach));
                    0
                }
                Operation::Mean(side) => {
                    assert!([2, 4, 6].contains(&side));
                    1
                }
                Operation::Sharpen { alpha, lightness } => {
                    assert!((0.0..1.0).contains(&alpha) && (0.75..1.5).contains(&lightness));
                    2
                }
                Operation::Noise(deviation) => {
                    assert!(deviation * deviation <= 12.75);
                    3
                }
                Operation::Invert => 4,
                Operation::Multiply(factor) => {
                    assert!((0.5..1.5).contains(&factor));
                    5
                }
                Operation::Brighten { scale, shift } => {
                    assert!((1.1..1.3).contains(&scale) && (25.5..76.5).contains(&shift));
                    6
                }
            };
            counts[place] += 1;
        }
        for (count, weight) in counts.iter().zip(WEIGHTS) {
            let expected = 2000.0 * weight;
            let slack = 4.0 * libm::sqrt(expected);
            assert!((*count as f64 - expected).abs() < slack, "{counts:?}");
        }
    }
}
