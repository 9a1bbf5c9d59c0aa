//! Some rows of a matrix of the GPU in the memory of the host: gathered there, then copied at once.

use crate::ops::cuda::source;
use crate::tensor::Tensor2;
use crate::tensor::cuda::{Gpu, Grid, Source};

static SOURCE: Source = source!("rows_on_host");

const THREADS: u32 = 256;
/// Blocks of a row, at most.
const MOST_PARTS: usize = 32;

/// As [`crate::ops::rows_on_host`], which has checked the rows.
pub(super) fn rows_on_host(gpu: &Gpu, x: &Tensor2, rows: &[usize]) -> Vec<f32> {
    let columns = x.columns();
    let picked = gpu.scratch::<f32>(rows.len() * columns);
    if picked.is_empty() {
        return Vec::new();
    }
    let places: Vec<i32> = rows.iter().map(|row| *row as i32).collect();
    let places = gpu.upload(&places);
    let arguments = [x.into(), (&places).into(), (&picked).into(), columns.into()];
    let parts = columns.div_ceil(THREADS as usize).min(MOST_PARTS);
    let grid = Grid::blocks(rows.len(), THREADS).by(parts, 1);
    // SAFETY: every row is one of x; `picked` has `columns` values for each.
    unsafe { gpu.launch(&SOURCE, "pick_rows", grid, &arguments) };
    picked.values()
}
