//! Transposed convolution on the GPU: cuBLAS's product gives the patch of every pixel, a kernel lays the patches out as
//! a map. Backward the same kernel's inverse comes first.

use super::Sizes;
use crate::ops::cuda::{reduce, source};
use crate::tensor::cuda::{Argument, Gpu, Grid, Operand, Product, Source};
use crate::tensor::{Tape, Tensor2};

static SOURCE: Source = source!("transposed");

const THREADS: u32 = 256;

/// As [`crate::ops::conv_transpose2d`], which has checked the shapes.
pub(super) fn conv_transpose2d(
    tape: &mut Tape,
    gpu: &Gpu,
    x: &Tensor2,
    weight: &Tensor2,
    bias: &Tensor2,
    sizes: Sizes,
    relu: bool,
) -> Tensor2 {
    let [x, weight, bias] = [x, weight, bias].map(|input| input.on(gpu));
    let (pixels, channels, patch) = (sizes.lines * sizes.width, sizes.channels, sizes.patch());
    let rows = pixels * sizes.kernel * sizes.kernel;
    let out = tape.output_on(gpu, rows, sizes.outputs, &[&x, &weight, &bias]);
    if out.is_empty() {
        return out;
    }
    let grid = Grid::items(out.len(), THREADS);
    let shape: [Argument; 5] = [
        sizes.lines.into(),
        sizes.width.into(),
        sizes.kernel.into(),
        sizes.outputs.into(),
        relu.into(),
    ];
    let patches = gpu.scratch::<f32>(pixels * patch);
    let operand = |address, columns| Operand::new(address, columns);
    let mut arguments = vec![(&patches).into(), (&bias).into(), (&out).into()];
    arguments.extend(shape);
    // SAFETY: x [pixels, channels], weight [channels, patch], patches [pixels, patch]; out has as many values, bias
    // one for each output channel.
    unsafe {
        gpu.multiply(
            Product::one(pixels, patch, channels),
            operand(x.address(), channels),
            operand(weight.address(), patch),
            operand(patches.address(), patch),
        );
        gpu.launch(&SOURCE, "transposed_forward", grid, &arguments);
    }

    let (gpu, source) = (gpu.clone(), out.clone());
    tape.record(&out, move |grads| {
        let Some(gradient) = source.gradient_address(grads) else {
            return;
        };
        let patches = gpu.scratch::<f32>(pixels * patch);
        let mut arguments = vec![gradient.into(), (&source).into(), (&patches).into()];
        arguments.extend(shape);
        // SAFETY: as forward; the kernel writes every value of the patches, and sets the gradient to 0 where the ReLU
        // did.
        unsafe { gpu.launch(&SOURCE, "transposed_backward", grid, &arguments) };
        let g = operand(patches.address(), patch);
        if let Some(to) = x.gradient_address(grads) {
            let product = Product::one(pixels, channels, patch).adding();
            let weight = operand(weight.address(), patch);
            // SAFETY: g [pixels, patch], weight [channels, patch], to [pixels, channels].
            unsafe { gpu.multiply(product, g, weight.t(), operand(to, channels)) };
        }
        if let Some(to) = weight.gradient_address(grads) {
            let product = Product::one(channels, patch, pixels).adding();
            let x = operand(x.address(), channels);
            // SAFETY: x [pixels, channels], g [pixels, patch], to [channels, patch].
            unsafe { gpu.multiply(product, x.t(), g, operand(to, patch)) };
        }
        if let Some(to) = bias.gradient_address(grads) {
            // SAFETY: the gradient [rows, outputs], to [outputs].
            unsafe { reduce::add_sum_of_rows(&gpu, gradient, to, rows, sizes.outputs) };
        }
    });
    out
}
