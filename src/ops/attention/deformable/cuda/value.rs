//! The gradient of the values of deformable attention on the GPU: samples sorted by place, then a sum for every pixel.
//!
//! A sample adds to the four pixels around it. Atomic additions would make the sums' order, and so their bits, a matter of chance, and
//! are slow where many samples meet. Sorted, every pixel's sum is one thread's, in the order of the queries.

use super::sizes::Sizes;
use crate::ops::cuda::sort::{self, Sorted};
use crate::ops::cuda::source;
use crate::tensor::cuda::{Buffer, Gpu, Grid, Source};

static SOURCE: Source = source!("deform_value");

/// Samples that are sorted at a time, about: 32 bytes of memory each. More images than that follow one after the other.
const SAMPLES: usize = 1 << 23;
/// Threads of a block.
const THREADS: u32 = 128;
/// Most lists (images times heads) of a launch.
const LISTS: usize = 65_535;

/// The samples of one call, on the GPU.
pub(super) struct Samples<'a> {
    /// Address of the offsets, `[rows, heads, samples, 2]`.
    pub(super) offsets: u64,
    /// Softmax of the weights, `[rows, heads, samples]`.
    pub(super) shares: &'a Buffer<f32>,
    /// Reference points, `[queries, 2]`.
    pub(super) reference: &'a Buffer<f32>,
    /// Six numbers for each level.
    pub(super) levels: &'a Buffer<i32>,
    pub(super) sizes: Sizes,
}

/// Adds the gradient of the values to `to_value`, given that of the output.
///
/// # Safety
/// `samples`, `gradient` and `to_value` lead to as many values as the call's tensors have, in live buffers of `gpu`.
pub(super) unsafe fn add_gradient(gpu: &Gpu, samples: &Samples, gradient: u64, to_value: u64) {
    let sizes = samples.sizes;
    let items = sizes.queries * sizes.samples();
    let at_a_time = images_at_a_time(sizes);
    for first in (0..sizes.batch).step_by(at_a_time) {
        let images = at_a_time.min(sizes.batch - first);
        let lists = images * sizes.heads;
        let cells = gpu.scratch::<i32>(lists * items);
        let records = gpu.scratch::<f32>(4 * lists * items);
        let arguments = [
            samples.offsets.into(),
            samples.shares.into(),
            samples.reference.into(),
            samples.levels.into(),
            (&cells).into(),
            (&records).into(),
            first.into(),
            sizes.queries.into(),
            sizes.heads.into(),
            sizes.levels.into(),
            sizes.points.into(),
            sizes.cells.into(),
        ];
        let grid = Grid::blocks(images * sizes.queries, THREADS);
        // SAFETY: offsets and shares of batch * queries rows; a cell and a record of four numbers for every sample of these images.
        unsafe { gpu.launch(&SOURCE, "deform_cells", grid, &arguments) };
        let Sorted { ids, starts } = sort::sort(gpu, cells, lists, items, sizes.cells);
        let lanes = sizes.lanes();
        let arguments = [
            (&records).into(),
            (&ids).into(),
            (&starts).into(),
            samples.levels.into(),
            gradient.into(),
            to_value.into(),
            first.into(),
            sizes.queries.into(),
            sizes.tokens.into(),
            sizes.heads.into(),
            sizes.head.into(),
            sizes.levels.into(),
            sizes.samples().into(),
            sizes.cells.into(),
            sizes.runs.into(),
            lanes.into(),
        ];
        let name = match sizes.wide() {
            4 => "deform_gather_4",
            _ => "deform_gather_1",
        };
        let grid = Grid::items(sizes.runs * lanes, THREADS).by(lists, 1);
        // SAFETY: as above; `lanes` threads for every run of every list, which alone writes to its pixels.
        unsafe { gpu.launch(&SOURCE, name, grid, &arguments) };
    }
}

/// Images whose samples are sorted together.
fn images_at_a_time(sizes: Sizes) -> usize {
    let samples = sizes.queries * sizes.samples() * sizes.heads;
    (SAMPLES / samples).min(LISTS / sizes.heads).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_images_are_sorted_one_by_one_and_small_ones_together() {
        let sizes = |queries| Sizes {
            batch: 16,
            queries,
            tokens: queries,
            heads: 8,
            head: 32,
            levels: 3,
            points: 4,
            cells: 2 * queries,
            runs: queries,
        };
        assert_eq!(images_at_a_time(sizes(21_504)), 4);
        assert_eq!(images_at_a_time(sizes(1 << 20)), 1);
        assert_eq!(images_at_a_time(sizes(1)), LISTS / 8);
    }
}
