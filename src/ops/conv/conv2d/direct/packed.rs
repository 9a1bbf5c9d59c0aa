//! The operands of the direct convolution in the order in which its tiles read them.
//!
//! Weights in panels of up to 64 output channels; image rows with their border of zeros.

use super::walk::{LANES, panels};
use crate::ops::conv::window::{Geometry, Window};
use crate::ops::cpu::unfilled;
use std::ops::Range;

/// Weights [depth, columns] in panels: for each panel, row after row.
#[derive(Debug)]
pub(crate) struct Packed {
    pub(super) values: Vec<f32>,
    pub(super) depth: usize,
    pub(super) columns: usize,
}

impl Packed {
    /// The weight [columns, depth] of a convolution, transposed.
    pub(crate) fn transposed(weight: &[f32], columns: usize) -> Self {
        let depth = weight.len() / columns;
        let mut values = unfilled(weight.len());
        let (mut rest, mut first) = (&mut values[..], 0);
        for width in panels(columns).map(|vectors| vectors * LANES) {
            let (panel, after) = rest.split_at_mut(width * depth);
            rest = after;
            // In blocks of 16 depths: whole cache lines are read, and the lines written stay in the cache.
            for (block, rows) in panel.chunks_mut(LANES * width).enumerate() {
                for c in 0..width {
                    let from = &weight[(first + c) * depth + block * LANES..];
                    for (row, value) in rows.chunks_exact_mut(width).zip(from) {
                        row[c] = *value;
                    }
                }
            }
            first += width;
        }
        Self {
            values,
            depth,
            columns,
        }
    }

    /// The weight [O, k k C] for the way back: depth k k O with the window turned by half a turn, columns C.
    pub(crate) fn turned(weight: &[f32], out: usize, window: Window) -> Self {
        let places = window.kernel * window.kernel;
        let columns = weight.len() / (out * places);
        let depth = places * out;
        let mut values = unfilled(weight.len());
        let (mut rest, mut first) = (&mut values[..], 0);
        for width in panels(columns).map(|vectors| vectors * LANES) {
            let (panel, after) = rest.split_at_mut(width * depth);
            rest = after;
            for (place, rows) in panel.chunks_exact_mut(out * width).enumerate() {
                let turned = places - 1 - place;
                for (o, row) in rows.chunks_exact_mut(width).enumerate() {
                    let from = (o * places + turned) * columns + first;
                    row.copy_from_slice(&weight[from..from + width]);
                }
            }
            first += width;
        }
        Self {
            values,
            depth,
            columns,
        }
    }
}

/// Copies the image rows under the output rows `rows` into `buffer`, with their border of zeros.
pub(crate) fn pad<'a>(
    geometry: &Geometry,
    image: &'a [f32],
    rows: Range<usize>,
    buffer: &'a mut Vec<f32>,
) -> &'a [f32] {
    let Window {
        kernel,
        stride,
        padding,
    } = geometry.window;
    let first = rows.start * stride;
    let count = (rows.len() - 1) * stride + kernel;
    let row = geometry.width * geometry.channels;
    if padding == 0 {
        return &image[first * row..(first + count) * row];
    }
    let border = padding * geometry.channels;
    let line = row + 2 * border;
    if buffer.len() < count * line {
        *buffer = unfilled(count * line);
    }
    let padded = &mut buffer[..count * line];
    for (y, line) in (first..).zip(padded.chunks_exact_mut(line)) {
        match y.checked_sub(padding).filter(|y| *y < geometry.height) {
            None => line.fill(0.0),
            Some(y) => {
                line[..border].fill(0.0);
                line[border..border + row].copy_from_slice(&image[y * row..(y + 1) * row]);
                line[border + row..].fill(0.0);
            }
        }
    }
    padded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_surrounds_the_rows_of_a_band() {
        let window = Window {
            kernel: 3,
            stride: 2,
            padding: 1,
        };
        let geometry = Geometry::new(4, 3, 1, window);
        let image: Vec<f32> = (1..=12).map(|i| i as f32).collect();
        let mut buffer = Vec::new();
        let padded = pad(&geometry, &image, 0..1, &mut buffer);
        assert_eq!(
            padded,
            [
                [0., 0., 0., 0., 0.],
                [0., 1., 2., 3., 0.],
                [0., 4., 5., 6., 0.]
            ]
            .concat()
        );
        let padded = pad(&geometry, &image, 1..2, &mut buffer);
        assert_eq!(
            padded,
            [
                [0., 4., 5., 6., 0.],
                [0., 7., 8., 9., 0.],
                [0., 10., 11., 12., 0.]
            ]
            .concat()
        );
    }
}
