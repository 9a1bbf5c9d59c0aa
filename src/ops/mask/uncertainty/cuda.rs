//! How undecided masks are, on the GPU.

use crate::ops::cuda::source;
use crate::tensor::Tensor2;
use crate::tensor::cuda::{Gpu, Grid, Source};

static SOURCE: Source = source!("uncertainty");

const THREADS: u32 = 256;

/// As [`crate::ops::uncertainties`], which has checked the rows.
///
/// Panics where there are more rows than a grid has along y (65,535), as in no batch.
pub(super) fn uncertainties(gpu: &Gpu, logits: &Tensor2, rows: &[usize]) -> Tensor2 {
    let columns = logits.columns();
    let out = gpu.unwritten(rows.len(), columns);
    if out.is_empty() {
        return out;
    }
    let chosen: Vec<i32> = rows.iter().map(|row| *row as i32).collect();
    let chosen = gpu.upload(&chosen);
    let arguments = [
        logits.into(),
        (&chosen).into(),
        (&out).into(),
        columns.into(),
    ];
    let grid = Grid::items(columns, THREADS).by(rows.len(), 1);
    // SAFETY: every row is one of the logits'; out has as many columns and a row for each.
    unsafe { gpu.launch(&SOURCE, "uncertainties", grid, &arguments) };
    out
}
