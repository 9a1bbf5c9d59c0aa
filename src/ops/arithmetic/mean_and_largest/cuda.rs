//! Mean and largest value of rows on the GPU: a warp has a row, forward and backward.

use super::NUMBERS;
use crate::ops::cuda::source;
use crate::tensor::cuda::{Gpu, Grid, Source};
use crate::tensor::{Tape, Tensor2};

static SOURCE: Source = source!("mean_and_largest");

/// Rows of a block.
const ROWS: u32 = 4;

/// As [`crate::ops::mean_and_largest`], which has checked the shapes.
pub(super) fn mean_and_largest(tape: &mut Tape, gpu: &Gpu, x: &Tensor2) -> Tensor2 {
    let x = x.on(gpu);
    let (rows, columns) = (x.rows(), x.columns());
    let out = tape.output_on(gpu, rows, NUMBERS, &[&x]);
    let grid = Grid {
        threads: [32, ROWS, 1],
        ..Grid::items(rows, ROWS)
    };
    let arguments = [(&x).into(), (&out).into(), rows.into(), columns.into()];
    // SAFETY: x [rows, columns], out [rows, 2]; a warp for every row.
    unsafe { gpu.launch(&SOURCE, "mean_and_largest", grid, &arguments) };
    let (gpu, source) = (gpu.clone(), out.clone());
    tape.record(&out, move |grads| {
        let arguments = [
            (&x).into(),
            source.gradient_address(grads).into(),
            x.gradient_address(grads).into(),
            rows.into(),
            columns.into(),
        ];
        // SAFETY: as forward; the gradient of x, without which nothing is recorded, is as large as x.
        unsafe { gpu.launch(&SOURCE, "mean_and_largest_backward", grid, &arguments) };
    });
    out
}
