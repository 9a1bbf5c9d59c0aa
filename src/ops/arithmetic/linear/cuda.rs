//! Fully connected layer on the GPU: cuBLAS's product, then bias and ReLU in one kernel.

use crate::ops::cuda::{reduce, source};
use crate::tensor::cuda::{Gpu, Grid, Operand, Product, Source};
use crate::tensor::{Grads, Tape, Tensor2};

static SOURCE: Source = source!("linear");

const THREADS: u32 = 256;

/// As [`crate::ops::linear`], which has checked the shapes.
pub(super) fn linear(
    tape: &mut Tape,
    gpu: &Gpu,
    x: &Tensor2,
    weight: &Tensor2,
    bias: Option<&Tensor2>,
    relu: bool,
) -> Tensor2 {
    let [x, weight] = [x, weight].map(|input| input.on(gpu));
    let bias = bias.map(|bias| bias.on(gpu));
    let (n, i, o) = (x.rows(), x.columns(), weight.rows());
    let mut inputs = vec![&x, &weight];
    inputs.extend(&bias);
    let out = tape.output_on(gpu, n, o, &inputs);
    let [a, b, c] = [(&x, i), (&weight, i), (&out, o)]
        .map(|(tensor, columns)| Operand::new(tensor.address(), columns));
    // SAFETY: x [n, i], weight [o, i], out [n, o].
    unsafe { gpu.multiply(Product::one(n, o, i), a, b.t(), c) };
    if bias.is_some() || relu {
        let arguments = [
            (&out).into(),
            bias.as_ref().into(),
            n.into(),
            o.into(),
            relu.into(),
        ];
        // SAFETY: out [n, o], bias [1, o].
        unsafe {
            gpu.launch(
                &SOURCE,
                "bias_relu",
                Grid::items(n * o, THREADS),
                &arguments,
            )
        };
    }

    let (gpu, source) = (gpu.clone(), out.clone());
    tape.record(&out, move |grads| {
        backward(&gpu, grads, &x, &weight, bias.as_ref(), &source, relu)
    });
    out
}

fn backward(
    gpu: &Gpu,
    grads: &mut Grads,
    x: &Tensor2,
    weight: &Tensor2,
    bias: Option<&Tensor2>,
    y: &Tensor2,
    relu: bool,
) {
    let (n, i, o) = (x.rows(), x.columns(), weight.rows());
    let Some(gradient) = y.gradient_address(grads) else {
        return;
    };
    if relu {
        let arguments = [gradient.into(), y.into(), n.into(), o.into()];
        let grid = Grid::items(n * o, THREADS);
        // SAFETY: the gradient of y is as large as y.
        unsafe { gpu.launch(&SOURCE, "relu_backward", grid, &arguments) };
    }
    let g = Operand::new(gradient, o);
    let [x_values, weights] = [x, weight].map(|tensor| Operand::new(tensor.address(), i));
    if let Some(to) = x.gradient_address(grads) {
        let product = Product::one(n, i, o).adding();
        // SAFETY: g [n, o], weight [o, i], the gradient of x [n, i].
        unsafe { gpu.multiply(product, g, weights, Operand::new(to, i)) };
    }
    if let Some(to) = weight.gradient_address(grads) {
        let product = Product::one(o, i, n).adding();
        // SAFETY: g [n, o], x [n, i], the gradient of the weight [o, i].
        unsafe { gpu.multiply(product, g.t(), x_values, Operand::new(to, i)) };
    }
    if let Some(to) = bias.and_then(|bias| bias.gradient_address(grads)) {
        // SAFETY: g [n, o], the gradient of the bias [1, o].
        unsafe { reduce::add_sum_of_rows(gpu, gradient, to, n, o) };
    }
}
