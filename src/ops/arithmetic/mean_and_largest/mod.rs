//! The mean and the largest value of every row.
//!
//! `$$ y_{n1} = \frac1C \sum_c x_{nc}, \qquad y_{n2} = \max_c x_{nc}, \qquad
//!    \partial x_{nc} = \frac{\partial y_{n1}}{C} + [c = \arg\max_d x_{nd}]\, \partial y_{n2} $$`
//!
//! Of equal values the first one is the largest. Shapes: x `[N, C]`, y `[N, 2]`. Source: the spatial attention of
//! CenterMask (<https://arxiv.org/abs/1911.06667>, section 3.3), which reads both from the channels of a pixel.

#[allow(unsafe_code)]
mod cuda;

use crate::ops::cpu::parallel::run;
use crate::ops::cpu::vector::sum;
use crate::ops::cpu::{Split, unfilled};
use crate::tensor::cuda::Gpu;
use crate::tensor::{Tape, Tensor2};
use std::ops::Range;

/// The numbers of a row of the result.
const NUMBERS: usize = 2;

/// x `[N, C]` -> mean and largest value `[N, 2]`.
///
/// Panics if the rows hold nothing.
pub fn mean_and_largest(tape: &mut Tape, x: &Tensor2) -> Tensor2 {
    let (rows, columns) = (x.rows(), x.columns());
    assert!(columns > 0, "rows without a value");
    if let Some(gpu) = Gpu::of(&[x]) {
        return cuda::mean_and_largest(tape, &gpu, x);
    }
    let split = Split::new(rows, x.len());
    let mut values = unfilled(NUMBERS * rows);
    let shares = split
        .ranges()
        .zip(split.cut(&mut values, NUMBERS))
        .collect();
    run(shares, |(range, share): (Range<usize>, &mut [f32])| {
        let span = range.start * columns..range.end * columns;
        let lines = x.values()[span].chunks_exact(columns);
        for (to, line) in share.chunks_exact_mut(NUMBERS).zip(lines) {
            to[0] = sum(line) / columns as f32;
            to[1] = line[first_largest(line)];
        }
    });
    let out = tape.output(values, rows, NUMBERS, &[x]);
    let (x, source) = (x.clone(), out.clone());
    tape.record(&out, move |grads| {
        let gradient = source.take_gradient(grads);
        let to = x.gradient_mut(grads).chunks_exact_mut(columns);
        let lines = x.values().chunks_exact(columns);
        for ((to, line), gradient) in to.zip(lines).zip(gradient.chunks_exact(NUMBERS)) {
            let share = gradient[0] / columns as f32;
            to.iter_mut().for_each(|to| *to += share);
            to[first_largest(line)] += gradient[1];
        }
    });
    out
}

/// The place of the first largest value; 0 if none is a number.
fn first_largest(line: &[f32]) -> usize {
    let mut best = 0;
    for (place, value) in line.iter().enumerate() {
        if *value > line[best] {
            best = place;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{gradients, nothing, on_every_place, parameter, same_bits};
    use crate::ops::golden;

    #[test]
    fn threads_do_not_change_the_bits() {
        same_bits(&[parameter(1, 900, 130, 1.0)], |tape, i| {
            mean_and_largest(tape, &i[0])
        });
    }

    on_every_place! {
        fn gradients_match_differences(place) {
            gradients(place, &[parameter(2, 6, 70, 2.0)], 1e-3, 5e-3, |tape, i| mean_and_largest(tape, &i[0]));
        }

        fn of_equal_values_the_first_gets_the_gradient(place) {
            let x = Tensor2::parameter(vec![-4.0, -1.0, -1.0, -2.0], 1, 4).to(place);
            let mut tape = Tape::recording();
            let out = mean_and_largest(&mut tape, &x);
            assert_eq!(out.host_values()[..], [-2.0, -1.0]);
            let loss = crate::ops::check::loss_of(&mut tape, &out, vec![0.0, 3.0]);
            assert_eq!(x.gradient(&mut tape.backward(&loss)), [0.0, 3.0, 0.0, 0.0]);
        }

        fn no_rows_have_no_numbers(place) {
            nothing(place, &[Tensor2::parameter(vec![], 0, 5)], |tape, i| mean_and_largest(tape, &i[0]));
        }

        fn parity_with_pytorch(place) {
            let tensors = golden::load("centermask");
            golden::check(place, &tensors, "mean_and_largest", &["x"], 1e-6, |tape, i| mean_and_largest(tape, &i[0]));
        }
    }
}
