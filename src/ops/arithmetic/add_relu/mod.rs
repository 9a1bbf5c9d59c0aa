//! Residual sum with rectification: `$$ y = \max(a + b, 0) $$`.
//!
//! Shapes: a, b, y `[N, C]`. The end of a residual block whose norm is folded into its convolution.

#[allow(unsafe_code)]
mod cuda;

use rayon::prelude::*;

use crate::tensor::cuda::Gpu;
use crate::tensor::{Tape, Tensor2};

/// Values of one part of the work: many enough to outweigh handing them to a thread. Parts depend on the
/// shape alone.
const PART: usize = 1 << 15;

/// a, b `[N, C]` -> `[N, C]`. Panics on different shapes.
pub fn add_relu(tape: &mut Tape, a: &Tensor2, b: &Tensor2) -> Tensor2 {
    let shape = (a.rows(), a.columns());
    assert_eq!(shape, (b.rows(), b.columns()), "add_relu of two shapes");
    if let Some(gpu) = Gpu::of(&[a, b]) {
        return cuda::add_relu(tape, &gpu, a, b);
    }
    let mut values = a.values().to_vec();
    let parts = values.par_chunks_mut(PART).zip(b.values().par_chunks(PART));
    parts.for_each(|(y, b)| {
        y.iter_mut()
            .zip(b)
            .for_each(|(y, b)| *y = (*y + b).max(0.0))
    });
    let out = tape.output(values, shape.0, shape.1, &[a, b]);
    let (source, inputs) = (out.clone(), [a.clone(), b.clone()]);
    tape.record(&out, move |grads| {
        let mut gradient = source.take_gradient(grads);
        let parts = gradient
            .par_chunks_mut(PART)
            .zip(source.values().par_chunks(PART));
        parts.for_each(|(g, y)| {
            g.iter_mut()
                .zip(y)
                .filter(|(_, y)| **y <= 0.0)
                .for_each(|(g, _)| *g = 0.0);
        });
        for input in inputs.iter().filter(|input| input.requires_grad()) {
            let sums = input
                .gradient_mut(grads)
                .par_chunks_mut(PART)
                .zip(gradient.par_chunks(PART));
            sums.for_each(|(sum, g)| sum.iter_mut().zip(g).for_each(|(sum, g)| *sum += g));
        }
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{self, on_every_place, parameter};

    on_every_place! {
        fn the_sum_is_cut_at_zero(place) {
            let a = Tensor2::constant(vec![1.0, -2.0, 0.5], 1, 3).to(place);
            let b = Tensor2::constant(vec![1.0, 1.0, -0.5], 1, 3).to(place);
            let y = add_relu(&mut Tape::off(), &a, &b);
            assert_eq!(y.host_values()[..], [2.0, 0.0, 0.0]);
        }

        fn sums_of_nothing_are_nothing(place) {
            check::nothing(place, &[parameter(1, 0, 7, 1.0), parameter(2, 0, 7, 1.0)], |tape, x| {
                add_relu(tape, &x[0], &x[1])
            });
        }

        fn a_frozen_term_gets_no_gradient(place) {
            let inputs = [parameter(1, 5, 7, 1.0), parameter(2, 5, 7, 1.0).detach()];
            check::gradients(place, &inputs, 1e-3, 1e-2, |tape, x| add_relu(tape, &x[0], &x[1]));
        }

        fn gradients(place) {
            let inputs = [
                check::parameter(1, 5, 7, 1.0),
                check::parameter(2, 5, 7, 1.0),
            ];
            check::gradients(place, &inputs, 1e-3, 1e-2, |tape, x| add_relu(tape, &x[0], &x[1]));
        }
    }
}
