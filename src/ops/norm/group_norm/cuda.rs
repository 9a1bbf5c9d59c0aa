//! Group normalisation on the GPU: moments of parts of the pixels, joined per group, then one pass that normalises. Each way x is read
//! twice.
//!
//! A part's mean and squared distances come from eight pixels at a time, joined by the formula for two samples: one pass, and no
//! cancellation where the mean is large.

use super::GroupNorm;
use crate::ops::cuda::source;
use crate::ops::cuda::walk::{MOST_PARTS, MOST_SUMS, Pack, per_warp};
use crate::tensor::cuda::{Buffer, Gpu, Grid, Source};
use crate::tensor::{Grads, Map, Tape, Tensor2};

static SOURCE: Source = source!("group_norm");

/// Threads of a block of the kernel that adds up images.
const THREADS: u32 = 128;

/// As [`crate::ops::group_norm`], which has checked the shapes.
pub(super) fn group_norm(tape: &mut Tape, gpu: &Gpu, x: &Map, norm: GroupNorm) -> Map {
    let GroupNorm { groups, relu, .. } = norm;
    let sizes = Sizes {
        batch: x.batch,
        pixels: x.pixels(),
        channels: x.channels(),
        groups,
    };
    let [input, gamma, beta] = [&x.data, norm.gamma, norm.beta].map(|input| input.on(gpu));
    let residual = norm.residual.map(|residual| residual.on(gpu));
    let mut inputs = vec![&input, &gamma, &beta];
    inputs.extend(&residual);
    let out = tape.output_on(gpu, input.rows(), sizes.channels, &inputs);
    let map = Map::new(out.clone(), x.batch, x.height, x.width);
    if out.is_empty() {
        return map;
    }
    let moments = sizes.moments(gpu, &input, norm.eps);
    let arguments = [
        (&input).into(),
        residual.as_ref().into(),
        (&gamma).into(),
        (&beta).into(),
        (&moments).into(),
        (&out).into(),
        sizes.pixels.into(),
        sizes.channels.into(),
        groups.into(),
        relu.into(),
    ];
    let name = sizes
        .pack()
        .name(["group_norm_apply_1", "group_norm_apply_4"]);
    // SAFETY: maps [B, pixels, channels], gamma and beta [1, channels], two moments a group of an image.
    unsafe { gpu.launch(&SOURCE, name, sizes.down(MOST_PARTS), &arguments) };

    let backward = Backward {
        sizes,
        x: input,
        gamma,
        beta,
        residual,
        y: out.clone(),
        relu,
        moments,
    };
    let gpu = gpu.clone();
    tape.record(&out, move |grads| backward.run(&gpu, grads));
    map
}

/// The sizes of a map and its groups.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    batch: usize,
    /// Of an image.
    pixels: usize,
    channels: usize,
    groups: usize,
}

impl Sizes {
    fn pack(&self) -> Pack {
        Pack::of(self.channels)
    }

    /// A grid that goes down the columns of every image.
    fn down(&self, most: usize) -> Grid {
        self.pack()
            .down(self.pixels, self.channels, self.batch, most)
    }

    /// Partial sums of an image, at most: those of all images together fill a GPU.
    fn most_sums(&self) -> usize {
        (2 * MOST_SUMS / self.batch).clamp(1, MOST_SUMS)
    }

    /// Mean and 1 / deviation `[B, groups, 2]`.
    fn moments(&self, gpu: &Gpu, x: &Tensor2, eps: f32) -> Buffer<f32> {
        let grid = self.down(self.most_sums()).shared(self.pack().shared(3));
        let parts = grid.blocks[1] as usize;
        let partials = gpu.scratch::<f32>(self.batch * parts * 3 * self.channels);
        let moments = gpu.scratch::<f32>(self.batch * self.groups * 2);
        let name = self.pack().name([
            "group_norm_partial_moments_1",
            "group_norm_partial_moments_4",
        ]);
        let of_parts = [
            x.into(),
            (&partials).into(),
            self.pixels.into(),
            self.channels.into(),
        ];
        let of_groups = [
            (&partials).into(),
            (&moments).into(),
            self.batch.into(),
            parts.into(),
            self.channels.into(),
            self.groups.into(),
            eps.into(),
        ];
        // SAFETY: x [B, pixels, channels]; three numbers a channel and part; two a group.
        unsafe {
            gpu.launch(&SOURCE, name, grid, &of_parts);
            let grid = per_warp(self.batch * self.groups);
            gpu.launch(&SOURCE, "group_norm_moments", grid, &of_groups);
        }
        moments
    }
}

/// What the backward needs.
struct Backward {
    sizes: Sizes,
    x: Tensor2,
    gamma: Tensor2,
    beta: Tensor2,
    residual: Option<Tensor2>,
    y: Tensor2,
    relu: bool,
    moments: Buffer<f32>,
}

impl Backward {
    /// Adds to the gradients of those inputs that require one.
    fn run(&self, gpu: &Gpu, grads: &mut Grads) {
        let Some(gradient) = self.y.gradient_address(grads) else {
            return;
        };
        let sizes = &self.sizes;
        let (sums, means) = self.sums(gpu, gradient);
        let to_gamma = self.gamma.gradient_address(grads);
        let to_beta = self.beta.gradient_address(grads);
        if to_gamma.is_some() || to_beta.is_some() {
            let arguments = [
                (&sums).into(),
                to_gamma.into(),
                to_beta.into(),
                sizes.batch.into(),
                sizes.channels.into(),
            ];
            let grid = Grid::items(sizes.channels, THREADS);
            // SAFETY: sums [B, 2, channels], both gradients [1, channels].
            unsafe { gpu.launch(&SOURCE, "group_norm_parameters", grid, &arguments) };
        }
        let to_x = self.x.gradient_address(grads);
        let residual = self.residual.as_ref();
        let to_residual = residual.and_then(|residual| residual.gradient_address(grads));
        if to_x.is_some() || to_residual.is_some() {
            let arguments = [
                (&self.x).into(),
                gradient.into(),
                (&self.gamma).into(),
                (&self.moments).into(),
                (&means).into(),
                to_x.into(),
                to_residual.into(),
                sizes.pixels.into(),
                sizes.channels.into(),
                sizes.groups.into(),
            ];
            let name = sizes
                .pack()
                .name(["group_norm_backward_1", "group_norm_backward_4"]);
            // SAFETY: maps and their gradients [B, pixels, channels], two moments and two means a group of an image.
            unsafe { gpu.launch(&SOURCE, name, sizes.down(MOST_PARTS), &arguments) };
        }
    }

    /// Cuts the gradient by the ReLU. Sums `[B, 2, channels]` of it and of it times the normalised x, and their means
    /// `[B, groups, 2]` over a group, times gamma.
    fn sums(&self, gpu: &Gpu, gradient: u64) -> (Buffer<f32>, Buffer<f32>) {
        let Sizes {
            batch,
            pixels,
            channels,
            groups,
        } = self.sizes;
        let pack = self.sizes.pack();
        let grid = self.sizes.down(self.sizes.most_sums());
        let parts = grid.blocks[1] as usize;
        let [partials, sums] = [parts, 1].map(|n| gpu.scratch::<f32>(batch * n * 2 * channels));
        let means = gpu.scratch::<f32>(batch * groups * 2);
        let of_parts = [
            (&self.x).into(),
            self.relu.then_some(&self.y).into(),
            gradient.into(),
            (&self.moments).into(),
            (&partials).into(),
            pixels.into(),
            channels.into(),
            groups.into(),
        ];
        let of_groups = [
            (&partials).into(),
            (&self.gamma).into(),
            (&sums).into(),
            (&means).into(),
            batch.into(),
            parts.into(),
            pixels.into(),
            channels.into(),
            groups.into(),
        ];
        let name = pack.name(["group_norm_partial_sums_1", "group_norm_partial_sums_4"]);
        // SAFETY: maps and the gradient [B, pixels, channels], gamma [1, channels]; two numbers a channel and part, and a group.
        unsafe {
            gpu.launch(&SOURCE, name, grid.shared(pack.shared(1)), &of_parts);
            let grid = per_warp(batch * groups);
            gpu.launch(&SOURCE, "group_norm_means", grid, &of_groups);
        }
        (sums, means)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_all_images_fill_a_gpu_and_no_image_has_none() {
        let parts = |batch| {
            let sizes = Sizes {
                batch,
                pixels: 1 << 16,
                channels: 256,
                groups: 32,
            };
            let blocks = sizes.down(sizes.most_sums()).blocks;
            assert_eq!([blocks[0], blocks[2]], [2, batch as u32]);
            blocks[1]
        };
        assert_eq!([1, 2, 16, 4000].map(parts), [256, 256, 32, 1]);
    }
}
