//! Depthwise convolution on the GPU: a thread computes neighbouring pixels of a row for its channels, sliding along what it reads. The way
//! back to x is the same with the kernels turned; that to the weights sums over parts of the image rows, then over the parts.

use crate::ops::cuda::walk::Pack;
use crate::ops::cuda::{reduce, source};
use crate::tensor::cuda::{Buffer, Gpu, Grid, Source};
use crate::tensor::{Grads, Map, Tape, Tensor2};

static SOURCE: Source = source!("depthwise");

const THREADS: u32 = 256;
/// Pixels of a row that a thread computes, `RUN` of the kernels.
const RUN: usize = 4;
/// Taps of a row that a thread sums, `SPAN` of the kernels.
const SPAN: usize = 8;
/// Parts of the image rows for the gradient of the weights, at most: every row and span of the kernel has them.
const MOST_PARTS: usize = 64;

/// As [`crate::ops::depthwise_conv2d`], which has checked the shapes.
pub(super) fn depthwise_conv2d(
    tape: &mut Tape,
    gpu: &Gpu,
    x: &Map,
    weight: &Tensor2,
    bias: &Tensor2,
) -> Map {
    let (height, width, channels) = (x.height, x.width, x.channels());
    let [input, weight, bias] = [&x.data, weight, bias].map(|input| input.on(gpu));
    let out = tape.output_on(gpu, input.rows(), channels, &[&input, &weight, &bias]);
    let map = Map::new(out.clone(), x.batch, height, width);
    if out.is_empty() {
        return map;
    }
    let taps = gpu.scratch::<f32>(weight.len());
    let arguments = [
        (&weight).into(),
        (&taps).into(),
        channels.into(),
        weight.columns().into(),
    ];
    let grid = Grid::items(weight.len(), THREADS);
    // SAFETY: both as large as the weight [channels, offsets].
    unsafe { gpu.launch(&SOURCE, "depthwise_taps", grid, &arguments) };
    let depthwise = Depthwise {
        batch: x.batch,
        height,
        width,
        channels,
        side: weight.columns().isqrt(),
        taps,
        x: input,
        weight,
        bias,
        y: out.clone(),
    };
    let (x, bias) = (depthwise.x.address(), depthwise.bias.address());
    depthwise.convolve(gpu, x, Some(bias), out.address(), false);
    let gpu = gpu.clone();
    tape.record(&out, move |grads| depthwise.backward(&gpu, grads));
    map
}

/// What both ways need.
struct Depthwise {
    batch: usize,
    height: usize,
    width: usize,
    channels: usize,
    /// Side of a kernel.
    side: usize,
    /// The weight, tap by tap.
    taps: Buffer<f32>,
    x: Tensor2,
    weight: Tensor2,
    bias: Tensor2,
    y: Tensor2,
}

impl Depthwise {
    /// Starts the convolution of the map at `from` into `to`; the way back adds, with the kernels turned.
    fn convolve(&self, gpu: &Gpu, from: u64, bias: Option<u64>, to: u64, back: bool) {
        let arguments = [
            from.into(),
            (&self.taps).into(),
            bias.into(),
            to.into(),
            self.height.into(),
            self.width.into(),
            self.channels.into(),
            self.side.into(),
            back.into(),
            back.into(),
        ];
        let pack = Pack::of(self.channels);
        let lines = self.batch * self.height;
        let grid = pack.along(lines, self.width.div_ceil(RUN), self.channels);
        // SAFETY: both maps [B height width, channels], as many taps as the weight has values, bias [1, channels].
        unsafe {
            gpu.launch(
                &SOURCE,
                pack.name(["depthwise_1", "depthwise_4"]),
                grid,
                &arguments,
            )
        };
    }

    /// Adds to the gradients of those inputs that require one.
    fn backward(&self, gpu: &Gpu, grads: &mut Grads) {
        let Some(gradient) = self.y.gradient_address(grads) else {
            return;
        };
        if let Some(to) = self.x.gradient_address(grads) {
            self.convolve(gpu, gradient, None, to, true);
        }
        if let Some(to) = self.weight.gradient_address(grads) {
            self.add_weights(gpu, gradient, to);
        }
        if let Some(to) = self.bias.gradient_address(grads) {
            // SAFETY: the gradient of y [B height width, channels], that of the bias [1, channels].
            unsafe { reduce::add_sum_of_rows(gpu, gradient, to, self.y.rows(), self.channels) };
        }
    }

    /// Adds to the gradient of the weight.
    fn add_weights(&self, gpu: &Gpu, gradient: u64, to: u64) {
        let rows = self.batch * self.height;
        let grid = weight_grid(rows, self.channels, self.side);
        let parts = grid.blocks[1] as usize;
        let partials = gpu.scratch::<f32>(parts * self.weight.len());
        let sums = [
            (&self.x).into(),
            gradient.into(),
            (&partials).into(),
            rows.into(),
            self.height.into(),
            self.width.into(),
            self.channels.into(),
            self.side.into(),
        ];
        let total = [
            (&partials).into(),
            to.into(),
            parts.into(),
            self.channels.into(),
            self.weight.columns().into(),
        ];
        // SAFETY: x and the gradient [B height width, channels]; a sum per part and value of the weight, whose gradient is as large.
        unsafe {
            gpu.launch(&SOURCE, "depthwise_partial_weights", grid, &sums);
            let grid = Grid::items(self.weight.len(), THREADS);
            gpu.launch(&SOURCE, "depthwise_weights", grid, &total);
        }
    }
}

/// The grid of the sums for the weights: `rows` image rows, one channel a thread, all spans of taps.
fn weight_grid(rows: usize, channels: usize, side: usize) -> Grid {
    let spans = side * side.div_ceil(SPAN);
    let grid = Pack::One.down(rows, channels, spans, MOST_PARTS);
    grid.shared(Pack::One.shared(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tap_belongs_to_a_span() {
        for (side, spans) in [(1, 1), (3, 3), (7, 7), (9, 18)] {
            let grid = weight_grid(1024, 96, side);
            assert_eq!(grid.blocks, [3, 16, spans]);
            assert_eq!(grid.threads, [32, 8, 1]);
        }
    }

    #[test]
    fn the_constants_are_those_of_the_kernels() {
        for line in [format!("#define RUN {RUN}"), format!("#define SPAN {SPAN}")] {
            assert!(SOURCE.text.lines().any(|found| found == line), "{line}");
        }
    }
}
