//! GIoU loss on the GPU: a thread has a rectangle, one block adds the losses up; backward a thread computes the areas
//! again.

use crate::ops::cuda::{reduce, source};
use crate::tensor::cuda::{Gpu, Grid, Source};
use crate::tensor::{Tape, Tensor2};

static SOURCE: Source = source!("giou");

const THREADS: u32 = 256;

/// As [`crate::ops::generalized_iou`], which has checked the shapes.
pub(super) fn generalized_iou(
    tape: &mut Tape,
    gpu: &Gpu,
    boxes: &Tensor2,
    targets: &Tensor2,
    weights: Option<&Tensor2>,
    (smoothing, denominator): (f32, f32),
) -> Tensor2 {
    let [boxes, targets] = [boxes, targets].map(|input| input.on(gpu));
    let weights = weights.map(|weights| weights.on(gpu));
    let (count, scale) = (boxes.rows(), 1.0 / denominator);
    let out = tape.output_on(gpu, 1, 1, &[&boxes]);
    let losses = gpu.scratch::<f32>(count);
    let grid = Grid::items(count, THREADS);
    let arguments = [
        (&boxes).into(),
        (&targets).into(),
        weights.as_ref().into(),
        (&losses).into(),
        count.into(),
        smoothing.into(),
    ];
    // SAFETY: boxes and targets [count, 4], weights [count] or null, a loss of each, out one.
    unsafe {
        gpu.launch(&SOURCE, "giou_forward", grid, &arguments);
        reduce::sum_all(gpu, losses.address(), out.address(), count, scale);
    }
    let (gpu, source) = (gpu.clone(), out.clone());
    tape.record(&out, move |grads| {
        let arguments = [
            (&boxes).into(),
            (&targets).into(),
            weights.as_ref().into(),
            source.gradient_address(grads).into(),
            boxes.gradient_address(grads).into(),
            count.into(),
            smoothing.into(),
            scale.into(),
        ];
        // SAFETY: as forward; the gradient of the boxes, without which nothing is recorded, is as large as they are.
        unsafe { gpu.launch(&SOURCE, "giou_backward", grid, &arguments) };
    });
    out
}
