//! Multi-scale deformable attention on the GPU.
//!
//! Forward, the lanes of a head read a pixel's columns as one piece; a thread has four columns (one where the head's width is no
//! multiple of four) and locates the samples itself. Backward, a warp has a query's head for the gradients of offsets and weights;
//! the values' gradient is gathered from samples sorted by place ([`value`]). The softmax of the weights is computed
//! again there rather than kept: it is as large as the weights.

mod sizes;
mod value;

use super::DeformInputs;
use crate::ops::cuda::resident::Resident;
use crate::ops::cuda::source;
use crate::tensor::cuda::{Argument, Buffer, Gpu, Grid, Source};
use crate::tensor::{Grads, Tape, Tensor2};
use sizes::Sizes;
use std::sync::Arc;
use value::Samples;

static SOURCE: Source = source!("deform_attention");

static REFERENCES: Resident<f32> = Resident::new();
static LEVELS: Resident<i32> = Resident::new();

/// Threads of a block.
const THREADS: usize = 256;
/// Most bytes of shared memory for the samples of a block's warps.
const SHARED_BYTES: usize = 32 << 10;
/// Pixels, at most, that a group of lanes goes along (`deform_value.cu`), and about the samples that it should meet there.
const RUN: usize = 8;
const RUN_SAMPLES: usize = 48;

impl Sizes {
    fn rows(&self) -> usize {
        self.batch * self.queries
    }

    /// Rows along y, their columns along x.
    fn forward_grid(&self) -> Grid {
        let pieces = self.heads * self.head / self.wide();
        let along = pieces.next_multiple_of(32).min(THREADS);
        let rows = THREADS / along;
        Grid {
            threads: [along as u32, rows as u32, 1],
            ..Grid::items(self.rows(), rows as u32)
        }
    }

    /// A warp for every query's head, with room for a number per sample.
    fn positions_grid(&self) -> Grid {
        let bytes = 4 * self.samples();
        let warps = (SHARED_BYTES / bytes).clamp(1, THREADS / 32);
        let grid = Grid {
            threads: [32, warps as u32, 1],
            ..Grid::items(self.rows() * self.heads, warps as u32)
        };
        grid.shared(warps * bytes)
    }
}

/// What the kernels know about the levels, six numbers each (`deform_value.cu`), and the cells and runs of all; `samples` of an image
/// and head come to each level.
fn table(levels: &[(usize, usize)], samples: usize) -> (Vec<i32>, usize, usize) {
    let mut table = Vec::new();
    let [mut tokens, mut cells, mut runs] = [0; 3];
    for &(height, width) in levels {
        let run = (RUN_SAMPLES * height * width / samples.max(1)).clamp(1, RUN);
        let numbers = [height, width, tokens, cells, runs, run];
        table.extend(numbers.map(|n| i32::try_from(n).expect("fewer than 2^31 pixels")));
        tokens += height * width;
        cells += (height + 1) * (width + 1);
        runs += height * width.div_ceil(run);
    }
    (table, cells, runs)
}

/// Inputs on the GPU.
struct Inputs {
    value: Tensor2,
    offsets: Tensor2,
    weights: Tensor2,
    reference: Arc<Buffer<f32>>,
    levels: Arc<Buffer<i32>>,
    sizes: Sizes,
}

/// As [`crate::ops::deform_attention`], which has checked the shapes.
pub(super) fn deform_attention(tape: &mut Tape, gpu: &Gpu, inputs: DeformInputs) -> Tensor2 {
    let [value, offsets, weights] =
        [inputs.value, inputs.offsets, inputs.weights].map(|input| input.on(gpu));
    let queries = inputs.reference.len() / 2;
    let (table, cells, runs) = table(inputs.levels, queries * inputs.points);
    let sizes = Sizes {
        batch: inputs.batch,
        queries,
        tokens: value.rows() / inputs.batch.max(1),
        heads: inputs.heads,
        head: value.columns() / inputs.heads,
        levels: inputs.levels.len(),
        points: inputs.points,
        cells,
        runs,
    };
    let tensors = [&value, &offsets, &weights];
    let out = tape.output_on(gpu, sizes.rows(), value.columns(), &tensors);
    if out.is_empty() {
        return out;
    }
    let inputs = Inputs {
        value,
        offsets,
        weights,
        reference: REFERENCES.on(gpu, inputs.reference),
        levels: LEVELS.on(gpu, &table),
        sizes,
    };
    inputs.forward(gpu, &out);
    let (gpu, source) = (gpu.clone(), out.clone());
    tape.record(&out, move |grads| inputs.backward(&gpu, grads, &source));
    out
}

impl Inputs {
    /// The softmax of the weights, `[rows, heads, samples]`.
    fn shares(&self, gpu: &Gpu) -> Buffer<f32> {
        let (count, samples) = (self.sizes.rows() * self.sizes.heads, self.sizes.samples());
        let shares = gpu.scratch::<f32>(count * samples);
        let arguments = [
            (&self.weights).into(),
            (&shares).into(),
            count.into(),
            samples.into(),
        ];
        let grid = Grid::items(count, THREADS as u32);
        // SAFETY: logits and shares [count, samples].
        unsafe { gpu.launch(&SOURCE, "deform_shares", grid, &arguments) };
        shares
    }

    /// What every kernel reads, in the order of their parameters.
    fn read(&self, shares: &Buffer<f32>) -> [Argument; 5] {
        [
            (&self.value).into(),
            (&self.offsets).into(),
            shares.into(),
            (&*self.reference).into(),
            (&*self.levels).into(),
        ]
    }

    fn counts(&self) -> [Argument; 7] {
        let s = self.sizes;
        let counts = [
            s.rows(),
            s.queries,
            s.tokens,
            s.heads,
            s.head,
            s.levels,
            s.points,
        ];
        counts.map(Argument::from)
    }

    fn forward(&self, gpu: &Gpu, out: &Tensor2) {
        let shares = self.shares(gpu);
        let mut arguments = self.read(&shares).to_vec();
        arguments.push(out.into());
        arguments.extend(self.counts());
        let name = match self.sizes.wide() {
            4 => "deform_forward_4",
            _ => "deform_forward_1",
        };
        let grid = self.sizes.forward_grid();
        // SAFETY: value [batch * tokens, heads * head], offsets [rows, heads, samples, 2], shares [rows, heads, samples], reference
        // [queries, 2], levels [levels, 6], out [rows, heads * head]; the corners of a sample are moved into its level.
        unsafe { gpu.launch(&SOURCE, name, grid, &arguments) };
    }

    fn backward(&self, gpu: &Gpu, grads: &mut Grads, out: &Tensor2) {
        let Some(gradient) = out.gradient_address(grads) else {
            return;
        };
        let shares = self.shares(gpu);
        let to_offsets = self.offsets.gradient_address(grads);
        let to_logits = self.weights.gradient_address(grads);
        if to_offsets.is_some() || to_logits.is_some() {
            let mut arguments = self.read(&shares).to_vec();
            let targets: [Argument; 3] = [gradient.into(), to_offsets.into(), to_logits.into()];
            arguments.extend(targets);
            arguments.extend(self.counts());
            arguments.push(self.sizes.lanes().into());
            let name = match self.sizes.wide() {
                4 => "deform_positions_4",
                _ => "deform_positions_1",
            };
            let grid = self.sizes.positions_grid();
            // SAFETY: as forward; gradients are as large as their tensors; shared memory holds a number per sample and warp.
            unsafe { gpu.launch(&SOURCE, name, grid, &arguments) };
        }
        if let Some(to) = self.value.gradient_address(grads) {
            let samples = Samples {
                offsets: self.offsets.address(),
                shares: &shares,
                reference: &self.reference,
                levels: &self.levels,
                sizes: self.sizes,
            };
            // SAFETY: the gradients of out and value, as large as these; the samples' buffers are those of the forward.
            unsafe { value::add_gradient(gpu, &samples, gradient, to) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(heads: usize, head: usize, levels: usize, points: usize) -> Sizes {
        Sizes {
            batch: 2,
            queries: 50,
            tokens: 50,
            heads,
            head,
            levels,
            points,
            cells: 60,
            runs: 20,
        }
    }

    #[test]
    fn a_block_has_whole_warps_and_all_rows_and_heads_have_a_place() {
        for (heads, head) in [(8, 32), (1, 3), (16, 128), (2, 41)] {
            for points in [1, 4, 3000] {
                let sizes = sizes(heads, head, 3, points);
                let [x, y, _] = sizes.forward_grid().threads;
                assert!((x * y).is_multiple_of(32) && x * y <= 256);
                assert!(sizes.forward_grid().blocks[0] * y >= 100);
                let grid = sizes.positions_grid();
                assert!(grid.blocks[0] * grid.threads[1] >= 100 * heads as u32);
                assert_eq!(grid.shared as usize, grid.threads[1] as usize * 12 * points);
            }
        }
    }

    #[test]
    fn lanes_of_a_head_are_a_power_of_two() {
        for (head, wide, lanes) in [(32, 4, 8), (3, 1, 4), (41, 1, 32), (256, 4, 32), (1, 1, 1)] {
            let sizes = sizes(1, head, 1, 1);
            assert_eq!((sizes.wide(), sizes.lanes()), (wide, lanes), "{head}");
        }
    }

    #[test]
    fn levels_follow_each_other() {
        let (levels, cells, runs) = table(&[(2, 3), (4, 17)], 100);
        assert_eq!(levels, [2, 3, 0, 0, 0, 2, 4, 17, 6, 12, 4, 8]);
        assert_eq!((cells, runs), (12 + 5 * 18, 2 * 2 + 4 * 3));
        let run = |samples| table(&[(32, 32)], samples).0[5];
        assert_eq!([0, 5000, 86_016, 1 << 30].map(run), [8, 8, 1, 1]);
    }
}
