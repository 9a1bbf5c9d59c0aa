//! Bilinear interpolation along one axis, with zeros outside or with the border repeated.
//!
//! `$$ v(p) = (1 - f)\, v_{\lfloor p \rfloor} + f\, v_{\lfloor p \rfloor + 1}, \qquad f = p - \lfloor p \rfloor $$`
//!
//! Positions are in pixels, pixel centres at whole numbers: PyTorch's `align_corners=False`, where a place
//! `u` in 0..1 of an axis of n pixels is the position `u n - 1/2`. The functions have no branches, so that a
//! loop over them vectorises.

/// The two pixels around a position where everything outside the axis is zero (`grid_sample`,
/// `padding_mode="zeros"`).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Pair {
    /// The lower and the upper pixel, moved into the axis where they lie outside.
    pub(crate) index: [u32; 2],
    /// Weights of the two pixels, zero outside.
    pub(crate) weight: [f32; 2],
    /// Derivatives of the weights by the position, zero outside.
    pub(crate) slope: [f32; 2],
}

/// The pixels around `position` on an axis of `size` pixels. NaN gives NaN weights.
#[inline(always)]
pub(crate) fn pair(position: f32, size: f32) -> Pair {
    // From two pixels outside on, both pixels are outside: nothing farther has to be told apart.
    let position = if position < -2.0 { -2.0 } else { position };
    let position = if position > size + 1.0 {
        size + 1.0
    } else {
        position
    };
    let low = position.floor();
    let high = low + 1.0;
    let fraction = position - low;
    let last = size - 1.0;
    let inside = |pixel: f32| {
        if pixel >= 0.0 && pixel <= last {
            1.0
        } else {
            0.0
        }
    };
    let (inside_low, inside_high) = (inside(low), inside(high));
    Pair {
        index: [
            whole(low.max(0.0).min(last)),
            whole(high.max(0.0).min(last)),
        ],
        weight: [(1.0 - fraction) * inside_low, fraction * inside_high],
        slope: [-inside_low, inside_high],
    }
}

/// A whole number in 0..2^23 as an integer: added to 2^23 it stands in the mantissa. A plain conversion would
/// have to care for numbers out of range, and does not vectorise.
#[inline(always)]
fn whole(number: f32) -> u32 {
    const MANTISSA: u32 = (1 << 23) - 1;
    (number + (1 << 23) as f32).to_bits() & MANTISSA
}

/// The pixels `[lower, upper]` and the weight of the upper for output pixel `index` of a resize from `size`
/// to `target` pixels; positions outside the axis take the border's value (`interpolate`,
/// `align_corners=False`).
pub(crate) fn resize_pair(index: usize, size: usize, target: usize) -> ([usize; 2], f32) {
    let position = (size as f32 / target as f32 * (index as f32 + 0.5) - 0.5).max(0.0);
    let low = (position as usize).min(size - 1);
    ([low, (low + 1).min(size - 1)], position - low as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inside_the_axis_the_weights_interpolate() {
        let p = pair(1.25, 4.0);
        assert_eq!(
            (p.index, p.weight, p.slope),
            ([1, 2], [0.75, 0.25], [-1.0, 1.0])
        );
    }

    #[test]
    fn pixels_outside_weigh_nothing() {
        let left = pair(-0.25, 4.0);
        assert_eq!((left.weight, left.slope), ([0.0, 0.75], [0.0, 1.0]));
        let right = pair(3.25, 4.0);
        assert_eq!(
            (right.weight, right.slope, right.index),
            ([0.75, 0.0], [-1.0, 0.0], [3, 3])
        );
        for far in [-1.5, -1e9, 4.5, 1e9, f32::INFINITY] {
            let p = pair(far, 4.0);
            assert_eq!((p.weight, p.slope), ([0.0; 2], [0.0; 2]), "{far}");
            assert!(p.index.iter().all(|i| *i < 4));
        }
        assert!(pair(f32::NAN, 4.0).weight[0].is_nan());
    }

    #[test]
    fn a_resize_repeats_the_border() {
        assert_eq!(resize_pair(0, 2, 4), ([0, 1], 0.0));
        assert_eq!(resize_pair(1, 2, 4), ([0, 1], 0.25));
        assert_eq!(resize_pair(3, 2, 4).0, [1, 1]);
        assert_eq!(resize_pair(0, 8, 4), ([0, 1], 0.5));
    }
}
