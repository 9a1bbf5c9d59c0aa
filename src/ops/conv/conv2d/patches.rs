//! Convolution as a matrix product of patches and weights: any kernel, stride, padding and groups.
//!
//! It goes band by band. A band of output rows, of one image or of several small ones, is small enough for
//! its patches to stay in the cache. A pointwise convolution (1 x 1, stride 1) multiplies the images
//! themselves.

use super::Epilogue;
use super::im2col::{col2im, im2col};
use super::plan::Plan;
use crate::ops::cpu::{Matrix, MatrixMut, Write, epilogue, gemm, parallel, unfilled};
use crate::tensor::Tensor2;
use std::ops::Range;

/// Values that the patches of a band may hold: 512 KiB, half of a core's second-level cache.
const BAND: usize = 128 * 1024;

/// Pixels that a band should hold, however large a patch is: the product reorders all weights for every band.
const BAND_PIXELS: usize = 256;

/// Bands of output rows counted over the whole batch.
fn bands(plan: &Plan, rows: Range<usize>) -> impl Iterator<Item = Range<usize>> + use<> {
    let pixels = (BAND / plan.patch().max(1)).max(BAND_PIXELS);
    let most = (pixels / plan.geometry.out_width).max(1);
    rows.clone()
        .step_by(most)
        .map(move |row| row..rows.end.min(row + most))
}

/// The output [B H' W', Co].
pub(super) fn forward(plan: &Plan, x: &[f32], weight: &[f32], epilogue: Epilogue) -> Vec<f32> {
    let row = plan.geometry.out_width * plan.out;
    let scale = epilogue.scale.map(Tensor2::values);
    let shift = epilogue.shift.map(Tensor2::values);
    let split = plan.split_rows();
    let mut y = unfilled(plan.batch * plan.out_pixels() * plan.out);
    let shares = split.ranges().zip(split.cut(&mut y, row)).collect();
    parallel::run(shares, |(rows, y): (Range<usize>, &mut [f32])| {
        let (start, mut buffer) = (rows.start, Vec::new());
        for rows in bands(plan, rows) {
            let band = &mut y[(rows.start - start) * row..(rows.end - start) * row];
            let pixels = rows.len() * plan.geometry.out_width;
            let mut out = MatrixMut::new(band, pixels, plan.out);
            for (group, out) in out.groups(plan.groups).into_iter().enumerate() {
                let patches = patches(plan, x, group, rows.clone(), &mut buffer);
                gemm(
                    out,
                    Write::Replace,
                    patches,
                    plan.weight(weight, group).t(),
                    1.0,
                );
            }
            epilogue::apply(band, plan.out, scale, shift, epilogue.relu);
        }
    });
    y
}

/// `$$ \partial W = g^\top \text{patches} $$` of the output rows `rows`: [Co, k k Ci / G]; g are the
///    gradients of the rows.
pub(super) fn weight_gradient(plan: &Plan, x: &[f32], g: &[f32], rows: Range<usize>) -> Vec<f32> {
    let mut sums = unfilled(plan.out * plan.patch());
    let columns = plan.out / plan.groups;
    let (start, mut buffer) = (rows.start, Vec::new());
    for rows in bands(plan, rows) {
        let pixels = rows.len() * plan.geometry.out_width;
        let write = if rows.start == start {
            Write::Replace
        } else {
            Write::Add
        };
        let g = &g[(rows.start - start) * plan.geometry.out_width * plan.out..];
        for (group, sums) in sums.chunks_exact_mut(columns * plan.patch()).enumerate() {
            let g = Matrix::strided(&g[group * columns..], pixels, columns, plan.out);
            let patches = patches(plan, x, group, rows.clone(), &mut buffer);
            gemm(
                MatrixMut::new(sums, columns, plan.patch()),
                write,
                g.t(),
                patches,
                1.0,
            );
        }
    }
    sums
}

/// Adds `$$ \partial\,\text{patches} = g W $$` of whole images to their gradient; g are the gradients of their
/// outputs.
pub(super) fn input_gradient(plan: &Plan, weight: &[f32], g: &[f32], x_gradient: &mut [f32]) {
    let geometry = &plan.geometry;
    let columns = plan.out / plan.groups;
    let images = x_gradient.len() / geometry.image().max(1);
    let mut buffer = Vec::new();
    for rows in bands(plan, 0..images * geometry.out_height) {
        let pixels = rows.len() * geometry.out_width;
        let g = &g[rows.start * geometry.out_width * plan.out..];
        for group in 0..plan.groups {
            let g = Matrix::strided(&g[group * columns..], pixels, columns, plan.out);
            let weight = plan.weight(weight, group);
            if geometry.pointwise() {
                let row = geometry.width * geometry.channels;
                let target = &mut x_gradient[rows.start * row..rows.end * row];
                let mut target = MatrixMut::new(target, pixels, geometry.channels);
                gemm(
                    target.groups(plan.groups).swap_remove(group),
                    Write::Add,
                    g,
                    weight,
                    1.0,
                );
                continue;
            }
            let patches = grown(&mut buffer, pixels * plan.patch());
            gemm(
                MatrixMut::new(patches, pixels, plan.patch()),
                Write::Replace,
                g,
                weight,
                1.0,
            );
            let mut rest = &*patches;
            for (index, rows) in plan.bands(rows.clone(), geometry.out_height) {
                let (own, after) = rest.split_at(rows.len() * geometry.out_width * plan.patch());
                rest = after;
                let image = &mut x_gradient[index * geometry.image()..][..geometry.image()];
                col2im(geometry, own, plan.channels(group), rows, image);
            }
        }
    }
}

/// The patches [pixels, k k Ci / G] of output rows, in `buffer` where they are no view of the images.
fn patches<'a>(
    plan: &Plan,
    x: &'a [f32],
    group: usize,
    rows: Range<usize>,
    buffer: &'a mut Vec<f32>,
) -> Matrix<'a> {
    let geometry = &plan.geometry;
    let pixels = rows.len() * geometry.out_width;
    let channels = plan.channels(group);
    if geometry.pointwise() {
        let first = rows.start * geometry.width * geometry.channels + channels.start;
        return Matrix::strided(&x[first..], pixels, channels.len(), geometry.channels);
    }
    let patches = grown(buffer, pixels * plan.patch());
    let mut rest = &mut *patches;
    for (index, rows) in plan.bands(rows, geometry.out_height) {
        let (own, after) = rest.split_at_mut(rows.len() * geometry.out_width * plan.patch());
        rest = after;
        let image = &x[index * geometry.image()..][..geometry.image()];
        im2col(geometry, image, channels.clone(), rows, own);
    }
    Matrix::new(patches, pixels, plan.patch())
}

/// The first `len` values of a buffer that grows to the largest size asked for.
fn grown(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    if buffer.len() < len {
        *buffer = unfilled(len);
    }
    &mut buffer[..len]
}
