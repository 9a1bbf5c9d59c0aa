//! Where logits are above 0, packed on the GPU and unpacked on the host, which gets a 32nd of the bytes.

use super::{mask_stack, source};
use crate::tensor::Tensor2;
use crate::tensor::cuda::{Gpu, Grid, Source};
use rayon::prelude::*;

pub(super) static SOURCE: Source = source!("above_zero");

const THREADS: u32 = 256;

/// As [`crate::ops::above_zero`]. An image has fewer masks than a grid along y.
pub(crate) fn above_zero(gpu: &Gpu, logits: &Tensor2) -> Vec<Vec<u8>> {
    let (rows, columns) = (logits.rows(), logits.columns());
    if logits.is_empty() {
        return vec![Vec::new(); rows];
    }
    let length = mask_stack::words((columns, 1));
    let words = gpu.scratch::<u32>(rows * length);
    let arguments = [
        logits.into(),
        (&words).into(),
        columns.into(),
        length.into(),
    ];
    let grid = Grid::items(columns, THREADS).by(rows, 1);
    // SAFETY: logits [rows, columns], as many words a row as its columns need.
    unsafe { gpu.launch(&SOURCE, "above_zero", grid, &arguments) };
    let words = words.values();
    let rows = words.par_chunks_exact(length);
    rows.map(|words| mask_stack::unpacked(words, columns))
        .collect()
}
