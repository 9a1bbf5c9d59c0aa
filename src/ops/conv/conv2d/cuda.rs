//! Convolution on the GPU: patches as rows of a matrix (im2col), cuBLAS's product with the weights, then scale, shift and ReLU in one
//! kernel. A convolution of 1 x 1 with stride 1 multiplies the map itself.
//!
//! Patches are made for some output rows at a time: few enough that what one kernel wrote the product finds in the second-level cache
//! rather than in memory, and enough pixels to fill the multiprocessors. Groups are the matrices of one batched product. The gradient of x
//! is the product's transpose, gathered: every pixel adds up the patches it is in, tile after tile, so no two threads meet.

use crate::ops::Epilogue;
use crate::ops::conv::window::Geometry;
use crate::ops::cuda::walk::{MOST_PARTS, MOST_SUMS, Pack};
use crate::ops::cuda::{reduce, source};
use crate::tensor::cuda::{Argument, Buffer, Gpu, Operand, Product, Source};
use crate::tensor::{Grads, Map, Tape, Tensor2};
use std::ops::Range;

static SOURCE: Source = source!("conv2d");

/// Values of the patches that are made at a time: 32 MiB, which the second-level cache of a large GPU holds (A100 40, H100 50, RTX 4090
/// 72), and enough for a product that fills its multiprocessors. In tests few, so that small maps take several rounds.
const TILE: usize = if cfg!(test) { 1 << 9 } else { 1 << 23 };
/// Output pixels that a round should have, however large a patch is.
const TILE_PIXELS: usize = if cfg!(test) { 1 } else { 1 << 11 };

/// As [`crate::ops::conv2d`], which has checked the shapes.
pub(super) fn conv2d(
    tape: &mut Tape,
    gpu: &Gpu,
    x: &Map,
    weight: &Tensor2,
    geometry: Geometry,
    groups: usize,
    epilogue: Epilogue,
) -> Map {
    let plan = Plan {
        batch: x.batch,
        geometry,
        groups,
        out: weight.rows(),
    };
    let [input, weight] = [&x.data, weight].map(|input| input.on(gpu));
    let [scale, shift] = [epilogue.scale, epilogue.shift].map(|row| row.map(|row| row.on(gpu)));
    let mut inputs = vec![&input, &weight];
    inputs.extend(&shift);
    let out = tape.output_on(gpu, plan.pixels(), plan.out, &inputs);
    let columns = plan.columns(gpu);
    for rows in plan.tiles() {
        let product = Product::one(
            plan.pixels_of(&rows),
            plan.out / groups,
            plan.patch() / groups,
        );
        let columns = plan.im2col(gpu, &input, columns.as_ref(), &rows);
        // SAFETY: columns [pixels, patch], weight [out, patch / groups], out [pixels, out], each cut into groups.
        unsafe {
            gpu.multiply(
                product.times(groups),
                columns,
                plan.weights(weight.address()).t(),
                plan.outputs(out.address(), &rows),
            )
        };
    }
    if scale.is_some() || shift.is_some() || epilogue.relu {
        let arguments = [
            (&out).into(),
            scale.as_ref().into(),
            shift.as_ref().into(),
            plan.pixels().into(),
            plan.out.into(),
            epilogue.relu.into(),
        ];
        let pack = Pack::of(plan.out);
        let grid = pack.down(plan.pixels(), plan.out, 1, MOST_PARTS);
        // SAFETY: out [pixels, out], scale and shift [1, out].
        unsafe {
            gpu.launch(
                &SOURCE,
                pack.name(["epilogue_1", "epilogue_4"]),
                grid,
                &arguments,
            )
        };
    }
    let backward = Backward {
        plan,
        x: input,
        weight,
        scale,
        shift,
        y: out.clone(),
        relu: epilogue.relu,
    };
    let gpu = gpu.clone();
    tape.record(&out, move |grads| backward.run(&gpu, grads));
    Map::new(out, x.batch, geometry.out_height, geometry.out_width)
}

/// The sizes of a convolution.
#[derive(Clone, Copy, Debug)]
struct Plan {
    batch: usize,
    /// Of one image.
    geometry: Geometry,
    groups: usize,
    /// Output channels.
    out: usize,
}

impl Plan {
    /// Output pixels of all images.
    fn pixels(&self) -> usize {
        self.batch * self.geometry.out_height * self.geometry.out_width
    }

    /// Output pixels of some output rows.
    fn pixels_of(&self, rows: &Range<usize>) -> usize {
        rows.len() * self.geometry.out_width
    }

    /// Values of a row of the columns: k k Ci.
    fn patch(&self) -> usize {
        self.geometry.window.kernel.pow(2) * self.geometry.channels
    }

    /// Output rows of a round; a round may take rows of several images.
    fn tile(&self) -> usize {
        let all = self.batch * self.geometry.out_height;
        if self.geometry.pointwise() {
            return all;
        }
        let pixels = (TILE / self.patch()).max(TILE_PIXELS);
        (pixels / self.geometry.out_width).clamp(1, all.max(1))
    }

    /// The rounds: output rows counted over all images.
    fn tiles(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let (all, tile) = (self.batch * self.geometry.out_height, self.tile());
        let starts = (0..all).step_by(tile.max(1));
        starts.map(move |row| row..all.min(row + tile))
    }

    /// Memory for the patches of a round; none where the map itself serves.
    fn columns(&self, gpu: &Gpu) -> Option<Buffer<f32>> {
        let values = self.tile() * self.geometry.out_width * self.patch();
        (!self.geometry.pointwise()).then(|| gpu.scratch(values))
    }

    /// The rows of x that output rows look at, both counted over all images.
    fn lines(&self, rows: &Range<usize>) -> Range<usize> {
        let Geometry {
            height, out_height, ..
        } = self.geometry;
        let line = |row: usize| {
            let (inside, first) = self.geometry.overlap(row % out_height, height);
            let first = row / out_height * height + first.min(height);
            first..first + inside.len()
        };
        line(rows.start).start..line(rows.end - 1).end
    }

    /// Writes the patches of output rows of `x`, if there is memory for them; the operand that holds them.
    fn im2col(
        &self,
        gpu: &Gpu,
        x: &Tensor2,
        columns: Option<&Buffer<f32>>,
        rows: &Range<usize>,
    ) -> Operand {
        let Some(columns) = columns else {
            return self.patches(x.address());
        };
        let pack = self.pack();
        let name = pack.name(["im2col_1", "im2col_4"]);
        let grid = pack.down_lines(rows.len(), self.patch());
        let mut arguments = vec![x.into(), columns.into(), rows.start.into()];
        arguments.extend(self.sizes());
        // SAFETY: x [B height width, channels]; the buffer holds a patch for every pixel of the largest round.
        unsafe { gpu.launch(&SOURCE, name, grid, &arguments) };
        self.patches(columns.address())
    }

    /// Adds the patches of output rows to the gradient of x that they were taken from.
    fn col2im(&self, gpu: &Gpu, columns: &Buffer<f32>, to: u64, rows: &Range<usize>) {
        let pack = self.pack();
        let name = pack.name(["col2im_1", "col2im_4"]);
        let lines = self.lines(rows);
        if lines.is_empty() {
            return;
        }
        let grid = pack.along(lines.len(), self.geometry.width, self.geometry.channels);
        let mut arguments = vec![
            columns.into(),
            to.into(),
            rows.start.into(),
            rows.len().into(),
            lines.start.into(),
        ];
        arguments.extend(self.sizes());
        // SAFETY: as above; the gradient is as large as x, and `lines` are rows of it.
        unsafe { gpu.launch(&SOURCE, name, grid, &arguments) };
    }

    /// How many channels of a group go together.
    fn pack(&self) -> Pack {
        Pack::of(self.geometry.channels / self.groups)
    }

    /// The last arguments of the kernels of patches.
    fn sizes(&self) -> [Argument; 9] {
        let Geometry {
            height,
            width,
            channels,
            window,
            out_height,
            out_width,
        } = self.geometry;
        [
            height,
            width,
            channels,
            out_height,
            out_width,
            window.kernel,
            window.stride,
            window.padding,
            self.groups,
        ]
        .map(Argument::from)
    }

    /// Patches `[pixels, patch]`, group by group `[pixels, patch / groups]`.
    fn patches(&self, address: u64) -> Operand {
        Operand::new(address, self.patch()).every(self.patch() / self.groups)
    }

    /// Weights, group by group `[out / groups, patch / groups]`.
    fn weights(&self, address: u64) -> Operand {
        let patch = self.patch() / self.groups;
        Operand::new(address, patch).every(self.out / self.groups * patch)
    }

    /// Outputs or their gradients `[pixels of rows, out]`, group by group `[.., out / groups]`.
    fn outputs(&self, address: u64, rows: &Range<usize>) -> Operand {
        let before = rows.start * self.geometry.out_width * self.out * size_of::<f32>();
        Operand::new(address + before as u64, self.out).every(self.out / self.groups)
    }
}

/// What the backward needs.
struct Backward {
    plan: Plan,
    x: Tensor2,
    weight: Tensor2,
    scale: Option<Tensor2>,
    shift: Option<Tensor2>,
    y: Tensor2,
    relu: bool,
}

impl Backward {
    /// Adds to the gradients of those inputs that require one.
    fn run(&self, gpu: &Gpu, grads: &mut Grads) {
        let plan = &self.plan;
        let Some(gradient) = self.y.gradient_address(grads) else {
            return;
        };
        let shift = self.shift.as_ref();
        self.epilogue(
            gpu,
            gradient,
            shift.and_then(|shift| shift.gradient_address(grads)),
        );
        let (taken, out) = (plan.patch() / plan.groups, plan.out / plan.groups);
        let to_weight = self.weight.gradient_address(grads);
        let to_x = self.x.gradient_address(grads);
        if to_weight.is_none() && to_x.is_none() {
            return;
        }
        let columns = plan.columns(gpu);
        for rows in plan.tiles() {
            let pixels = plan.pixels_of(&rows);
            let g = plan.outputs(gradient, &rows);
            if let Some(to) = to_weight {
                let product = Product::one(out, taken, pixels).times(plan.groups).adding();
                let columns = plan.im2col(gpu, &self.x, columns.as_ref(), &rows);
                // SAFETY: g [pixels, out], columns [pixels, patch], the gradient as large as the weight; each cut into groups.
                unsafe { gpu.multiply(product, g.t(), columns, plan.weights(to)) };
            }
            if let Some(to) = to_x {
                let product = Product::one(pixels, taken, out).times(plan.groups);
                let weights = plan.weights(self.weight.address());
                // SAFETY: as above; without columns the product is added to the gradient, which is as large as x.
                unsafe {
                    match &columns {
                        None => gpu.multiply(product.adding(), g, weights, plan.patches(to)),
                        Some(columns) => {
                            gpu.multiply(product, g, weights, plan.patches(columns.address()));
                            plan.col2im(gpu, columns, to, &rows);
                        }
                    }
                }
            }
        }
    }

    /// Turns the gradient of y into that of the product; adds the sums over the pixels to the gradient of the shift.
    fn epilogue(&self, gpu: &Gpu, gradient: u64, to_shift: Option<u64>) {
        if !self.relu && self.scale.is_none() && to_shift.is_none() {
            return;
        }
        let (rows, channels) = (self.plan.pixels(), self.plan.out);
        let pack = Pack::of(channels);
        let grid = pack
            .down(rows, channels, 1, MOST_SUMS)
            .shared(pack.shared(1));
        let parts = grid.blocks[1] as usize;
        let partials = to_shift.map(|_| gpu.scratch::<f32>(parts * channels));
        let arguments = [
            gradient.into(),
            self.relu.then_some(&self.y).into(),
            self.scale.as_ref().into(),
            partials.as_ref().into(),
            rows.into(),
            channels.into(),
        ];
        let name = pack.name(["epilogue_backward_1", "epilogue_backward_4"]);
        // SAFETY: y and its gradient [rows, channels], scale [1, channels], a sum per channel and part; they go to as large a gradient.
        unsafe {
            gpu.launch(&SOURCE, name, grid, &arguments);
            if let (Some(partials), Some(to)) = (&partials, to_shift) {
                reduce::add_partials(gpu, partials.address(), to, parts, channels);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Window;

    fn plan(size: (usize, usize), channels: usize, window: (usize, usize, usize)) -> Plan {
        let (kernel, stride, padding) = window;
        let window = Window {
            kernel,
            stride,
            padding,
        };
        Plan {
            batch: 3,
            geometry: Geometry::new(size.0, size.1, channels, window),
            groups: 1,
            out: 4,
        }
    }

    #[test]
    fn the_rounds_cover_all_rows_and_stay_small() {
        for (size, channels, window) in [
            ((9, 11), 3, (7, 2, 3)),
            ((40, 40), 2, (3, 1, 1)),
            ((2, 3), 64, (3, 1, 1)),
            ((5, 7), 3, (1, 2, 0)),
        ] {
            let plan = plan(size, channels, window);
            let rows: Vec<usize> = plan.tiles().flatten().collect();
            let all = plan.batch * plan.geometry.out_height;
            assert_eq!(rows, (0..all).collect::<Vec<_>>());
            for rows in plan.tiles() {
                let values = plan.pixels_of(&rows) * plan.patch();
                assert!(values <= TILE || rows.len() == 1, "{values} values");
            }
        }
    }

    #[test]
    fn a_pointwise_convolution_is_one_round_without_patches() {
        let plan = plan((40, 40), 64, (1, 1, 0));
        let mut tiles = plan.tiles();
        assert_eq!((tiles.next(), tiles.next()), (Some(0..120), None));
    }

    #[test]
    fn the_rows_of_the_image_are_those_that_a_window_meets() {
        let plan = plan((5, 4), 2, (3, 2, 1));
        // Three output rows an image, whose windows meet the rows 0-1, 1-3, 3-4.
        assert_eq!(plan.geometry.out_height, 3);
        let cases = [
            (0..1, 0..2),
            (1..2, 1..4),
            (2..3, 3..5),
            (2..4, 3..7),
            (0..9, 0..15),
        ];
        for (rows, lines) in cases {
            assert_eq!(plan.lines(&rows), lines, "{rows:?}");
        }
    }
}
