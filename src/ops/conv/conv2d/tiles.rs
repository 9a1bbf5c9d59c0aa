//! Convolution by register tiles over the padded images, where the processor and the sizes suit.
//!
//! The gradient of the input of a convolution with stride 1 is again a convolution: of the gradient of the output, padded by
//! k - 1 - p, with the window turned by half a turn and the channels exchanged.

use super::Epilogue;
use super::direct::{self, packed};
use super::plan::Plan;
use crate::ops::conv::window::{Geometry, Window};
use crate::ops::cpu::{epilogue, parallel, unfilled};
use crate::tensor::Tensor2;
use packed::Packed;
use std::ops::Range;

/// Values that the padded image rows of a band may hold: 128 KiB, a small part of a core's second-level cache.
const BAND: usize = 32 * 1024;

/// Output rows of a band.
fn band(geometry: &Geometry) -> usize {
    let Window {
        kernel,
        stride,
        padding,
    } = geometry.window;
    let line = (geometry.width + 2 * padding) * geometry.channels;
    // A band of a few rows reads its border rows again and again.
    ((BAND / line.max(1)) / stride).max(4 * kernel)
}

/// Whether the forward and the weight gradient may take this way.
pub(super) fn suit_forward(plan: &Plan) -> bool {
    plan.groups == 1 && direct::suits(plan.out)
}

/// Whether the gradient of the input may take this way.
pub(super) fn suit_input_gradient(plan: &Plan) -> bool {
    let Window {
        kernel,
        stride,
        padding,
    } = plan.geometry.window;
    plan.groups == 1 && stride == 1 && padding < kernel && direct::suits(plan.geometry.channels)
}

/// The output [B H' W', Co].
pub(super) fn forward(plan: &Plan, x: &[f32], weight: &[f32], epilogue: Epilogue) -> Vec<f32> {
    let geometry = &plan.geometry;
    let row = geometry.out_width * plan.out;
    let scale = epilogue.scale.map(Tensor2::values);
    let shift = epilogue.shift.map(Tensor2::values);
    let weight = Packed::transposed(weight, plan.out);
    let split = plan.split_rows();
    let mut y = unfilled(plan.batch * plan.out_pixels() * plan.out);
    let shares = split.ranges().zip(split.cut(&mut y, row)).collect();
    parallel::run(shares, |(rows, mut y): (Range<usize>, &mut [f32])| {
        let mut buffer = Vec::new();
        for (index, rows) in plan.bands(rows, band(geometry)) {
            let (out, rest) = std::mem::take(&mut y).split_at_mut(rows.len() * row);
            y = rest;
            let image = &x[index * geometry.image()..][..geometry.image()];
            let padded = packed::pad(geometry, image, rows.clone(), &mut buffer);
            direct::convolve(geometry, padded, &weight, rows.len(), false, out);
            epilogue::apply(out, plan.out, scale, shift, epilogue.relu);
        }
    });
    y
}

/// The gradient of the weight from the output rows `rows`, transposed: [k k Ci, Co]; g are the gradients of the rows.
pub(super) fn weight_gradient(plan: &Plan, x: &[f32], g: &[f32], rows: Range<usize>) -> Vec<f32> {
    let geometry = &plan.geometry;
    let row = geometry.out_width * plan.out;
    let mut sums = vec![0.0; plan.patch() * plan.out];
    let (mut rest, mut buffer) = (g, Vec::new());
    for (index, rows) in plan.bands(rows, band(geometry)) {
        let (own, after) = rest.split_at(rows.len() * row);
        rest = after;
        let image = &x[index * geometry.image()..][..geometry.image()];
        let padded = packed::pad(geometry, image, rows.clone(), &mut buffer);
        direct::weight_gradient(geometry, padded, own, rows.len(), &mut sums);
    }
    sums
}

/// Adds the sums of the parts, each [k k Ci, Co], to the gradient of the weight [Co, k k Ci], in the order of the parts.
pub(super) fn add_weight_gradients(plan: &Plan, total: &mut [f32], parts: &[&[f32]]) {
    let (out, patch) = (plan.out, plan.patch());
    // Cells of 16 x 16: whole cache lines are read and written.
    const CELL: usize = 16;
    for first in (0..patch).step_by(CELL) {
        let depths = first..patch.min(first + CELL);
        for outputs in (0..out).step_by(CELL).map(|o| o..out.min(o + CELL)) {
            for part in parts {
                for o in outputs.clone() {
                    let row = &mut total[o * patch..][depths.clone()];
                    for (to, i) in row.iter_mut().zip(depths.clone()) {
                        *to += part[i * out + o];
                    }
                }
            }
        }
    }
}

/// The weight as [`input_gradient`] reads it.
pub(super) fn turned(plan: &Plan, weight: &[f32]) -> Packed {
    Packed::turned(weight, plan.out, plan.geometry.window)
}

/// Adds the gradient of the input of whole images to `x_gradient`; g are the gradients of their outputs.
pub(super) fn input_gradient(plan: &Plan, weight: &Packed, g: &[f32], x_gradient: &mut [f32]) {
    let Geometry {
        height,
        width,
        out_height,
        out_width,
        window,
        ..
    } = plan.geometry;
    let padding = window.kernel - 1 - window.padding;
    let window = Window { padding, ..window };
    let back = Geometry::new(out_height, out_width, plan.out, window);
    assert_eq!((back.out_height, back.out_width), (height, width));
    let mut buffer = Vec::new();
    let images = x_gradient.chunks_exact_mut(plan.geometry.image());
    for (g, x_gradient) in g.chunks_exact(back.image()).zip(images) {
        let row = width * plan.geometry.channels;
        for (rows, target) in (0..)
            .step_by(band(&back))
            .zip(x_gradient.chunks_mut(band(&back) * row))
        {
            let count = target.len() / row;
            let padded = packed::pad(&back, g, rows..rows + count, &mut buffer);
            direct::convolve(&back, padded, weight, count, true, target);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::parameter;
    use crate::ops::conv::conv2d::patches;
    use crate::ops::golden::compare;
    use crate::tensor::Map;

    /// Compares both ways; processors that do not suit have one way only.
    fn compare_ways(size: (usize, usize), channels: (usize, usize), window: (usize, usize, usize)) {
        let (kernel, stride, padding) = window;
        let x = Map::new(
            parameter(1, 3 * size.0 * size.1, channels.0, 1.0),
            3,
            size.0,
            size.1,
        );
        let weight = parameter(2, channels.1, kernel * kernel * channels.0, 1.0);
        let plan = Plan::new(
            &x,
            &weight,
            Window {
                kernel,
                stride,
                padding,
            },
            1,
        );
        let (x, weight) = (x.data.values(), weight.values());
        let label = format!("{size:?} {channels:?} {window:?}");
        if suit_forward(&plan) {
            let y = forward(&plan, x, weight, Epilogue::default());
            compare(
                &label,
                &y,
                &patches::forward(&plan, x, weight, Epilogue::default()),
                1e-5,
            );
            let rows = 0..3 * plan.geometry.out_height;
            let mut sums = vec![1.0; weight.len()];
            let part = weight_gradient(&plan, x, &y, rows.clone());
            add_weight_gradients(&plan, &mut sums, &[&part, &part]);
            let expected = patches::weight_gradient(&plan, x, &y, rows);
            let expected: Vec<f32> = expected.iter().map(|v| 1.0 + 2.0 * v).collect();
            compare(&label, &sums, &expected, 1e-5);
        }
        if suit_input_gradient(&plan) {
            let g = patches::forward(&plan, x, weight, Epilogue::default());
            let (mut got, mut expected) = (vec![1.0; x.len()], vec![1.0; x.len()]);
            input_gradient(&plan, &turned(&plan, weight), &g, &mut got);
            patches::input_gradient(&plan, weight, &g, &mut expected);
            compare(&label, &got, &expected, 1e-5);
        }
    }

    #[test]
    fn tiles_and_patches_agree() {
        for channels in [(3, 16), (16, 32), (16, 48), (32, 64), (16, 80), (96, 96)] {
            for window in [
                (1, 1, 0),
                (1, 2, 0),
                (3, 1, 1),
                (3, 2, 1),
                (3, 1, 0),
                (3, 1, 2),
            ] {
                compare_ways((5, 9), channels, window);
                compare_ways((4, 4), channels, window);
            }
            compare_ways((17, 15), channels, (7, 2, 3));
        }
    }

    #[test]
    fn several_bands_and_passes_agree_with_patches() {
        compare_ways((70, 33), (32, 64), (3, 1, 1));
        compare_ways((9, 7), (160, 16), (3, 1, 1));
        compare_ways((40, 64), (32, 16), (3, 2, 1));
    }
}
