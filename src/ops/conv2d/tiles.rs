//! Convolution by register tiles over the padded images, where the processor and the sizes suit.
//!
//! The gradient of the input of a convolution with stride 1 is again a convolution: of the gradient of the output, padded by
//! k - 1 - p, with the window turned by half a turn and the channels exchanged.

use super::plan::Plan;
use super::{Epilogue, Window};
use crate::ops::kernels::cpu::direct::{self, Packed};
use crate::ops::kernels::cpu::im2col::Geometry;
use crate::ops::kernels::cpu::{Split, epilogue, parallel, unfilled};
use crate::tensor::Tensor2;
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
    let split = Split::new(plan.batch * geometry.out_height, plan.work());
    let mut y = unfilled(plan.batch * plan.out_pixels() * plan.out);
    let shares = split.ranges().zip(split.cut(&mut y, row)).collect();
    parallel::run(shares, |(rows, mut y): (Range<usize>, &mut [f32])| {
        let mut buffer = Vec::new();
        for (index, rows) in plan.bands(rows, band(geometry)) {
            let (out, rest) = std::mem::take(&mut y).split_at_mut(rows.len() * row);
            y = rest;
            let image = &x[index * geometry.image()..][..geometry.image()];
            let padded = direct::pad(geometry, image, rows.clone(), &mut buffer);
            direct::convolve(geometry, padded, &weight, rows.len(), false, out);
            epilogue::apply(out, plan.out, scale, shift, epilogue.relu);
        }
    });
    y
}

/// The gradient of the weight [Co, k k Ci] from the output rows `rows`; g are their gradients.
pub(super) fn weight_gradient(
    plan: &Plan,
    x: &[f32],
    g: &[f32],
    rows: Range<usize>,
    weight: &mut [f32],
) {
    let geometry = &plan.geometry;
    let row = geometry.out_width * plan.out;
    let mut sums = vec![0.0; weight.len()];
    let (mut rest, mut buffer) = (g, Vec::new());
    for (index, rows) in plan.bands(rows, band(geometry)) {
        let (own, after) = rest.split_at(rows.len() * row);
        rest = after;
        let image = &x[index * geometry.image()..][..geometry.image()];
        let padded = direct::pad(geometry, image, rows.clone(), &mut buffer);
        direct::weight_gradient(geometry, padded, own, rows.len(), &mut sums);
    }
    for (o, row) in weight.chunks_exact_mut(plan.patch()).enumerate() {
        for (to, sum) in row.iter_mut().zip(sums[o..].iter().step_by(plan.out)) {
            *to = *sum;
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
            let padded = direct::pad(&back, g, rows..rows + count, &mut buffer);
            direct::convolve(&back, padded, weight, count, true, target);
        }
    }
}
