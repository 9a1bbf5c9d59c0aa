//! The overlaps of two lists of rectangles on the GPU: a thread has a pair.

use crate::ops::cuda::source;
use crate::tensor::Tensor2;
use crate::tensor::cuda::{Gpu, Grid, Source};

static SOURCE: Source = source!("pairwise_iou");

const THREADS: u32 = 256;
/// Rows of a launch: what a grid has along y.
const MOST_ROWS: usize = 1 << 15;

/// As [`crate::ops::pairwise_iou`], which has checked the shapes.
pub(super) fn pairwise_iou(gpu: &Gpu, a: &Tensor2, b: &Tensor2) -> Tensor2 {
    let [a, b] = [a, b].map(|list| list.on(gpu));
    let (rows, columns) = (a.rows(), b.rows());
    let out = gpu.unwritten(rows, columns);
    if out.is_empty() {
        return out;
    }
    for first in (0..rows).step_by(MOST_ROWS) {
        let count = MOST_ROWS.min(rows - first);
        let arguments = [
            (&a).into(),
            (&b).into(),
            (&out).into(),
            first.into(),
            columns.into(),
        ];
        let grid = Grid::items(columns, THREADS).by(count, 1);
        // SAFETY: a has four numbers for each of the `count` rows from `first` on, b for every column, out one for each
        // pair.
        unsafe { gpu.launch(&SOURCE, "pairwise_iou", grid, &arguments) };
    }
    out
}
