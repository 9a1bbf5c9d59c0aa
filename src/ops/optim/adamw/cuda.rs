//! AdamW on the GPU: the update of every parameter in one launch, after the norm of all gradients.

use super::{Coefficients, EPSILON, Moments};
use crate::ops::cuda::source;
use crate::ops::optim::moments::cuda::MomentsThere;
use crate::tensor::cuda::{Gpu, Source};
use crate::tensor::{Grads, Later, Tensor2};

static SOURCE: Source = source!("adamw");

/// As [`super::adamw`], which has checked the lengths.
pub(super) fn adamw(
    gpu: &Gpu,
    parameters: &mut [Tensor2],
    grads: &mut Grads,
    moments: &mut Moments,
    by: &Coefficients,
) -> Later<f64> {
    let there = MomentsThere::of(gpu, moments);
    let begun = there.begin(gpu, parameters, grads, by.clip);
    let [first, second] = &there.moments;
    let rest = [
        begun.values.into(),
        begun.gradients.into(),
        (&there.starts_there).into(),
        (&there.kinds).into(),
        first.into(),
        second.into(),
        (&begun.result).into(),
        by.sizes[1].into(),
        by.keeps[1].into(),
        by.sizes[0].into(),
        by.keeps[0].into(),
        by.root.into(),
        by.betas[0].into(),
        by.betas[1].into(),
        EPSILON.into(),
    ];
    let update = [&there.chunks.arguments()[..], &rest].concat();
    // SAFETY: the addresses are of live tensors, each the only one of its storage, and of their gradients, which are as
    // long and live in `grads`; the moments of each begin at its start and do not overlap.
    unsafe {
        if let Some(grid) = there.chunks.grid() {
            gpu.launch(&SOURCE, "adamw", grid, &update);
        }
    }
    begun.norm()
}
