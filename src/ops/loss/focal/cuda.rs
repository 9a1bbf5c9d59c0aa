//! Sigmoid focal loss on the GPU: a block adds up its share of the values, one more block the shares; backward a thread
//! computes the slope of a value anew.

use super::Focal;
use crate::ops::cuda::{reduce, source};
use crate::tensor::cuda::{Gpu, Grid, Source};
use crate::tensor::{Tape, Tensor2};

static SOURCE: Source = source!("focal");

const THREADS: u32 = 256;
/// Values of a block.
const SHARE: usize = 2048;

/// As [`crate::ops::sigmoid_focal`], which has checked the shapes.
pub(super) fn sigmoid_focal(
    tape: &mut Tape,
    gpu: &Gpu,
    logits: &Tensor2,
    targets: &Tensor2,
    weights: Option<&Tensor2>,
    focal: Focal,
    denominator: f32,
) -> Tensor2 {
    let [logits, targets] = [logits, targets].map(|input| input.on(gpu));
    let weights = weights.map(|weights| weights.on(gpu));
    let columns = logits.columns();
    let (count, [zero, one]) = (logits.len(), focal.weights());
    let blocks = count.div_ceil(SHARE);
    let (gamma, scale) = (focal.gamma, 1.0 / denominator);
    let out = tape.output_on(gpu, 1, 1, &[&logits]);
    let losses = gpu.scratch::<f32>(blocks);
    let arguments = [
        (&logits).into(),
        (&targets).into(),
        weights.as_ref().into(),
        (&losses).into(),
        count.into(),
        columns.into(),
        SHARE.into(),
        zero.into(),
        one.into(),
        gamma.into(),
    ];
    // SAFETY: logits and targets hold `count` values, weights one for every row (or null), losses one for every block,
    // out one.
    unsafe {
        if blocks > 0 {
            let grid = Grid::blocks(blocks, THREADS);
            gpu.launch(&SOURCE, "focal_forward", grid, &arguments);
        }
        reduce::sum_all(gpu, losses.address(), out.address(), blocks, scale);
    }
    let (gpu, source) = (gpu.clone(), out.clone());
    tape.record(&out, move |grads| {
        let arguments = [
            (&logits).into(),
            (&targets).into(),
            weights.as_ref().into(),
            source.gradient_address(grads).into(),
            logits.gradient_address(grads).into(),
            count.into(),
            columns.into(),
            zero.into(),
            one.into(),
            gamma.into(),
            scale.into(),
        ];
        let grid = Grid::items(count, THREADS);
        // SAFETY: as forward; the gradient of the logits, without which nothing is recorded, is as large as they are.
        unsafe { gpu.launch(&SOURCE, "focal_backward", grid, &arguments) };
    });
    out
}
