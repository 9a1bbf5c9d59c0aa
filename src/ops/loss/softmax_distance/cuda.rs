//! The distance of softmax rows on the GPU: a warp has a row, one block adds the rows up. Three numbers a row are kept
//! for the backward, which reads logits and probabilities again.

use super::Distance;
use crate::ops::cuda::{reduce, source};
use crate::tensor::cuda::{Argument, Gpu, Grid, Source};
use crate::tensor::{Tape, Tensor2};

static SOURCE: Source = source!("softmax_distance");

/// Rows of a block.
const ROWS: u32 = 4;
/// Numbers that are kept of a row.
const KEPT: usize = 3;

/// As [`crate::ops::softmax_distance`], which has checked the shapes.
pub(super) fn softmax_distance(
    tape: &mut Tape,
    gpu: &Gpu,
    logits: &Tensor2,
    targets: &Tensor2,
    distance: Distance,
    denominator: f32,
) -> Tensor2 {
    let [logits, targets] = [logits, targets].map(|input| input.on(gpu));
    let (rows, classes) = (logits.rows(), logits.columns());
    let out = tape.output_on(gpu, 1, 1, &[&logits]);
    let (losses, kept) = (gpu.scratch::<f32>(rows), gpu.scratch::<f32>(KEPT * rows));
    let grid = Grid {
        threads: [32, ROWS, 1],
        ..Grid::items(rows, ROWS)
    };
    let scale = 1.0 / denominator;
    // The kernels take an epsilon of 0 for squares.
    let epsilon: Argument = match distance {
        Distance::Divergence { epsilon } => epsilon,
        Distance::Squares => 0.0,
    }
    .into();
    let arguments = [
        (&logits).into(),
        (&targets).into(),
        (&losses).into(),
        (&kept).into(),
        rows.into(),
        classes.into(),
        epsilon,
    ];
    // SAFETY: logits and targets [rows, classes], a loss and three numbers a row; out [1, 1].
    unsafe {
        gpu.launch(&SOURCE, "softmax_distance_forward", grid, &arguments);
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
            epsilon,
            scale.into(),
        ];
        // SAFETY: as forward; the gradient of the logits is as large as they are, that of the loss one number.
        unsafe { gpu.launch(&SOURCE, "softmax_distance_backward", grid, &arguments) };
    });
    out
}
