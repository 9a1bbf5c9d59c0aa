//! Weighted softmax focal loss on the GPU: a warp has a row, one block adds the rows up. Four numbers a row are kept
//! for the backward, which reads the logits again.

use crate::ops::cuda::{reduce, source};
use crate::tensor::cuda::{Gpu, Grid, Source};
use crate::tensor::{Tape, Tensor2};

static SOURCE: Source = source!("softmax_focal");

/// Rows of a block.
const ROWS: u32 = 4;
/// Numbers that are kept of a row.
const KEPT: usize = 4;

/// As [`crate::ops::softmax_focal`], which has checked the lengths and the targets.
pub(super) fn softmax_focal(
    tape: &mut Tape,
    gpu: &Gpu,
    logits: &Tensor2,
    targets: &[usize],
    weights: &[f32],
    (gamma, denominator): (f32, f32),
) -> Tensor2 {
    let logits = logits.on(gpu);
    let (rows, classes) = (logits.rows(), logits.columns());
    let targets: Vec<i32> = targets.iter().map(|class| *class as i32).collect();
    let (targets, weights) = (gpu.upload(&targets), gpu.upload(weights));
    let out = tape.output_on(gpu, 1, 1, &[&logits]);
    let (losses, kept) = (gpu.scratch::<f32>(rows), gpu.scratch::<f32>(KEPT * rows));
    let grid = Grid {
        threads: [32, ROWS, 1],
        ..Grid::items(rows, ROWS)
    };
    let scale = 1.0 / denominator;
    let arguments = [
        (&logits).into(),
        (&targets).into(),
        (&weights).into(),
        (&losses).into(),
        (&kept).into(),
        rows.into(),
        classes.into(),
        gamma.into(),
    ];
    // SAFETY: logits [rows, classes], a target below `classes`, a weight, a loss and four numbers a row; out [1, 1].
    unsafe {
        gpu.launch(&SOURCE, "softmax_focal_forward", grid, &arguments);
        reduce::sum_all(gpu, losses.address(), out.address(), rows, scale);
    }

    let (gpu, source) = (gpu.clone(), out.clone());
    tape.record(&out, move |grads| {
        let upstream = source.gradient_address(grads);
        let Some(to) = logits.gradient_address(grads) else {
            return;
        };
        let arguments = [
            (&logits).into(),
            (&targets).into(),
            (&kept).into(),
            upstream.into(),
            to.into(),
            rows.into(),
            classes.into(),
            scale.into(),
        ];
        // SAFETY: as forward; the gradient of the logits is as large as they are, that of the loss one number.
        unsafe { gpu.launch(&SOURCE, "softmax_focal_backward", grid, &arguments) };
    });
    out
}
