//! Transposed convolution whose stride is the side of its kernel, so that every output pixel has one source.
//!
//! `$$ y[i k + a,\; j k + b,\; o] = \sum_c x[i, j, c]\; W[c, a, b, o] + b_o, \qquad
//!    \text{optionally } y \leftarrow \max(y, 0) $$`
//!
//! Shapes: B images of H x W, Ci input and Co output channels, k kernel and stride; x `[B H W, Ci]`, weight
//! `[Ci, k k Co]`, bias `[1, Co]` -> `[B H k W k, Co]`. The weight is torchvision's `[Ci, Co, k, k]` with the output
//! channels moved last. Source: `torch.nn.ConvTranspose2d`; the mask head of Mask R-CNN has k = 2
//! (<https://arxiv.org/abs/1703.06870>, figure 4).

#[allow(unsafe_code)]
mod cuda;

use crate::ops::cpu::{Matrix, MatrixMut, Split, Write, epilogue, gemm, parallel, unfilled};
use crate::tensor::cuda::Gpu;
use crate::tensor::{Grads, Map, Tape, Tensor2};
use std::ops::Range;

/// The sizes of one call.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    /// The lines of pixels of all images of x.
    lines: usize,
    /// Pixels of a line of x.
    width: usize,
    /// Input channels.
    channels: usize,
    /// Output channels.
    outputs: usize,
    /// The side of the kernel, and the stride.
    kernel: usize,
}

impl Sizes {
    /// Values that one pixel of x becomes.
    fn patch(&self) -> usize {
        self.kernel * self.kernel * self.outputs
    }

    /// Values of y that one line of x becomes.
    fn line(&self) -> usize {
        self.width * self.patch()
    }

    fn split(&self) -> Split {
        Split::new(self.lines, self.lines * self.line() * self.channels)
    }

    /// Calls `copy` with the place of every run of output channels: in y, and among the patches of x's pixels. Both
    /// begin at the same line of x.
    fn runs(&self, lines: usize, mut copy: impl FnMut(Range<usize>, Range<usize>)) {
        let (k, o) = (self.kernel, self.outputs);
        for line in 0..lines {
            for column in 0..self.width {
                let patch = line * self.line() + column * self.patch();
                for a in 0..k {
                    let there = patch + a * k * o;
                    let here = line * self.line() + (a * self.width + column) * k * o;
                    copy(here..here + k * o, there..there + k * o);
                }
            }
        }
    }
}

/// x of Ci channels, weight `[Ci, kernel * kernel * Co]` in (ky, kx, channel) order, bias `[1, Co]` -> Co channels,
/// each side `kernel` times as long.
///
/// Panics unless the shapes agree.
pub fn conv_transpose2d(
    tape: &mut Tape,
    x: &Map,
    weight: &Tensor2,
    bias: &Tensor2,
    kernel: usize,
    relu: bool,
) -> Map {
    let sizes = Sizes {
        lines: x.batch * x.height,
        width: x.width,
        channels: x.channels(),
        outputs: bias.columns(),
        kernel,
    };
    assert_eq!(
        (weight.rows(), weight.columns(), bias.rows()),
        (sizes.channels, sizes.patch(), 1),
        "the weight and the bias of a transposed convolution"
    );
    let of = |data| Map::new(data, x.batch, x.height * kernel, x.width * kernel);
    if let Some(gpu) = Gpu::of(&[&x.data, weight]) {
        return of(cuda::conv_transpose2d(
            tape, &gpu, &x.data, weight, bias, sizes, relu,
        ));
    }
    let mut y = unfilled(sizes.lines * sizes.line());
    let split = sizes.split();
    let shares = split
        .ranges()
        .zip(split.cut(&mut y, sizes.line()))
        .collect();
    parallel::run(shares, |(lines, y): (Range<usize>, &mut [f32])| {
        let pixels = lines.len() * sizes.width;
        let from = &x.data.values()[lines.start * sizes.width * sizes.channels..];
        let mut patches = unfilled(pixels * sizes.patch());
        gemm(
            MatrixMut::new(&mut patches, pixels, sizes.patch()),
            Write::Replace,
            Matrix::new(from, pixels, sizes.channels),
            Matrix::new(weight.values(), sizes.channels, sizes.patch()),
            1.0,
        );
        sizes.runs(lines.len(), |here, there| {
            y[here].copy_from_slice(&patches[there])
        });
        epilogue::apply(y, sizes.outputs, None, Some(bias.values()), relu);
    });
    let rows = sizes.lines * sizes.width * kernel * kernel;
    let out = tape.output(y, rows, sizes.outputs, &[&x.data, weight, bias]);
    let (x, weight, bias, output) = (x.data.clone(), weight.clone(), bias.clone(), out.clone());
    tape.record(&out, move |grads| {
        backward(grads, [&x, &weight, &bias], &output, sizes, relu)
    });
    of(out)
}

/// `$$ \partial W = x^\top g, \quad \partial x = g W^\top, \quad \partial b = \textstyle\sum g $$` with g the gradient
/// before the ReLU, as patches of x's pixels.
fn backward(
    grads: &mut Grads,
    [x, weight, bias]: [&Tensor2; 3],
    y: &Tensor2,
    sizes: Sizes,
    relu: bool,
) {
    let split = sizes.split();
    let mut gradient = y.take_gradient(grads);
    let mut x_gradient = x.requires_grad().then(|| x.take_gradient(grads));
    type Share<'a> = ((Range<usize>, &'a mut [f32]), Option<&'a mut [f32]>);
    let shares = split
        .ranges()
        .zip(split.cut(&mut gradient, sizes.line()))
        .zip(split.cut_some(x_gradient.as_deref_mut(), sizes.width * sizes.channels))
        .collect();
    let partials = parallel::map(shares, |((lines, gradient), x_gradient): Share| {
        let pixels = lines.len() * sizes.width;
        let mut bias_sum = vec![0.0; bias.len()];
        let output = relu.then(|| &y.values()[lines.start * sizes.line()..][..gradient.len()]);
        epilogue::backward(gradient, sizes.outputs, output, None, Some(&mut bias_sum));
        let mut patches = unfilled(gradient.len());
        sizes.runs(lines.len(), |here, there| {
            patches[there].copy_from_slice(&gradient[here])
        });
        let g = Matrix::new(&patches, pixels, sizes.patch());
        if let Some(x_gradient) = x_gradient {
            let weight = Matrix::new(weight.values(), sizes.channels, sizes.patch());
            let to = MatrixMut::new(x_gradient, pixels, sizes.channels);
            gemm(to, Write::Add, g, weight.t(), 1.0);
        }
        let mut weight_sum = Vec::new();
        if weight.requires_grad() {
            let from = &x.values()[lines.start * sizes.width * sizes.channels..];
            weight_sum = unfilled(weight.len());
            gemm(
                MatrixMut::new(&mut weight_sum, sizes.channels, sizes.patch()),
                Write::Replace,
                Matrix::new(from, pixels, sizes.channels).t(),
                g,
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
    if bias.requires_grad() {
        let sums = partials.iter().map(|(_, sum)| &sum[..]);
        parallel::add_partials(bias.gradient_mut(grads), sums);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{self, gradients, nothing, on_every_place, parameter};
    use crate::ops::golden;

    fn inputs(batch: usize, h: usize, w: usize, ci: usize, co: usize, k: usize) -> [Tensor2; 3] {
        [
            parameter(1, batch * h * w, ci, 1.0),
            parameter(2, ci, k * k * co, 0.5),
            parameter(3, 1, co, 0.5),
        ]
    }

    on_every_place! {
        fn a_pixel_becomes_the_kernel(place) {
            // Kernel of one input and one output channel: 1 2 / 3 4.
            let x = Map::new(Tensor2::constant(vec![1.0, 10.0], 2, 1).to(place), 1, 1, 2);
            let weight = Tensor2::constant(vec![1.0, 2.0, 3.0, 4.0], 1, 4).to(place);
            let bias = Tensor2::constant(vec![0.5], 1, 1).to(place);
            let y = conv_transpose2d(&mut Tape::off(), &x, &weight, &bias, 2, false);
            assert_eq!((y.batch, y.height, y.width), (1, 2, 4));
            assert_eq!(*y.data.host_values(), [1.5, 2.5, 10.5, 20.5, 3.5, 4.5, 30.5, 40.5]);
        }

        fn gradients_match_differences(place) {
            for (batch, h, w, ci, co, k) in [(1, 1, 1, 1, 1, 1), (2, 3, 4, 5, 3, 2), (1, 2, 2, 4, 2, 3)] {
                gradients(place, &inputs(batch, h, w, ci, co, k), 0.05, 2e-3, |tape, i| {
                    let x = Map::new(i[0].clone(), batch, h, w);
                    conv_transpose2d(tape, &x, &i[1], &i[2], k, false).data
                });
            }
        }

        fn no_region_gives_an_empty_result(place) {
            nothing(place, &inputs(0, 3, 3, 4, 2, 2), |tape, i| {
                conv_transpose2d(tape, &Map::new(i[0].clone(), 0, 3, 3), &i[1], &i[2], 2, true).data
            });
        }

        fn parity_with_pytorch(place) {
            let tensors = golden::load("rcnn_ops");
            golden::check(place, &tensors, "conv_transpose", &["x", "weight", "bias"], 1e-5, |tape, i| {
                let x = Map::new(i[0].clone(), 2, 3, 5);
                conv_transpose2d(tape, &x, &i[1], &i[2], 2, true).data
            });
        }
    }

    #[test]
    fn one_and_two_threads_give_the_same_bits() {
        check::same_bits(&inputs(3, 7, 7, 24, 16, 2), |tape, i| {
            let x = Map::new(i[0].clone(), 3, 7, 7);
            conv_transpose2d(tape, &x, &i[1], &i[2], 2, true).data
        });
    }
}
