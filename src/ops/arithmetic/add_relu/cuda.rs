//! Residual sum with rectification on the GPU: one kernel each way, four values a thread.

use crate::ops::cuda::source;
use crate::tensor::cuda::{Gpu, Grid, Source};
use crate::tensor::{Tape, Tensor2};

static SOURCE: Source = source!("add_relu");

const THREADS: u32 = 256;

/// As [`crate::ops::add_relu`], which has checked the shapes.
pub(super) fn add_relu(tape: &mut Tape, gpu: &Gpu, a: &Tensor2, b: &Tensor2) -> Tensor2 {
    let [a, b] = [a, b].map(|input| input.on(gpu));
    let (rows, columns) = (a.rows(), a.columns());
    let out = tape.output_on(gpu, rows, columns, &[&a, &b]);
    let grid = Grid::items((rows * columns).div_ceil(4), THREADS);
    let arguments = [
        (&a).into(),
        (&b).into(),
        (&out).into(),
        rows.into(),
        columns.into(),
    ];
    // SAFETY: three matrices [rows, columns].
    unsafe { gpu.launch(&SOURCE, "add_relu_forward", grid, &arguments) };

    let (gpu, source) = (gpu.clone(), out.clone());
    tape.record(&out, move |grads| {
        let arguments = [
            (&source).into(),
            source.gradient_address(grads).into(),
            a.gradient_address(grads).into(),
            b.gradient_address(grads).into(),
            rows.into(),
            columns.into(),
        ];
        // SAFETY: as above; gradients are as large as their tensors.
        unsafe { gpu.launch(&SOURCE, "add_relu_backward", grid, &arguments) };
    });
    out
}
