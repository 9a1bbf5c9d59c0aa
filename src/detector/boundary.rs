//! The boundary-preserving weights of a mask loss (Noisy Boundaries, CVPR 2022): pixels where the student's own mask
//! changes count more.
//!
//! `$$ l_i = \Bigl| 8 p_i - \sum_{j \in N_8(i)} p_j \Bigr|, \qquad w_i = \frac{s\, l_i}{\max(\bar l, 10^{-12})}, \qquad
//!    L = \frac1P \sum_i w_i\, \mathrm{BCE}_i $$`
//!
//! p: the student's probabilities, which get no gradient from w; `$\bar l$`: the mean of l over a region, or over the
//! cells that the box of the object touches, enlarged by an eighth on each side. The released code averages the BCE
//! before it multiplies, so that there the loss is s times the plain one. Source: zhenyuw16/noisyboundaries 0c83823,
//! `cross_entropy_loss.py:141-168, 234-249`.

use crate::ops::{Bounds, sigmoid};
use schemars::JsonSchema;
use serde::Deserialize;
use std::ops::Range;

/// The rule of the weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Boundary {
    /// s: the mean of the weights.
    pub scale: f32,
    /// The order of weighting and averaging.
    pub reduction: Reduction,
    /// The neighbours outside of the plane.
    pub padding: Padding,
}

/// The order of weighting and averaging.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reduction {
    /// Every pixel has its own weight, as the paper means it.
    Pixel,
    /// The loss is averaged first: every pixel has the weight `scale` (released code).
    Released,
}

/// The probability of neighbours outside of the plane.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Padding {
    /// 0: the frame of a plane is a boundary wherever the object touches it (released code).
    Zero,
    /// That of the nearest pixel: the frame is none.
    Replicate,
}

/// Keeps the weights of a plane without any boundary finite.
const SMALLEST_MEAN: f64 = 1e-12;

/// The share of its own side by which a box grows on each side.
const MARGIN: f32 = 0.125;

/// A part of a plane.
#[derive(Clone, Debug, PartialEq)]
pub struct Cells {
    /// Its rows.
    pub rows: Range<usize>,
    /// Its columns.
    pub columns: Range<usize>,
}

impl Cells {
    /// The whole plane of `size` rows and columns.
    pub fn all(size: (usize, usize)) -> Self {
        Self {
            rows: 0..size.0,
            columns: 0..size.1,
        }
    }

    /// The cells of a grid of `size` over an image of `image` rows and columns that `bounds` touches, enlarged by an
    /// eighth of its sides on each side; at least one.
    pub fn around(bounds: Bounds, image: (usize, usize), size: (usize, usize)) -> Self {
        let touched = |low: f32, high: f32, image: usize, cells: usize| {
            let (margin, scale) = (MARGIN * (high - low), cells as f32 / image as f32);
            let inside = |at: f32| (at * scale).clamp(0.0, cells as f32);
            let last = (inside(high + margin).ceil() as usize).max(1);
            (inside(low - margin).floor() as usize).min(last - 1)..last
        };
        Self {
            rows: touched(bounds.y1, bounds.y2, image.0, size.0),
            columns: touched(bounds.x1, bounds.x2, image.1, size.1),
        }
    }
}

impl Boundary {
    /// w of every pixel of a plane of `logits` with `size` rows and columns. `within`: the cells of the mean.
    ///
    /// Panics unless the plane has that size.
    pub fn weights(self, logits: &[f32], size: (usize, usize), within: &Cells) -> Vec<f32> {
        assert_eq!(logits.len(), size.0 * size.1, "a plane of {size:?}");
        if self.reduction == Reduction::Released {
            return vec![self.scale; logits.len()];
        }
        let probabilities: Vec<f32> = logits.iter().map(|logit| sigmoid(*logit)).collect();
        let changes = changes(&probabilities, size, self.padding);
        let of_row = |row: usize| changes[row * size.1..][within.columns.clone()].iter();
        let inside = within.rows.clone().flat_map(of_row);
        let count = within.rows.len() * within.columns.len();
        let mean = inside.map(|l| f64::from(*l)).sum::<f64>() / count as f64;
        let factor = f64::from(self.scale) / mean.max(SMALLEST_MEAN);
        let weight = |l: f32| (factor * f64::from(l)) as f32;
        changes.into_iter().map(weight).collect()
    }
}

/// l of every pixel of the plane `p` with `size` rows and columns.
fn changes(p: &[f32], (height, width): (usize, usize), padding: Padding) -> Vec<f32> {
    let at = |row: isize, column: isize| {
        let inside = |at: isize, side: usize| at.clamp(0, side as isize - 1);
        let (nearest_row, nearest_column) = (inside(row, height), inside(column, width));
        let is_outside = (nearest_row, nearest_column) != (row, column);
        match padding {
            Padding::Zero if is_outside => 0.0,
            _ => p[nearest_row as usize * width + nearest_column as usize],
        }
    };
    let change = |i: usize| {
        let (row, column) = ((i / width) as isize, (i % width) as isize);
        // The pixel itself is one of the nine.
        let near = (-1..=1).flat_map(|down| (-1..=1).map(move |right| (down, right)));
        let sum: f32 = near
            .map(|(down, right)| at(row + down, column + right))
            .sum();
        (9.0 * p[i] - sum).abs()
    };
    (0..p.len()).map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PIXEL: Boundary = Boundary {
        scale: 3.0,
        reduction: Reduction::Pixel,
        padding: Padding::Zero,
    };

    /// Logits whose probabilities are 0 or 1.
    fn sure(bits: &[u8]) -> Vec<f32> {
        bits.iter()
            .map(|bit| if *bit == 1 { 200.0 } else { -200.0 })
            .collect()
    }

    fn close(found: &[f32], expected: &[f32]) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!(
                (found - expected).abs() < 1e-5 * expected.abs().max(1.0),
                "{found}, not {expected}"
            );
        }
    }

    #[test]
    fn a_full_plane_has_its_frame_as_boundary_or_none() {
        let full = sure(&[1; 9]);
        let all = Cells::all((3, 3));
        let (corner, edge) = (4.21875, 2.53125);
        let expected = [corner, edge, corner, edge, 0.0, edge, corner, edge, corner];
        close(&PIXEL.weights(&full, (3, 3), &all), &expected);
        let replicate = Boundary {
            padding: Padding::Replicate,
            ..PIXEL
        };
        close(&replicate.weights(&full, (3, 3), &all), &[0.0; 9]);
        let released = Boundary {
            reduction: Reduction::Released,
            ..PIXEL
        };
        close(&released.weights(&full, (3, 3), &all), &[3.0; 9]);
    }

    #[test]
    fn an_edge_in_the_middle_is_a_boundary_whatever_the_padding() {
        // Two columns of ones in a plane of 3 x 4; with replicated neighbours every row is alike.
        let half = sure(&[1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0]);
        let replicate = Boundary {
            padding: Padding::Replicate,
            ..PIXEL
        };
        let row = [0.0, 6.0, 6.0, 0.0];
        close(
            &replicate.weights(&half, (3, 4), &Cells::all((3, 4))),
            &[row; 3].concat(),
        );
        let found = PIXEL.weights(&half, (3, 4), &Cells::all((3, 4)));
        assert!(
            found[4] > 0.0 && found[7] == 0.0,
            "the left frame is a boundary, the right one is none"
        );
    }

    #[test]
    fn the_mean_is_that_of_the_cells_around_the_object() {
        let cells = Cells::around(Bounds::new([8.0, 16.0, 24.0, 32.0]), (64, 64), (16, 16));
        // From 6 to 26 and from 14 to 34 in pixels of a fourth of a cell.
        let expected = Cells {
            rows: 3..9,
            columns: 1..7,
        };
        assert_eq!(cells, expected);
        let corner = Cells::around(Bounds::new([63.5, 63.5, 64.0, 64.0]), (64, 64), (16, 16));
        assert_eq!((corner.rows, corner.columns), (15..16, 15..16));
        let half = sure(&[1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0]);
        let replicate = Boundary {
            padding: Padding::Replicate,
            ..PIXEL
        };
        let middle = Cells {
            rows: 0..3,
            columns: 1..3,
        };
        let row = [0.0, 3.0, 3.0, 0.0];
        close(
            &replicate.weights(&half, (3, 4), &middle),
            &[row; 3].concat(),
        );
    }

    proptest! {
        #[test]
        fn the_mean_weight_is_the_scale(logits in prop::collection::vec(-5.0f32..5.0, 12), scale in 0.1f32..5.0, zero in any::<bool>()) {
            let padding = if zero { Padding::Zero } else { Padding::Replicate };
            let rule = Boundary { scale, reduction: Reduction::Pixel, padding };
            let weights = rule.weights(&logits, (3, 4), &Cells::all((3, 4)));
            let mean = weights.iter().sum::<f32>() / 12.0;
            prop_assert!((mean - scale).abs() < 1e-4 * scale, "{} for {}", mean, scale);
            prop_assert!(weights.iter().all(|weight| *weight >= 0.0));
        }

        /// The sum over eight neighbours, written out.
        #[test]
        fn inside_the_plane_it_is_the_formula(logits in prop::collection::vec(-5.0f32..5.0, 9)) {
            let p: Vec<f32> = logits.iter().map(|logit| sigmoid(*logit)).collect();
            let expected = (8.0 * p[4] - (p[0] + p[1] + p[2] + p[3] + p[5] + p[6] + p[7] + p[8])).abs();
            for padding in [Padding::Zero, Padding::Replicate] {
                prop_assert!((changes(&p, (3, 3), padding)[4] - expected).abs() < 1e-5);
            }
        }
    }
}
