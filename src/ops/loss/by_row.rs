//! A loss that is a sum over rows, on the CPU: threads share the rows, and the sum of their results has one order.

use crate::ops::cpu::parallel::run;
use crate::ops::cpu::vector::sum;
use crate::ops::cpu::{Split, unfilled};
use crate::tensor::{Tape, Tensor2};
use std::ops::Range;

/// Sums `row(index, logits, targets, slopes)` over the rows; it writes its own derivative to `slopes`. `work`: the cost
/// of a value in multiply-adds.
///
/// Shapes: logits and targets `[n, P]` -> `[1, 1]`.
pub(super) fn sum_of_rows(
    tape: &mut Tape,
    logits: &Tensor2,
    targets: &[f32],
    work: usize,
    row: impl Fn(usize, &[f32], &[f32], &mut [f32]) -> f32 + Send + Sync,
) -> Tensor2 {
    let (rows, points) = (logits.rows(), logits.columns());
    let mut slopes = unfilled(rows * points);
    let mut totals = vec![0.0; rows];
    let split = Split::new(rows, rows * points * work);
    let shares = split
        .ranges()
        .zip(split.cut(&mut slopes, points))
        .zip(split.cut(&mut totals, 1))
        .collect();
    type Share<'a> = ((Range<usize>, &'a mut [f32]), &'a mut [f32]);
    run(shares, |((range, slopes), totals): Share| {
        for ((n, slopes), total) in range
            .zip(slopes.chunks_exact_mut(points.max(1)))
            .zip(totals)
        {
            let span = n * points..(n + 1) * points;
            *total = row(n, &logits.values()[span.clone()], &targets[span], slopes);
        }
    });

    let out = tape.output(vec![sum(&totals)], 1, 1, &[logits]);
    let (logits, source) = (logits.clone(), out.clone());
    tape.record(&out, move |grads| {
        let factor = source.take_gradient(grads)[0];
        for (to, slope) in logits.gradient_mut(grads).iter_mut().zip(&slopes) {
            *to += factor * slope;
        }
    });
    out
}
