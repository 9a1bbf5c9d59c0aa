//! The logistic function on the GPU.

use crate::ops::cuda::source;
use crate::tensor::cuda::{Gpu, Grid, Source};
use crate::tensor::{Tape, Tensor2};

static SOURCE: Source = source!("logistic");

const THREADS: u32 = 256;

/// As [`crate::ops::logistic()`].
pub(super) fn logistic(tape: &mut Tape, gpu: &Gpu, x: &Tensor2) -> Tensor2 {
    let out = tape.output_on(gpu, x.rows(), x.columns(), &[x]);
    let grid = Grid::items(x.len(), THREADS);
    let arguments = [x.into(), (&out).into(), x.rows().into(), x.columns().into()];
    // SAFETY: x and out [rows, columns].
    unsafe { gpu.launch(&SOURCE, "logistic_forward", grid, &arguments) };
    let (gpu, x, source) = (gpu.clone(), x.clone(), out.clone());
    tape.record(&out, move |grads| {
        let arguments = [
            (&source).into(),
            source.gradient_address(grads).into(),
            x.gradient_address(grads).into(),
            x.rows().into(),
            x.columns().into(),
        ];
        // SAFETY: out and both gradients [rows, columns].
        unsafe { gpu.launch(&SOURCE, "logistic_backward", grid, &arguments) };
    });
    out
}
