//! Gaussian error linear unit on the GPU.

use crate::ops::Gelu;
use crate::ops::cuda::source;
use crate::tensor::cuda::{Gpu, Grid, Source};
use crate::tensor::{Tape, Tensor2};

static SOURCE: Source = source!("gelu");

const THREADS: u32 = 256;

/// As [`crate::ops::gelu()`].
pub(super) fn gelu(tape: &mut Tape, gpu: &Gpu, x: &Tensor2, kind: Gelu) -> Tensor2 {
    let out = tape.output_on(gpu, x.rows(), x.columns(), &[x]);
    let grid = Grid::items(x.len(), THREADS);
    let quick = kind == Gelu::Quick;
    let arguments = [
        x.into(),
        (&out).into(),
        x.rows().into(),
        x.columns().into(),
        quick.into(),
    ];
    // SAFETY: x and out [rows, columns].
    unsafe { gpu.launch(&SOURCE, "gelu_forward", grid, &arguments) };
    let (gpu, x, source) = (gpu.clone(), x.clone(), out.clone());
    tape.record(&out, move |grads| {
        let arguments = [
            (&x).into(),
            source.gradient_address(grads).into(),
            x.gradient_address(grads).into(),
            x.rows().into(),
            x.columns().into(),
            quick.into(),
        ];
        // SAFETY: x and both gradients [rows, columns].
        unsafe { gpu.launch(&SOURCE, "gelu_backward", grid, &arguments) };
    });
    out
}
