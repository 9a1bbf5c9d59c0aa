//! Mask losses at sampled points on the GPU: forward a block has a mask and one more block adds the masks up; backward a thread has a
//! point and computes its probability again, which costs less than to keep it.

use super::{reduce, source};
use crate::tensor::cuda::{Argument, Gpu, Grid, Source};
use crate::tensor::{Tape, Tensor2};

pub(super) static SOURCE: Source = source!("point_losses");

const THREADS: u32 = 256;

/// As [`crate::ops::bce_points`], which has checked the lengths.
pub(crate) fn bce_points(
    tape: &mut Tape,
    gpu: &Gpu,
    logits: &Tensor2,
    targets: &[f32],
    weights: Option<&[f32]>,
    denominator: f32,
) -> Tensor2 {
    let logits = logits.on(gpu);
    let (rows, points) = (logits.rows(), logits.columns());
    let targets = gpu.upload(targets);
    let weights = weights.map(|weights| gpu.upload(weights));
    let scale = 1.0 / (points as f32 * denominator);
    let out = tape.output_on(gpu, 1, 1, &[&logits]);
    let losses = gpu.scratch::<f32>(rows);
    let arguments = [
        (&logits).into(),
        (&targets).into(),
        weights.as_ref().into(),
        (&losses).into(),
        points.into(),
    ];
    // SAFETY: logits, targets and weights [rows, points], a loss a row; out [1, 1].
    unsafe {
        per_mask(gpu, "bce_forward", rows, &arguments);
        reduce::sum_all(gpu, losses.address(), out.address(), rows, scale);
    }

    let (gpu, source) = (gpu.clone(), out.clone());
    tape.record(&out, move |grads| {
        let upstream = source.gradient_address(grads);
        let arguments = [
            (&logits).into(),
            (&targets).into(),
            weights.as_ref().into(),
            upstream.into(),
            logits.gradient_address(grads).into(),
            rows.into(),
            points.into(),
            scale.into(),
        ];
        let grid = Grid::items(rows * points, THREADS);
        // SAFETY: as forward; the gradient of the logits, without which nothing is recorded, is as large as they are.
        unsafe { gpu.launch(&SOURCE, "bce_backward", grid, &arguments) };
    });
    out
}

/// As [`crate::ops::dice_points`], which has checked the lengths.
pub(crate) fn dice_points(
    tape: &mut Tape,
    gpu: &Gpu,
    logits: &Tensor2,
    targets: &[f32],
    denominator: f32,
) -> Tensor2 {
    let logits = logits.on(gpu);
    let (rows, points) = (logits.rows(), logits.columns());
    let targets = gpu.upload(targets);
    let scale = 1.0 / denominator;
    let out = tape.output_on(gpu, 1, 1, &[&logits]);
    let (losses, sums) = (gpu.scratch::<f32>(rows), gpu.scratch::<f32>(2 * rows));
    let arguments = [
        (&logits).into(),
        (&targets).into(),
        (&losses).into(),
        (&sums).into(),
        points.into(),
    ];
    // SAFETY: logits and targets [rows, points], a loss and two sums a row; out [1, 1].
    unsafe {
        per_mask(gpu, "dice_forward", rows, &arguments);
        reduce::sum_all(gpu, losses.address(), out.address(), rows, scale);
    }

    let (gpu, source) = (gpu.clone(), out.clone());
    tape.record(&out, move |grads| {
        let upstream = source.gradient_address(grads);
        let arguments = [
            (&logits).into(),
            (&targets).into(),
            (&sums).into(),
            upstream.into(),
            logits.gradient_address(grads).into(),
            rows.into(),
            points.into(),
            scale.into(),
        ];
        let grid = Grid::items(rows * points, THREADS);
        // SAFETY: as forward; the gradient of the logits, without which nothing is recorded, is as large as they are.
        unsafe { gpu.launch(&SOURCE, "dice_backward", grid, &arguments) };
    });
    out
}

/// Starts a forward kernel with a block for every mask; nothing where there is none.
///
/// # Safety
/// As for [`Gpu::launch`].
unsafe fn per_mask(gpu: &Gpu, name: &'static str, rows: usize, arguments: &[Argument]) {
    if rows > 0 {
        // SAFETY: the caller's promise.
        unsafe { gpu.launch(&SOURCE, name, Grid::blocks(rows, THREADS), arguments) };
    }
}
