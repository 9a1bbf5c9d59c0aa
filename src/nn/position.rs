//! Sine position encoding of a feature map, as in DETR and Mask2Former (`PositionEmbeddingSine`, normalised).
//!
//! `$$ y_i = 2\pi \frac{i + 1}{h + 10^{-6}},\quad
//!    e_{2k} = \sin(y / 10000^{2k/n}),\ e_{2k+1} = \cos(y / 10000^{2k/n}),\quad n = d / 2 $$`
//!
//! The first n features are those of the row, the last n those of the column.

use std::f64::consts::PI;

/// The ratio of the longest to the shortest wavelength.
const TEMPERATURE: f64 = 10_000.0;
/// Keeps the division finite. It changes the reference's numbers, so it must be the same.
const EPSILON: f64 = 1e-6;

/// `[height * width, features]`. Panics unless 4 divides `features` (sine and cosine for two axes).
pub fn sine_positions(height: usize, width: usize, features: usize) -> Vec<f32> {
    assert_eq!(
        features % 4,
        0,
        "{features} features are not two axes of sine and cosine"
    );
    let (rows, columns) = (axis(height, features / 2), axis(width, features / 2));
    let mut positions = Vec::with_capacity(height * width * features);
    for row in rows.chunks_exact(features / 2) {
        for column in columns.chunks_exact(features / 2) {
            positions.extend_from_slice(row);
            positions.extend_from_slice(column);
        }
    }
    positions
}

/// `[length, n]`: the features of every position along one axis. Sines are computed only here: their number
/// grows with the sides, not with the pixels.
fn axis(length: usize, n: usize) -> Vec<f32> {
    let frequencies: Vec<f64> = (0..n)
        .map(|i| libm::pow(TEMPERATURE, (2 * (i / 2)) as f64 / n as f64))
        .collect();
    let mut features = Vec::with_capacity(length * n);
    for place in 1..=length {
        let angle = place as f64 / (length as f64 + EPSILON) * 2.0 * PI;
        features.extend(frequencies.iter().enumerate().map(|(i, frequency)| {
            let wave = if i % 2 == 0 { libm::sin } else { libm::cos };
            wave(angle / frequency) as f32
        }));
    }
    features
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_first_and_sine_and_cosine_alternate() {
        let (height, width, features) = (3, 2, 8);
        let positions = sine_positions(height, width, features);
        let at =
            |row: usize, column: usize| &positions[(row * width + column) * features..][..features];
        let (y, x) = (2.0 * PI * 2.0 / 3.0, PI);
        // n = 4: frequencies 1, 1, 10000^(2/4) = 100, 100
        let expected = [
            y.sin(),
            y.cos(),
            (y / 100.0).sin(),
            (y / 100.0).cos(), //
            x.sin(),
            x.cos(),
            (x / 100.0).sin(),
            (x / 100.0).cos(),
        ];
        for (i, (found, expected)) in at(1, 0).iter().zip(expected).enumerate() {
            assert!(
                (f64::from(*found) - expected).abs() < 1e-5,
                "feature {i}: {found} != {expected}"
            );
        }
        assert_eq!(
            at(0, 0)[..4],
            at(0, 1)[..4],
            "a row's features do not depend on the column"
        );
    }
}
