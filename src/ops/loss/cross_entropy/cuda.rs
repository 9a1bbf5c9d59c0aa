//! Weighted softmax cross-entropy on the GPU: a warp has a row, one block adds the rows up. Nothing but two numbers a row is kept for the
//! backward, which reads the logits again.

use crate::ops::cuda::{reduce, source};
use crate::tensor::cuda::{Gpu, Grid, Source};
use crate::tensor::{Tape, Tensor2};

static SOURCE: Source = source!("cross_entropy");

/// Rows of a block.
const ROWS: u32 = 4;

/// As [`crate::ops::cross_entropy`], which has checked the lengths and the targets.
pub(super) fn cross_entropy(
    tape: &mut Tape,
    gpu: &Gpu,
    logits: &Tensor2,
    targets: &[usize],
    weights: &[f32],
    denominator: f32,
) -> Tensor2 {
    let logits = logits.on(gpu);
    let (rows, classes) = (logits.rows(), logits.columns());
    let targets: Vec<i32> = targets.iter().map(|class| *class as i32).collect();
    let (targets, weights) = (gpu.upload(&targets), gpu.upload(weights));
    let out = tape.output_on(gpu, 1, 1, &[&logits]);
    let (losses, masses) = (gpu.scratch::<f32>(rows), gpu.scratch::<f32>(2 * rows));
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
        (&masses).into(),
        rows.into(),
        classes.into(),
    ];
    // SAFETY: logits [rows, classes], a target below `classes`, a weight, a loss and two masses a row; out [1, 1].
    unsafe {
        gpu.launch(&SOURCE, "cross_entropy_forward", grid, &arguments);
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
            (&weights).into(),
            (&masses).into(),
            upstream.into(),
            to.into(),
            rows.into(),
            classes.into(),
            scale.into(),
        ];
        // SAFETY: as forward; the gradient of the logits is as large as they are, that of the loss one number.
        unsafe { gpu.launch(&SOURCE, "cross_entropy_backward", grid, &arguments) };
    });
    out
}
