//! Rows times factors on the GPU: a warp has a row, forward and backward.

use crate::ops::cuda::source;
use crate::tensor::cuda::{Gpu, Grid, Source};
use crate::tensor::{Tape, Tensor2};

static SOURCE: Source = source!("scale_rows");

/// Rows of a block.
const ROWS: u32 = 4;

/// As [`crate::ops::scale_rows`], which has checked the shapes.
pub(super) fn scale_rows(tape: &mut Tape, gpu: &Gpu, x: &Tensor2, s: &Tensor2) -> Tensor2 {
    let [x, s] = [x, s].map(|input| input.on(gpu));
    let (rows, columns) = (x.rows(), x.columns());
    let out = tape.output_on(gpu, rows, columns, &[&x, &s]);
    let grid = Grid {
        threads: [32, ROWS, 1],
        ..Grid::items(rows, ROWS)
    };
    let arguments = [
        (&x).into(),
        (&s).into(),
        (&out).into(),
        rows.into(),
        columns.into(),
    ];
    // SAFETY: x and out [rows, columns], s [rows]; a warp for every row.
    unsafe { gpu.launch(&SOURCE, "scale_rows", grid, &arguments) };
    let (gpu, source) = (gpu.clone(), out.clone());
    tape.record(&out, move |grads| {
        let arguments = [
            (&x).into(),
            (&s).into(),
            source.gradient_address(grads).into(),
            x.gradient_address(grads).into(),
            s.gradient_address(grads).into(),
            rows.into(),
            columns.into(),
        ];
        // SAFETY: as forward; gradients are as large as their tensors, and null where none is wanted.
        unsafe { gpu.launch(&SOURCE, "scale_rows_backward", grid, &arguments) };
    });
    out
}
