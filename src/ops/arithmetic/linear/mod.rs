//! Fully connected layer, with bias and ReLU in the same pass.
//!
//! `$$ y = x W^\top + b, \qquad \text{optionally } y \leftarrow \max(y, 0) $$`
//!
//! Shapes: N rows, I inputs, O outputs; x [N, I], weight [O, I], bias [1, O] -> [N, O].
//! Source: `torch.nn.Linear` (layout of the weight).

#[allow(unsafe_code)]
mod cuda;

use crate::ops::cpu::{Matrix, MatrixMut, Split, Write, epilogue, gemm, parallel, unfilled};
use crate::tensor::cuda::Gpu;
use crate::tensor::{Grads, Tape, Tensor2};
use std::ops::Range;

/// x [N, I], weight [O, I], bias [1, O] -> [N, O].
///
/// Panics unless the shapes agree.
pub fn linear(
    tape: &mut Tape,
    x: &Tensor2,
    weight: &Tensor2,
    bias: Option<&Tensor2>,
    relu: bool,
) -> Tensor2 {
    let (n, i, o) = (x.rows(), x.columns(), weight.rows());
    assert_eq!(
        weight.columns(),
        i,
        "a weight [{o}, {}] on x [{n}, {i}]",
        weight.columns()
    );
    if let Some(bias) = bias {
        assert_eq!(
            (bias.rows(), bias.columns()),
            (1, o),
            "the bias of [{o}, {i}]"
        );
    }
    if let Some(gpu) = Gpu::of(&[x, weight]) {
        return cuda::linear(tape, &gpu, x, weight, bias, relu);
    }
    let split = split(n, i, o);
    let mut y = unfilled(n * o);
    let shares = split.ranges().zip(split.cut(&mut y, o)).collect();
    parallel::run(shares, |(rows, y): (Range<usize>, &mut [f32])| {
        let x = Matrix::new(&x.values()[rows.start * i..], rows.len(), i);
        let weight = Matrix::new(weight.values(), o, i).t();
        gemm(
            MatrixMut::new(y, rows.len(), o),
            Write::Replace,
            x,
            weight,
            1.0,
        );
        epilogue::apply(y, o, None, bias.map(Tensor2::values), relu);
    });
    let inputs: Vec<&Tensor2> = [x, weight].into_iter().chain(bias).collect();
    let out = tape.output(y, n, o, &inputs);
    let (x, weight, bias, output) = (x.clone(), weight.clone(), bias.cloned(), out.clone());
    tape.record(&out, move |grads| {
        backward(grads, &x, &weight, bias.as_ref(), &output, relu)
    });
    out
}

/// The data of one part of the backward pass: rows of the gradients of y and of x.
struct Share<'a> {
    rows: Range<usize>,
    gradient: &'a mut [f32],
    x_gradient: Option<&'a mut [f32]>,
}

/// `$$ \partial W = g^\top x, \quad \partial x = g W, \quad
///    \partial b = \textstyle\sum_n g_n $$` with g the gradient before the ReLU.
fn backward(
    grads: &mut Grads,
    x: &Tensor2,
    weight: &Tensor2,
    bias: Option<&Tensor2>,
    y: &Tensor2,
    relu: bool,
) {
    let (i, o) = (weight.columns(), weight.rows());
    let split = split(x.rows(), i, o);
    let bias = bias.filter(|bias| bias.requires_grad());
    let mut gradient = y.take_gradient(grads);
    let mut x_gradient = x.requires_grad().then(|| x.take_gradient(grads));
    let shares = split
        .ranges()
        .zip(split.cut(&mut gradient, o))
        .zip(split.cut_some(x_gradient.as_deref_mut(), i))
        .map(|((rows, gradient), x_gradient)| Share {
            rows,
            gradient,
            x_gradient,
        })
        .collect();
    let partials = parallel::map(shares, |share: Share| {
        let Share {
            rows,
            gradient,
            x_gradient,
        } = share;
        let mut bias_sum = vec![0.0; bias.map_or(0, Tensor2::len)];
        let output = relu.then(|| &y.values()[rows.start * o..rows.end * o]);
        let shift = bias.map(|_| &mut bias_sum[..]);
        epilogue::backward(gradient, o, output, None, shift);
        let g = Matrix::new(gradient, rows.len(), o);
        if let Some(x_gradient) = x_gradient {
            let target = MatrixMut::new(x_gradient, rows.len(), i);
            gemm(
                target,
                Write::Add,
                g,
                Matrix::new(weight.values(), o, i),
                1.0,
            );
        }
        let mut weight_sum = Vec::new();
        if weight.requires_grad() {
            weight_sum = unfilled(o * i);
            let x = Matrix::new(&x.values()[rows.start * i..], rows.len(), i);
            gemm(
                MatrixMut::new(&mut weight_sum, o, i),
                Write::Replace,
                g.t(),
                x,
                1.0,
            );
        }
        (weight_sum, bias_sum)
    });
    if let Some(x_gradient) = x_gradient {
        x.put_gradient(grads, x_gradient);
    }
    if weight.requires_grad() {
        let sums = partials.iter().map(|(sum, _)| &sum[..]);
        parallel::add_partials(weight.gradient_mut(grads), sums);
    }
    if let Some(bias) = bias {
        let sums = partials.iter().map(|(_, sum)| &sum[..]);
        parallel::add_partials(bias.gradient_mut(grads), sums);
    }
}

/// The division of the rows, the same forward and backward.
fn split(n: usize, i: usize, o: usize) -> Split {
    Split::new(n, n * i * o)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{
        self, gradients, on_a_gpu, on_every_place, on_tensor_cores, parameter,
    };
    use crate::ops::golden;

    #[test]
    fn one_and_two_threads_give_the_same_bits() {
        let inputs = [
            parameter(1, 1001, 24, 1.0),
            parameter(2, 40, 24, 1.0),
            parameter(3, 1, 40, 1.0),
        ];
        check::same_bits(&inputs, |tape, t| {
            linear(tape, &t[0], &t[1], Some(&t[2]), true)
        });
    }

    on_every_place! {
        fn gradients_match_differences(place) {
            for (n, i, o) in [(1, 1, 1), (7, 5, 3), (40, 33, 17)] {
                let (x, w, b) = (
                    parameter(1, n, i, 1.0),
                    parameter(2, o, i, 0.5),
                    parameter(3, 1, o, 0.5),
                );
                gradients(place, &[x.clone(), w.clone(), b], 0.05, 2e-3, |tape, t| {
                    linear(tape, &t[0], &t[1], Some(&t[2]), false)
                });
                gradients(place, &[x, w], 0.05, 2e-3, |tape, t| {
                    linear(tape, &t[0], &t[1], None, false)
                });
            }
        }

        fn gradients_match_differences_away_from_the_kink(place) {
            // Biases of +-8 fix the sign of every output.
            let signs = (0..6)
                .map(|c| if c % 2 == 0 { 8.0 } else { -8.0 })
                .collect();
            let inputs = [
                parameter(1, 9, 4, 0.5),
                parameter(2, 6, 4, 0.5),
                Tensor2::parameter(signs, 1, 6),
            ];
            gradients(place, &inputs, 0.05, 2e-3, |tape, t| {
                linear(tape, &t[0], &t[1], Some(&t[2]), true)
            });
        }

        fn frozen_inputs_get_no_gradient(place) {
            let (x, w, b) = (
                parameter(1, 300, 40, 1.0).detach(),
                parameter(2, 50, 40, 1.0),
                parameter(3, 1, 50, 1.0).detach(),
            );
            gradients(place, &[x.clone(), w.clone(), b.clone()], 0.05, 2e-3, |tape, t| {
                linear(tape, &t[0], &t[1], Some(&t[2]), false)
            });
            let mut tape = Tape::recording();
            assert!(!linear(&mut tape, &x, &w.detach(), Some(&b), true).requires_grad());
        }

        fn parity_with_pytorch(place) {
            let tensors = golden::load("ops1");
            golden::check(
                place,
                &tensors,
                "linear",
                &["x", "weight", "bias"],
                1e-5,
                |tape, t| linear(tape, &t[0], &t[1], Some(&t[2]), false),
            );
            golden::check(
                place,
                &tensors,
                "linear_relu",
                &["x", "weight"],
                1e-5,
                |tape, t| linear(tape, &t[0], &t[1], None, true),
            );
        }
    }

    on_tensor_cores! {
        fn parity_with_pytorch_on_tensor_cores(place, tolerance) {
            let (tensors, inputs) = (golden::load("ops1"), ["x", "weight", "bias"]);
            golden::check(place, &tensors, "linear", &inputs, tolerance, |tape, t| {
                linear(tape, &t[0], &t[1], Some(&t[2]), false)
            });
        }
    }

    on_a_gpu! {
        /// A precision that is not heeded would pass every test that only bounds its error.
        fn a_coarser_precision_is_coarser_cuda() {
            use crate::tensor::{Place, Precision};
            let (x, weight) = (parameter(1, 64, 128, 1.0), parameter(2, 32, 128, 1.0));
            let product = |place: &Place| {
                let out = linear(
                    &mut Tape::off(),
                    &x.to(place),
                    &weight.to(place),
                    None,
                    false,
                );
                out.host_values().into_owned()
            };
            let exact = product(&Place::Host);
            let error = |precision| {
                let found = product(&crate::ops::check::gpu(precision));
                let errors = found.iter().zip(&exact).map(|(a, b)| (a - b).abs());
                errors.fold(0.0, f32::max)
            };
            let [f32, tf32, bf16] = [Precision::F32, Precision::Tf32, Precision::Bf16].map(error);
            assert!(
                f32 < 1e-4 && tf32 > 10.0 * f32 && bf16 > 2.0 * tf32,
                "{f32} {tf32} {bf16}"
            );
        }
    }
}
