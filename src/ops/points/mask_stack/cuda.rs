//! Masks of 32 pixels a word on the GPU. They are packed on their way into pinned memory, several at a time.

use crate::ops::cuda::bits::{pack, words};
use crate::ops::cuda::source;
use crate::tensor::Tensor2;
use crate::tensor::cuda::{Buffer, Gpu, Grid, Source};
use rayon::prelude::*;
use std::borrow::Cow;

static SOURCE: Source = source!("mask_stack");

const THREADS: u32 = 256;
/// Rows of a launch: what a grid has along y.
const MOST_ROWS: usize = 1 << 15;

/// Some masks of one size.
#[derive(Debug)]
pub(super) struct PackedMasks {
    gpu: Gpu,
    words: Buffer<u32>,
    size: (usize, usize),
}

impl PackedMasks {
    /// `masks` of bytes of 0 or 1, all of `size`.
    pub(super) fn new(gpu: &Gpu, masks: &[Cow<[u8]>], size: (usize, usize)) -> Self {
        let length = words(size.0 * size.1);
        let write = |to: &mut [u32]| {
            to.par_chunks_exact_mut(length.max(1))
                .zip(masks)
                .for_each(|(to, mask)| pack(mask, to));
        };
        Self {
            gpu: gpu.clone(),
            words: gpu.upload_written(masks.len() * length, write),
            size,
        }
    }

    /// As [`crate::ops::MaskStack::sample`], which has checked the numbers.
    pub(super) fn sample(&self, which: &[usize], points: &Tensor2, rows: &[usize]) -> Tensor2 {
        let count = points.columns() / 2;
        let out = self.gpu.unwritten(which.len(), count);
        if out.is_empty() {
            return out;
        }
        let points = points.on(&self.gpu);
        let parts = which.chunks(MOST_ROWS).zip(rows.chunks(MOST_ROWS));
        for (part, (which, rows)) in parts.enumerate() {
            let [which, rows] = [which, rows].map(|numbers| {
                let numbers: Vec<i32> = numbers.iter().map(|number| *number as i32).collect();
                self.gpu.upload(&numbers)
            });
            let first = out.address() + (part * MOST_ROWS * count * size_of::<f32>()) as u64;
            let arguments = [
                (&self.words).into(),
                (&which).into(),
                (&rows).into(),
                (&points).into(),
                first.into(),
                words(self.size.0 * self.size.1).into(),
                count.into(),
                self.size.0.into(),
                self.size.1.into(),
            ];
            let grid = Grid::items(count, THREADS).by(which.len(), 1);
            // SAFETY: the masks and rows of points are there, each row has `count` points; out holds `count`
            // values for every row of this part from `first` on.
            unsafe { self.gpu.launch(&SOURCE, "sample_masks", grid, &arguments) };
        }
        out
    }
}
