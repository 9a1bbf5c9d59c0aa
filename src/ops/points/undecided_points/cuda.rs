//! The least decided points of every mask on the GPU: a block has a mask.

use crate::ops::cuda::source;
use crate::tensor::Tensor2;
use crate::tensor::cuda::{Gpu, Grid, Source};

static SOURCE: Source = source!("undecided_points");

/// Whole warps, at most 32 of them.
const THREADS: u32 = 512;

/// As [`crate::ops::undecided_points`], which has checked the shapes.
pub(super) fn undecided_points(
    gpu: &Gpu,
    pool: &Tensor2,
    logits: &Tensor2,
    chosen: usize,
    fresh: &Tensor2,
) -> Tensor2 {
    let (pool, fresh) = (pool.on(gpu), fresh.on(gpu));
    let points = gpu.unwritten(logits.rows(), 2 * chosen + fresh.columns());
    if points.is_empty() {
        return points;
    }
    let arguments = [
        (&pool).into(),
        logits.into(),
        (&fresh).into(),
        (&points).into(),
        logits.columns().into(),
        chosen.into(),
        (fresh.columns() / 2).into(),
    ];
    let grid = Grid::blocks(logits.rows(), THREADS);
    // SAFETY: pool [n, many, 2], logits [n, many], fresh [n, free, 2], points [n, chosen + free, 2], chosen at most many.
    unsafe { gpu.launch(&SOURCE, "undecided_points", grid, &arguments) };
    points
}
