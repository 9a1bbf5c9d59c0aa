//! Stochastic gradient descent on the GPU: the update of every parameter in one launch, after the norm of all
//! gradients.

use super::{Moments, SgdStep};
use crate::ops::cuda::source;
use crate::ops::optim::moments::cuda::MomentsThere;
use crate::tensor::cuda::{Gpu, Source};
use crate::tensor::{Grads, Later, Tensor2};

static SOURCE: Source = source!("sgd");

/// As [`super::sgd`], which has checked the lengths.
pub(super) fn sgd(
    gpu: &Gpu,
    parameters: &mut [Tensor2],
    grads: &mut Grads,
    moments: &mut Moments,
    step: &SgdStep,
) -> Later<f64> {
    let there = MomentsThere::of(gpu, moments);
    let begun = there.begin(gpu, parameters, grads, step.clip);
    let rest = [
        begun.values.into(),
        begun.gradients.into(),
        (&there.starts_there).into(),
        (&there.kinds).into(),
        (&there.moments[0]).into(),
        (&begun.result).into(),
        step.rates[1].into(),
        step.rates[0].into(),
        step.weight_decay.into(),
        step.momentum.into(),
    ];
    let update = [&there.chunks.arguments()[..], &rest].concat();
    // SAFETY: the addresses are of live tensors, each the only one of its storage, and of their gradients, which are as
    // long and live in `grads`; the velocity of each begins at its start and does not overlap another.
    unsafe {
        if let Some(grid) = there.chunks.grid() {
            gpu.launch(&SOURCE, "sgd", grid, &update);
        }
    }
    begun.norm()
}
