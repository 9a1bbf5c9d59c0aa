//! Every row of a matrix times its own factor, with gradient to both.
//!
//! `$$ y_{nc} = s_n\, x_{nc}, \qquad \partial x_{nc} = s_n\, \partial y_{nc}, \qquad
//!    \partial s_n = \sum_c x_{nc}\, \partial y_{nc} $$`
//!
//! Shapes: x `[N, C]`, s `[1, N]`. A norm that follows a convolution multiplies the kernel's rows.

#[allow(unsafe_code)]
mod cuda;

use crate::ops::cpu::gradient::pass;
use crate::ops::cpu::vector::dot;
use crate::tensor::cuda::Gpu;
use crate::tensor::{Tape, Tensor2};

/// The rows of `x [N, C]` times `s [1, N]`.
///
/// Panics if there are not as many factors as rows.
pub fn scale_rows(tape: &mut Tape, x: &Tensor2, s: &Tensor2) -> Tensor2 {
    assert_eq!(s.len(), x.rows(), "a factor for every row");
    if let Some(gpu) = Gpu::of(&[x, s]) {
        return cuda::scale_rows(tape, &gpu, x, s);
    }
    let columns = x.columns();
    let mut values = x.values().to_vec();
    for (row, factor) in values.chunks_exact_mut(columns.max(1)).zip(s.values()) {
        row.iter_mut().for_each(|value| *value *= factor);
    }
    let out = tape.output(values, x.rows(), columns, &[x, s]);
    let (x, s, source) = (x.clone(), s.clone(), out.clone());
    tape.record(&out, move |grads| {
        let gradient = source.take_gradient(grads);
        let rows = gradient.chunks_exact(columns.max(1));
        if x.requires_grad() {
            let to = x.gradient_mut(grads).chunks_exact_mut(columns.max(1));
            for ((to, row), factor) in to.zip(rows.clone()).zip(s.values()) {
                for (to, g) in to.iter_mut().zip(row) {
                    *to += factor * g;
                }
            }
        }
        let lines = x.values().chunks_exact(columns.max(1));
        let sums: Vec<f32> = rows.zip(lines).map(|(g, x)| dot(g, x)).collect();
        pass(&s, grads, &sums);
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{gradients, on_every_place, parameter, same_as_host};

    on_every_place! {
        fn every_row_has_its_own_factor(place) {
            let x = Tensor2::constant(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3, 2).to(place);
            let s = Tensor2::constant(vec![1.0, -2.0, 0.5], 1, 3).to(place);
            let y = scale_rows(&mut Tape::off(), &x, &s);
            assert_eq!(*y.host_values(), [1.0, 2.0, -6.0, -8.0, 2.5, 3.0]);
        }

        fn both_have_gradients(place) {
            for (rows, columns) in [(5, 3), (1, 40), (40, 1), (7, 33)] {
                let inputs = [parameter(1, rows, columns, 1.0), parameter(2, 1, rows, 1.0)];
                gradients(place, &inputs, 1e-2, 1e-3, |tape, i| scale_rows(tape, &i[0], &i[1]));
            }
        }

        fn large_matrices_are_those_of_the_host(place) {
            let inputs = [parameter(3, 300, 1153, 1.0), parameter(4, 1, 300, 1.0)];
            same_as_host(place, &inputs, 2e-5, |tape, i| scale_rows(tape, &i[0], &i[1]));
            let empty = [parameter(1, 0, 4, 1.0), parameter(2, 1, 0, 1.0)];
            same_as_host(place, &empty, 0.0, |tape, i| scale_rows(tape, &i[0], &i[1]));
        }

        fn what_requires_no_gradient_gets_none(place) {
            let (x, s) = (parameter(5, 3, 4, 1.0).to(place), parameter(6, 1, 3, 1.0).detach().to(place));
            let mut tape = Tape::recording();
            let y = scale_rows(&mut tape, &x, &s);
            let loss = crate::ops::check::loss_of(&mut tape, &y, vec![1.0; 12]);
            let mut grads = tape.backward(&loss);
            assert_eq!(s.gradient(&mut grads), [0.0; 3]);
            assert_eq!(x.gradient(&mut grads)[4], s.host_values()[1]);
        }
    }
}
