//! Some planes, resized on the GPU.

use crate::ops::cuda::source;
use crate::tensor::Tensor2;
use crate::tensor::cuda::{Gpu, Grid, Source};

static SOURCE: Source = source!("resize_rows");

const THREADS: u32 = 256;

/// As [`crate::ops::resize_rows`], which has checked the size and the rows.
///
/// Panics where there are more rows than a grid has along y (65,535), as in no batch.
pub(super) fn resize_rows(
    gpu: &Gpu,
    planes: &Tensor2,
    rows: &[usize],
    from: (usize, usize),
    to: (usize, usize),
) -> Tensor2 {
    let area = to.0 * to.1;
    let out = gpu.unwritten(rows.len(), area);
    if out.is_empty() {
        return out;
    }
    let chosen: Vec<i32> = rows.iter().map(|row| *row as i32).collect();
    let chosen = gpu.upload(&chosen);
    let arguments = [
        planes.into(),
        (&chosen).into(),
        (&out).into(),
        from.0.into(),
        from.1.into(),
        to.0.into(),
        to.1.into(),
    ];
    let grid = Grid::items(area, THREADS).by(rows.len(), 1);
    // SAFETY: every row is a plane of size `from`; out has a plane of size `to` for each.
    unsafe { gpu.launch(&SOURCE, "resize_rows", grid, &arguments) };
    out
}
