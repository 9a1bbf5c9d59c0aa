//! The copy on the GPU: a thread has a value, forward and backward.

use crate::ops::cuda::source;
use crate::tensor::cuda::{Gpu, Grid, Source};
use crate::tensor::{Tape, Tensor2};

static SOURCE: Source = source!("reshape");

const THREADS: u32 = 256;

/// As [`crate::ops::reshape`], which has checked the number of values.
pub(super) fn reshape(
    tape: &mut Tape,
    gpu: &Gpu,
    x: &Tensor2,
    rows: usize,
    columns: usize,
) -> Tensor2 {
    let x = x.on(gpu);
    let count = x.len();
    let out = tape.output_on(gpu, rows, columns, &[&x]);
    if out.is_empty() {
        return out;
    }
    let grid = Grid::items(count, THREADS);
    let arguments = [(&x).into(), (&out).into(), count.into(), false.into()];
    // SAFETY: both hold `count` values.
    unsafe { gpu.launch(&SOURCE, "reshape_move", grid, &arguments) };
    let (gpu, source) = (gpu.clone(), out.clone());
    tape.record(&out, move |grads| {
        let gradient = source.gradient_address(grads);
        if let (Some(from), Some(to)) = (gradient, x.gradient_address(grads)) {
            let arguments = [from.into(), to.into(), count.into(), true.into()];
            // SAFETY: gradients are as large as their tensors.
            unsafe { gpu.launch(&SOURCE, "reshape_move", grid, &arguments) };
        }
    });
    out
}
