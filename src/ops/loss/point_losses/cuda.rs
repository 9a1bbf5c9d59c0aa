//! Mask losses at sampled points on the GPU: forward a block has a mask and one more block adds the masks up;
//! backward a thread has a point and computes its probability again, which costs less than to keep it.

use crate::ops::cuda::{reduce, source};
use crate::tensor::cuda::{Argument, Gpu, Grid, Source};
use crate::tensor::{Tape, Tensor2};

static SOURCE: Source = source!("point_losses");

const THREADS: u32 = 256;

/// As [`crate::ops::bce_points`], which has checked the shapes.
pub(super) fn bce_points(
    tape: &mut Tape,
    gpu: &Gpu,
    logits: &Tensor2,
    targets: &Tensor2,
    weights: Option<&Tensor2>,
    denominator: f32,
) -> Tensor2 {
    let loss = Loss {
        kernels: ["bce_forward", "bce_backward"],
        beside: vec![weights.map(|weights| weights.on(gpu))],
        scale: 1.0 / (logits.columns() as f32 * denominator),
    };
    loss.of(tape, gpu, logits, targets)
}

/// As [`crate::ops::dice_points`], which has checked the shapes.
pub(super) fn dice_points(
    tape: &mut Tape,
    gpu: &Gpu,
    logits: &Tensor2,
    targets: &Tensor2,
    weights: Option<&Tensor2>,
    denominator: f32,
) -> Tensor2 {
    let loss = Loss {
        kernels: ["dice_forward", "dice_backward"],
        beside: vec![
            weights.map(|weights| weights.on(gpu)),
            Some(gpu.unwritten(logits.rows(), 2)),
        ],
        scale: 1.0 / denominator,
    };
    loss.of(tape, gpu, logits, targets)
}

/// A sum of losses of masks.
struct Loss {
    /// Forward and backward.
    kernels: [&'static str; 2],
    /// The inputs besides logits and targets: the weights of the points; or those of the masks, and two sums of every
    /// mask, which the forward pass writes.
    beside: Vec<Option<Tensor2>>,
    /// Factor on the sum.
    scale: f32,
}

impl Loss {
    /// The arguments of a kernel: [`Self::beside`] between those `before` and those `after` it.
    fn arguments<const N: usize>(
        &self,
        before: [Argument; 2],
        after: [Argument; N],
    ) -> Vec<Argument> {
        let beside = self.beside.iter().map(|beside| beside.as_ref().into());
        before.into_iter().chain(beside).chain(after).collect()
    }

    fn of(self, tape: &mut Tape, gpu: &Gpu, logits: &Tensor2, targets: &Tensor2) -> Tensor2 {
        let logits = logits.on(gpu);
        let (rows, points) = (logits.rows(), logits.columns());
        let targets = targets.on(gpu);
        let out = tape.output_on(gpu, 1, 1, &[&logits]);
        let losses = gpu.scratch::<f32>(rows);
        let [forward, backward] = self.kernels;
        let arguments = self.arguments(
            [(&logits).into(), (&targets).into()],
            [(&losses).into(), points.into()],
        );
        // SAFETY: logits, targets and weights of points [rows, points]; a weight of a mask, two sums and a loss a row;
        // out [1, 1].
        unsafe {
            if rows > 0 {
                gpu.launch(&SOURCE, forward, Grid::blocks(rows, THREADS), &arguments);
            }
            reduce::sum_all(gpu, losses.address(), out.address(), rows, self.scale);
        }

        let (gpu, source) = (gpu.clone(), out.clone());
        tape.record(&out, move |grads| {
            let after = [
                source.gradient_address(grads).into(),
                logits.gradient_address(grads).into(),
                rows.into(),
                points.into(),
                self.scale.into(),
            ];
            let arguments = self.arguments([(&logits).into(), (&targets).into()], after);
            let grid = Grid::items(rows * points, THREADS);
            // SAFETY: as forward; the gradient of the logits, without which nothing is recorded, is as large
            // as they are.
            unsafe { gpu.launch(&SOURCE, backward, grid, &arguments) };
        });
        out
    }
}
