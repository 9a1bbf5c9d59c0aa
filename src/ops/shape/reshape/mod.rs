//! The same values in rows of another length.
//!
//! `$$ y_{k} = x_{k} \qquad k \text{ counts the values row by row} $$`
//!
//! Shapes: x `[N, C]` -> `[N', C']` with N C = N' C'. Source: `torch.reshape` of a contiguous tensor. A region's pixels
//! become one row for a linear layer, and a pixel's anchors become one row each.

#[allow(unsafe_code)]
mod cuda;

use crate::ops::cpu::gradient::pass;
use crate::tensor::cuda::Gpu;
use crate::tensor::{Tape, Tensor2};

/// `x` as `[rows, columns]`.
///
/// Panics if that is another number of values.
pub fn reshape(tape: &mut Tape, x: &Tensor2, rows: usize, columns: usize) -> Tensor2 {
    assert_eq!(x.len(), rows * columns, "values as [{rows}, {columns}]");
    if let Some(gpu) = Gpu::of(&[x]) {
        return cuda::reshape(tape, &gpu, x, rows, columns);
    }
    let out = tape.output(x.values().to_vec(), rows, columns, &[x]);
    let (x, source) = (x.clone(), out.clone());
    tape.record(&out, move |grads| {
        let gradient = source.take_gradient(grads);
        pass(&x, grads, &gradient);
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{gradients, nothing, on_every_place, parameter};

    on_every_place! {
        fn values_keep_their_order(place) {
            let x = parameter(1, 6, 5, 1.0).to(place);
            let y = reshape(&mut Tape::off(), &x, 2, 15);
            assert_eq!((y.rows(), y.columns()), (2, 15));
            assert_eq!(y.host_values(), x.host_values());
        }

        fn gradients_match_differences(place) {
            gradients(place, &[parameter(1, 6, 5, 1.0)], 1e-2, 1e-3, |tape, i| {
                reshape(tape, &i[0], 10, 3)
            });
            nothing(place, &[parameter(1, 0, 5, 1.0)], |tape, i| reshape(tape, &i[0], 0, 10));
        }
    }

    #[test]
    #[should_panic(expected = "values as [4, 4]")]
    fn another_number_of_values_is_refused() {
        reshape(&mut Tape::off(), &parameter(1, 3, 5, 1.0), 4, 4);
    }
}
