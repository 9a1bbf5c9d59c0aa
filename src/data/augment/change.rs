//! Changes of the colours of single pixels, as torchvision defines them on tensors in 0..1. After each change
//! values are cut off at black and white.

use super::jitter::Jitter;
use crate::rng::Stream;

/// Luma weights of red, green and blue (ITU-R BT.601).
const LUMA: [f32; 3] = [0.299, 0.587, 0.114];

/// One change of the colours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// Every value times a factor: brightness.
    Scale(f32),
    /// Every value plus a number.
    Shift(f32),
    /// The difference from the mean grey of the whole picture, times `factor`.
    Contrast {
        /// The factor.
        factor: f32,
        /// The mean grey of the picture before this change.
        mean: f32,
    },
    /// The difference from the grey of the pixel, times a factor.
    Saturation(f32),
    /// The saturation of HSV times a factor, at most 1, at constant hue and value.
    HsvSaturation(f32),
    /// The hue turned by a number of turns at constant saturation and value (HSV).
    Hue(f32),
    /// All three channels become the luma.
    Grey,
}

/// The red, green and blue values of a row of pixels, 0..1.
pub type Row = [Vec<f32>; 3];

/// Draws brightness, contrast, saturation and hue in a random order, each by a random amount. The mean of the contrast
/// is not known yet.
pub fn jitter(config: &Jitter, rng: &mut Stream) -> Vec<Change> {
    let drawn = rng.permutation(4).into_iter().map(|change| {
        let mut factor = |half: f64| rng.range(1.0 - half, 1.0 + half) as f32;
        match change {
            0 => Change::Scale(factor(config.brightness)),
            1 => Change::Contrast {
                factor: factor(config.contrast),
                mean: 0.0,
            },
            2 => Change::Saturation(factor(config.saturation)),
            _ => Change::Hue(rng.range(-config.hue, config.hue) as f32),
        }
    });
    drawn.collect()
}

impl Change {
    /// Changes every pixel of `row`.
    pub fn apply(self, row: &mut Row) {
        match self {
            Self::Scale(factor) => values(row, |value| value * factor),
            Self::Shift(delta) => values(row, |value| value + delta),
            Self::Contrast { factor, mean } => values(row, |value| mean + (value - mean) * factor),
            Self::Saturation(factor) => pixels(row, |pixel| {
                let grey = luma(pixel);
                pixel.map(|value| grey + (value - grey) * factor)
            }),
            Self::HsvSaturation(factor) => pixels(row, |pixel| saturated(pixel, factor)),
            Self::Hue(shift) => pixels(row, |pixel| turn_hue(pixel, shift)),
            Self::Grey => pixels(row, |pixel| [luma(pixel); 3]),
        }
    }
}

/// Changes every value of `row` by itself.
fn values(row: &mut Row, change: impl Fn(f32) -> f32) {
    for value in row.iter_mut().flatten() {
        *value = change(*value).clamp(0.0, 1.0);
    }
}

/// Changes every pixel of `row`. `change` should have no branch, so that many pixels are changed at once.
fn pixels(row: &mut Row, change: impl Fn([f32; 3]) -> [f32; 3]) {
    let [red, green, blue] = row;
    for ((red, green), blue) in red.iter_mut().zip(green).zip(blue) {
        let changed = change([*red, *green, *blue]).map(|value| value.clamp(0.0, 1.0));
        [*red, *green, *blue] = changed;
    }
}

/// The luma of a pixel.
pub fn luma([red, green, blue]: [f32; 3]) -> f32 {
    LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue
}

/// The pixel with its hue turned by `shift` turns, -1/2 to 1/2, at constant saturation and value (HSV).
fn turn_hue(pixel: [f32; 3], shift: f32) -> [f32; 3] {
    let [r, g, b] = pixel;
    let value = r.max(g).max(b);
    let chroma = value - r.min(g).min(b);
    let (difference, side) = if value == r {
        (g - b, 0.0)
    } else if value == g {
        (b - r, 2.0)
    } else {
        (r - g, 4.0)
    };
    let hue = difference / chroma + side + 6.0 * shift + 12.0;
    let turned = [5.0, 3.0, 1.0].map(|offset| {
        let k = modulo_six(offset + hue);
        value - chroma * k.min(4.0 - k).clamp(0.0, 1.0)
    });
    // Grey has no hue.
    if chroma <= 0.0 { pixel } else { turned }
}

/// `x` modulo 6, for `x` from 0 to 48. The differences are exact, as those of the operator `%`, which is a slow call.
fn modulo_six(x: f32) -> f32 {
    [24.0, 12.0, 6.0]
        .into_iter()
        .fold(x, |x, part| if x >= part { x - part } else { x })
}

/// The pixel with its saturation (HSV) times `factor`, at most 1, at constant hue and value.
fn saturated(pixel: [f32; 3], factor: f32) -> [f32; 3] {
    let value = pixel.into_iter().fold(0.0, f32::max);
    let least = pixel.into_iter().fold(1.0, f32::min);
    let saturation = (value - least) / value;
    let factor = factor.min(1.0 / saturation);
    let changed = pixel.map(|colour| value - (value - colour) * factor);
    if value <= least { pixel } else { changed }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn changed(change: Change, pixel: [f32; 3]) -> [f32; 3] {
        let mut row = pixel.map(|value| vec![value]);
        change.apply(&mut row);
        [0, 1, 2].map(|channel: usize| row[channel][0])
    }

    fn close(a: [f32; 3], b: [f32; 3]) -> bool {
        a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-5)
    }

    #[test]
    fn a_third_of_a_turn_permutes_the_channels() {
        let pixel = [0.8, 0.3, 0.1];
        for (shift, expected) in [(1.0 / 3.0, [0.1, 0.8, 0.3]), (-1.0 / 3.0, [0.3, 0.1, 0.8])] {
            let turned = changed(Change::Hue(shift), pixel);
            assert!(close(turned, expected), "{turned:?}");
        }
        assert!(close(changed(Change::Hue(0.0), pixel), pixel));
        assert_eq!(changed(Change::Hue(0.3), [0.4; 3]), [0.4; 3], "grey");
    }

    #[test]
    fn contrast_zero_is_the_mean_and_saturation_zero_is_grey() {
        let contrast = Change::Contrast {
            factor: 0.0,
            mean: 0.5,
        };
        assert!(close(changed(contrast, [0.0, 0.3, 1.0]), [0.5; 3]));
        let grey = changed(Change::Saturation(0.0), [1.0, 0.0, 0.0]);
        assert!(close(grey, [0.299; 3]));
        assert_eq!(changed(Change::Grey, [1.0, 0.0, 0.0]), [0.299; 3]);
        let bright = changed(Change::Scale(1.4), [0.2, 0.5, 0.9]);
        assert!(close(bright, [0.28, 0.7, 1.0]), "clipped at white");
        let dark = changed(Change::Shift(-0.3), [0.2, 0.5, 0.9]);
        assert!(close(dark, [0.0, 0.2, 0.6]), "clipped at black");
    }

    #[test]
    fn the_saturation_scales_at_constant_value() {
        let saturated = |pixel, factor| changed(Change::HsvSaturation(factor), pixel);
        assert!(close(saturated([0.8, 0.4, 0.6], 0.5), [0.8, 0.6, 0.7]));
        assert!(close(saturated([0.8, 0.4, 0.6], 1.5), [0.8, 0.2, 0.5]));
        assert!(
            close(saturated([0.8, 0.1, 0.8], 1.5), [0.8, 0.0, 0.8]),
            "at most 1"
        );
        assert!(close(saturated([0.3; 3], 1.5), [0.3; 3]));
        assert!(close(saturated([0.0; 3], 1.5), [0.0; 3]));
    }

    proptest! {
        #[test]
        fn modulo_six_is_the_operator(x in 0.0f32..48.0) {
            prop_assert_eq!(modulo_six(x).to_bits(), (x % 6.0).to_bits());
        }
    }
}
