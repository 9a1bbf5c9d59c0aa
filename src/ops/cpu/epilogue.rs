//! The operations after a product in the same pass over its result: scale, shift and ReLU per column, and
//! their backward pass.
//!
//! `$$ y = \max(u \odot s + b,\, 0), \qquad \frac{\partial L}{\partial b} = \sum_{\text{rows}} g,\quad
//!    \frac{\partial L}{\partial u} = g \odot s \quad\text{with}\quad
//!    g = \frac{\partial L}{\partial y} \cdot \mathbf{1}_{y > 0} $$`
//!
//! Shapes: u, y, g `[rows, columns]`; s, b `[columns]`. Each of s, b and the ReLU may be absent. The scale is
//! a constant.

use super::vector::add_rows;

/// Applies the epilogue in place. NaN pass through the ReLU, so that a diverged run is seen.
pub(crate) fn apply(
    values: &mut [f32],
    columns: usize,
    scale: Option<&[f32]>,
    shift: Option<&[f32]>,
    relu: bool,
) {
    if relu {
        affine(
            values,
            columns,
            scale,
            shift,
            |v| if v < 0.0 { 0.0 } else { v },
        );
    } else if scale.is_some() || shift.is_some() {
        affine(values, columns, scale, shift, |v| v);
    }
}

/// Scale and shift per column, then `last` on every value.
#[inline(always)]
fn affine(
    values: &mut [f32],
    columns: usize,
    scale: Option<&[f32]>,
    shift: Option<&[f32]>,
    last: impl Fn(f32) -> f32,
) {
    let rows = values.chunks_exact_mut(columns.max(1));
    match (scale, shift) {
        (None, None) => values.iter_mut().for_each(|v| *v = last(*v)),
        (None, Some(shift)) => rows.for_each(|row| {
            for (v, b) in row.iter_mut().zip(shift) {
                *v = last(*v + b);
            }
        }),
        (Some(scale), None) => rows.for_each(|row| {
            for (v, s) in row.iter_mut().zip(scale) {
                *v = last(*v * s);
            }
        }),
        (Some(scale), Some(shift)) => rows.for_each(|row| {
            for ((v, s), b) in row.iter_mut().zip(scale).zip(shift) {
                *v = last(*v * s + b);
            }
        }),
    }
}

/// Turns the gradient of y into the gradient of u in place, and adds the gradient of the shift to
/// `shift_gradient`.
///
/// `output` is y where the epilogue ends in a ReLU, else `None`.
pub(crate) fn backward(
    gradient: &mut [f32],
    columns: usize,
    output: Option<&[f32]>,
    scale: Option<&[f32]>,
    shift_gradient: Option<&mut [f32]>,
) {
    if let Some(output) = output {
        for (g, y) in gradient.iter_mut().zip(output) {
            *g = if *y > 0.0 { *g } else { 0.0 };
        }
    }
    if let Some(total) = shift_gradient {
        assert_eq!(total.len(), columns, "the gradient of a shift");
        add_rows(total, gradient, |g, _| g);
    }
    if let Some(scale) = scale {
        for row in gradient.chunks_exact_mut(columns.max(1)) {
            for (g, s) in row.iter_mut().zip(scale) {
                *g *= s;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_matches_the_formula() {
        let (scale, shift) = ([2.0, -1.0, 0.5], [0.5, 1.0, -3.0]);
        let start = [1.0, 2.0, 3.0, -4.0, -5.0, 8.0];
        for (with_scale, with_shift, relu) in
            (0..8).map(|bits| (bits & 1 > 0, bits & 2 > 0, bits & 4 > 0))
        {
            let (s, b) = (
                with_scale.then_some(&scale[..]),
                with_shift.then_some(&shift[..]),
            );
            let mut values = start;
            apply(&mut values, 3, s, b, relu);
            let mut gradient = [1.0, 10.0, 100.0, 1000.0, 1e4, 1e5];
            let mut sums = [7.0; 3];
            backward(
                &mut gradient,
                3,
                relu.then_some(&values[..]),
                s,
                Some(&mut sums),
            );
            let mut expected_sums = [7.0; 3];
            for i in 0..6 {
                let (factor, offset) = (s.map_or(1.0, |s| s[i % 3]), b.map_or(0.0, |b| b[i % 3]));
                let y = start[i] * factor + offset;
                assert_eq!(values[i], if relu { y.max(0.0) } else { y });
                let g = if relu && y <= 0.0 {
                    0.0
                } else {
                    10f32.powi(i as i32)
                };
                expected_sums[i % 3] += g;
                assert_eq!(gradient[i], g * factor);
            }
            assert_eq!(sums, expected_sums);
        }
    }

    #[test]
    fn nan_passes_the_relu() {
        let mut values = [f32::NAN, -1.0];
        apply(&mut values, 1, None, Some(&[0.0]), true);
        assert!(values[0].is_nan() && values[1] == 0.0);
    }
}
