//! Sums over the rows of a matrix: the gradients of biases and of what is the same for all rows.

use super::source;
use crate::tensor::cuda::{Gpu, Grid, Source};

static SOURCE: Source = source!("reduce");

const THREADS: u32 = 128;
/// Threads of the one block that adds up the terms of a loss.
const SUM_THREADS: u32 = 256;
/// Rows that a thread sums before it goes on to its next tile.
const TILE: usize = 32;
/// Partial sums, at most: enough blocks for a GPU, few enough for the second step.
const MOST_PARTS: usize = 256;

/// Into how many partial sums so many rows are divided.
pub(in crate::ops) fn parts(rows: usize) -> usize {
    rows.div_ceil(TILE).clamp(1, MOST_PARTS)
}

/// `total [columns]` += the sum over the rows of `values [rows, columns]`.
///
/// # Safety
/// Both addresses lead to as many values in live buffers of `gpu`.
pub(in crate::ops) unsafe fn add_sum_of_rows(
    gpu: &Gpu,
    values: u64,
    total: u64,
    rows: usize,
    columns: usize,
) {
    let parts = parts(rows);
    let partials = gpu.scratch::<f32>(parts * columns);
    let grid = Grid::items(columns, THREADS).by(parts, 1);
    let arguments = [
        values.into(),
        (&partials).into(),
        rows.into(),
        columns.into(),
        TILE.into(),
    ];
    // SAFETY: the caller's promise; the partial sums are as many as the grid writes.
    unsafe {
        gpu.launch(&SOURCE, "sum_rows_partly", grid, &arguments);
        add_partials(gpu, partials.address(), total, parts, columns);
    }
}

/// `total [columns]` += the sum over the rows of `partials [parts, columns]`, few of them.
///
/// # Safety
/// As for [`add_sum_of_rows`].
pub(in crate::ops) unsafe fn add_partials(
    gpu: &Gpu,
    partials: u64,
    total: u64,
    parts: usize,
    columns: usize,
) {
    let arguments = [partials.into(), total.into(), parts.into(), columns.into()];
    let grid = Grid::items(columns, THREADS);
    // SAFETY: the caller's promise.
    unsafe { gpu.launch(&SOURCE, "add_rows_to", grid, &arguments) };
}

/// `total [1]` = `scale` times the sum of `values [count]`: the end of a loss.
///
/// # Safety
/// As for [`add_sum_of_rows`].
pub(in crate::ops) unsafe fn sum_all(gpu: &Gpu, values: u64, total: u64, count: usize, scale: f32) {
    let arguments = [values.into(), total.into(), count.into(), scale.into()];
    let grid = Grid::blocks(1, SUM_THREADS);
    // SAFETY: the caller's promise.
    unsafe { gpu.launch(&SOURCE, "sum_all", grid, &arguments) };
}
