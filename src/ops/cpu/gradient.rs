//! Adding to the gradients of inputs.

use super::Split;
use super::parallel::run;
use crate::tensor::{Grads, Tensor2};
use std::ops::Range;

/// `to += from`, over all threads.
pub(crate) fn accumulate(to: &mut [f32], from: &[f32]) {
    assert_eq!(to.len(), from.len(), "a gradient of another shape");
    let split = Split::new(to.len(), to.len());
    let shares = split.ranges().zip(split.cut(to, 1)).collect();
    run(shares, |(range, share): (Range<usize>, &mut [f32])| {
        for (t, f) in share.iter_mut().zip(&from[range]) {
            *t += f;
        }
    });
}

/// Adds `gradient` to the gradient of `input` where that input requires one.
pub(crate) fn pass(input: &Tensor2, grads: &mut Grads, gradient: &[f32]) {
    if input.requires_grad() {
        accumulate(input.gradient_mut(grads), gradient);
    }
}
