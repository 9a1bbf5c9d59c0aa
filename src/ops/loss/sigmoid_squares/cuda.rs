//! The squared differences of sigmoids on the GPU: a thread has a value, one block adds them up; backward a thread
//! computes its slope again.

use crate::ops::cuda::{reduce, source};
use crate::tensor::cuda::{Gpu, Grid, Source};
use crate::tensor::{Tape, Tensor2};

static SOURCE: Source = source!("sigmoid_squares");

const THREADS: u32 = 256;

/// As [`crate::ops::sigmoid_squares`], which has checked the shapes.
pub(super) fn sigmoid_squares(
    tape: &mut Tape,
    gpu: &Gpu,
    logits: &Tensor2,
    targets: &Tensor2,
    denominator: f32,
) -> Tensor2 {
    let [logits, targets] = [logits, targets].map(|input| input.on(gpu));
    let count = logits.len();
    let out = tape.output_on(gpu, 1, 1, &[&logits]);
    let losses = gpu.scratch::<f32>(count);
    let grid = Grid::items(count, THREADS);
    let scale = 1.0 / denominator;
    let arguments = [
        (&logits).into(),
        (&targets).into(),
        (&losses).into(),
        count.into(),
    ];
    // SAFETY: logits, targets and losses hold `count` values, out one.
    unsafe {
        gpu.launch(&SOURCE, "sigmoid_squares_forward", grid, &arguments);
        reduce::sum_all(gpu, losses.address(), out.address(), count, scale);
    }
    let (gpu, source) = (gpu.clone(), out.clone());
    tape.record(&out, move |grads| {
        let upstream = source.gradient_address(grads);
        let arguments = [
            (&logits).into(),
            (&targets).into(),
            upstream.into(),
            logits.gradient_address(grads).into(),
            count.into(),
            scale.into(),
        ];
        // SAFETY: as forward; the gradient of the logits, without which nothing is recorded, is as large as they are.
        unsafe { gpu.launch(&SOURCE, "sigmoid_squares_backward", grid, &arguments) };
    });
    out
}
