//! Smooth L1 on the GPU: a thread has a value, one block adds the losses up; backward a thread computes its slope
//! again.

use crate::ops::cuda::{reduce, source};
use crate::tensor::cuda::{Gpu, Grid, Source};
use crate::tensor::{Tape, Tensor2};

static SOURCE: Source = source!("smooth_l1");

const THREADS: u32 = 256;

/// As [`crate::ops::smooth_l1`], which has checked the shapes.
pub(super) fn smooth_l1(
    tape: &mut Tape,
    gpu: &Gpu,
    x: &Tensor2,
    targets: &Tensor2,
    beta: f32,
    denominator: f32,
) -> Tensor2 {
    let [x, targets] = [x, targets].map(|input| input.on(gpu));
    let count = x.len();
    let out = tape.output_on(gpu, 1, 1, &[&x]);
    let losses = gpu.scratch::<f32>(count);
    let grid = Grid::items(count, THREADS);
    let scale = 1.0 / denominator;
    let arguments = [
        (&x).into(),
        (&targets).into(),
        (&losses).into(),
        count.into(),
        beta.into(),
    ];
    // SAFETY: x, targets and losses hold `count` values, out one.
    unsafe {
        gpu.launch(&SOURCE, "smooth_l1_forward", grid, &arguments);
        reduce::sum_all(gpu, losses.address(), out.address(), count, scale);
    }
    let (gpu, source) = (gpu.clone(), out.clone());
    tape.record(&out, move |grads| {
        let upstream = source.gradient_address(grads);
        let arguments = [
            (&x).into(),
            (&targets).into(),
            upstream.into(),
            x.gradient_address(grads).into(),
            count.into(),
            beta.into(),
            scale.into(),
        ];
        // SAFETY: as forward; the gradient of x, without which nothing is recorded, is as large as x.
        unsafe { gpu.launch(&SOURCE, "smooth_l1_backward", grid, &arguments) };
    });
    out
}
