//! Pictures at another size as torchvision makes them: by interpolation between the four nearest pixels, in floating
//! point.
//!
//! `$$ y_i = (1 - l_i)\, v_{k_i} + l_i\, v_{\min(k_i + 1,\, n - 1)}, \quad
//!    s_i = \max\Big(0,\ \tfrac{n}{m} (i + \tfrac12) - \tfrac12\Big), \quad k_i = \lfloor s_i \rfloor, \quad
//!    l_i = s_i - k_i $$`
//!
//! It takes n values to m along the columns, then along the rows. A smaller picture skips pixels. Source: PyTorch's
//! `interpolate` with `mode="bilinear"`, which computes s in single precision.

use crate::ops::COLOURS;
use rayon::prelude::*;

/// The two values that are mixed, and the share of the second one.
#[derive(Clone, Copy)]
struct Between {
    first: usize,
    second: usize,
    share: f32,
}

/// The places of `to` values between `from` values.
fn places(from: usize, to: usize) -> Vec<Between> {
    let step = from as f32 / to as f32;
    let place = |i: usize| {
        let at = (step * (i as f32 + 0.5) - 0.5).max(0.0);
        let first = (at as usize).min(from - 1);
        Between {
            first,
            second: (first + 1).min(from - 1),
            share: (at - first as f32).clamp(0.0, 1.0),
        }
    };
    (0..to).map(place).collect()
}

/// Writes the picture of the values `value(row, column, channel)`, which has the rows and columns `from`, with the rows
/// and columns `to` into the upper left corner of `map` `[rows, width, 3]`.
pub(super) fn interpolate(
    value: impl Fn(usize, usize, usize) -> f32 + Sync,
    from: (usize, usize),
    to: (usize, usize),
    map: &mut [f32],
    width: usize,
) {
    let (rows, columns) = (places(from.0, to.0), places(from.1, to.1));
    let mix = |a: f32, b: f32, share: f32| (1.0 - share) * a + share * b;
    let lines = map.par_chunks_exact_mut(width * COLOURS).zip(&rows);
    lines.for_each(|(line, row)| {
        for (pixel, column) in line.chunks_exact_mut(COLOURS).zip(&columns) {
            for (channel, out) in pixel.iter_mut().enumerate() {
                let across = |y: usize| {
                    let (a, b) = (
                        value(y, column.first, channel),
                        value(y, column.second, channel),
                    );
                    mix(a, b, column.share)
                };
                *out = mix(across(row.first), across(row.second), row.share);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers of PyTorch: `interpolate(torch.tensor([[[0., 1., 4., 9., 16.]]]), size, mode="linear")`.
    #[test]
    fn a_row_has_the_values_of_pytorch() {
        let row = |to: usize| {
            let mut map = vec![0.0; to * COLOURS];
            let value = |_: usize, x: usize, _: usize| (x * x) as f32;
            interpolate(value, (1, 5), (1, to), &mut map, to);
            let first: Vec<f32> = map.iter().step_by(COLOURS).copied().collect();
            first
        };
        let near = |found: Vec<f32>, expected: &[f32]| {
            assert_eq!(found.len(), expected.len());
            for (a, b) in found.iter().zip(expected) {
                assert!((a - b).abs() < 1e-5, "{found:?}, {expected:?}");
            }
        };
        near(row(5), &[0.0, 1.0, 4.0, 9.0, 16.0]);
        // Not the means of the pixels: a smaller picture skips pixels.
        near(row(2), &[0.75, 10.75]);
        let wide = [0.0, 0.4375, 1.1875, 3.0625, 5.5625, 8.6875, 12.9375, 16.0];
        near(row(8), &wide);
    }
}
