//! Where logits are above 0, packed on the GPU and unpacked on the host, which gets a 32nd of the bytes.

use crate::ops::cuda::{bits, source};
use crate::tensor::cuda::{Gpu, Grid, Source};
use crate::tensor::{Later, Tensor2};
use rayon::prelude::*;

static SOURCE: Source = source!("above_zero");

const THREADS: u32 = 256;

/// As [`crate::ops::above_zero`].
///
/// Panics where there are more rows than a grid has along y (65,535), as in no batch.
pub(super) fn above_zero(gpu: &Gpu, logits: &Tensor2) -> Later<Vec<Vec<u8>>> {
    let (rows, columns) = (logits.rows(), logits.columns());
    if logits.is_empty() {
        return Later::ready(vec![Vec::new(); rows]);
    }
    let length = bits::words(columns);
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
    words.later().map(move |words| {
        let rows = words.par_chunks_exact(length);
        rows.map(|words| bits::unpacked(words, columns)).collect()
    })
}
