//! The size and the certainty of masks: the sums over a resized plane of logits that are needed for the
//! quality and the area of a mask.
//!
//! `$$ s_n = \sum_i \sigma(q_{ni})\,[q_{ni} > 0], \qquad a_n = \sum_i [q_{ni} > 0] $$`
//!
//! q are the logits of N planes, resized bilinearly (`resize_planes`); no gradient. On a GPU the resized
//! planes are never written. Source: Mask2Former's `instance_inference`.

#[allow(unsafe_code)]
mod cuda;

use crate::ops::{resize_planes, sigmoid};
use crate::tensor::{Later, Tensor2};
use rayon::prelude::*;
use std::ops::Range;

/// The pixels of a mask that are above 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Foreground {
    /// Sum of their probabilities, in `f64`: a mask has up to millions of pixels.
    pub mass: f64,
    /// Their number.
    pub area: usize,
}

impl Foreground {
    /// Of the `logits` of a mask.
    pub fn of(logits: impl IntoIterator<Item = f32>) -> Self {
        let mut found = Self::default();
        for logit in logits {
            if logit > 0.0 {
                found.mass += f64::from(sigmoid(logit));
                found.area += 1;
            }
        }
        found
    }
}

/// The foreground of the planes `rows` of `planes` `[N, from.0 * from.1]`, resized to `to` (rows, columns).
///
/// Panics unless the planes are of that size and as many.
pub fn foreground(
    planes: &Tensor2,
    rows: Range<usize>,
    from: (usize, usize),
    to: (usize, usize),
) -> Later<Vec<Foreground>> {
    assert_eq!(planes.columns(), from.0 * from.1, "planes of {from:?}");
    assert!(rows.end <= planes.rows(), "planes {rows:?}");
    if let Some(gpu) = planes.gpu() {
        return cuda::foreground(gpu, planes, rows, from, to);
    }
    let of_plane = |row: usize| {
        let plane = &planes.values()[row * planes.columns()..][..planes.columns()];
        Foreground::of(resize_planes(plane, 1, from, to))
    };
    Later::ready(rows.into_par_iter().map(of_plane).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{on_every_place, parameter};

    on_every_place! {
        fn it_is_that_of_the_resized_planes(place) {
            let planes = parameter(1, 7, 5 * 6, 2.0);
            let there = planes.to(place);
            for to in [(5, 6), (20, 24), (33, 7), (1, 1)] {
                let found = foreground(&there, 2..7, (5, 6), to).wait();
                assert_eq!(found.len(), 5);
                for (plane, found) in planes.values()[60..].chunks_exact(30).zip(found) {
                    let expected = Foreground::of(resize_planes(plane, 1, (5, 6), to));
                    // A logit that rounds to 0 may be on either side.
                    assert!(found.area.abs_diff(expected.area) <= 1, "{found:?} {expected:?}");
                    assert!((found.mass - expected.mass).abs() <= 1e-5 * expected.mass + 0.5 * found.area.abs_diff(expected.area) as f64);
                }
            }
            assert_eq!(foreground(&there, 3..3, (5, 6), (9, 9)).wait(), []);
        }
    }

    #[test]
    fn logits_that_are_not_above_0_are_left_out() {
        let found = Foreground::of([0.0, -1.0, 3.0, f32::NAN, 60.0]);
        assert_eq!(found.area, 2);
        assert!((found.mass - f64::from(sigmoid(3.0)) - 1.0).abs() < 1e-9);
    }
}
