//! Batch norm with fixed statistics as a scale and a shift, on the GPU: a thread has a channel.

use crate::ops::cuda::source;
use crate::tensor::Tensor2;
use crate::tensor::cuda::{Argument, Gpu, Grid, Source};

static SOURCE: Source = source!("fold_norm");

const THREADS: u32 = 128;

/// As [`crate::ops::fold_norm`], which has checked the lengths: gamma, beta, mean, variance.
pub(super) fn fold_norm(gpu: &Gpu, inputs: [&Tensor2; 4], eps: f32) -> (Tensor2, Tensor2) {
    let inputs = inputs.map(|input| input.on(gpu));
    let channels = inputs[0].len();
    let [scale, shift] = [(); 2].map(|()| gpu.unwritten(1, channels));
    let [gamma, beta, mean, variance] = inputs.each_ref().map(Argument::from);
    let arguments = [
        gamma,
        beta,
        mean,
        variance,
        (&scale).into(),
        (&shift).into(),
        channels.into(),
        eps.into(),
    ];
    let grid = Grid::items(channels, THREADS);
    // SAFETY: all six are [1, channels].
    unsafe { gpu.launch(&SOURCE, "fold_norm", grid, &arguments) };
    (scale, shift)
}
