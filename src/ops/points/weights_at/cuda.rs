//! What is left of the loss at points on the GPU. The planes of an image are a tensor of their own, so a row is told the address of its plane.

use crate::ops::cuda::source;
use crate::tensor::Tensor2;
use crate::tensor::cuda::{Gpu, Grid, Source};

static SOURCE: Source = source!("weights_at");

const THREADS: u32 = 256;

/// As [`crate::ops::weights_at`], which has checked the lengths and the rows.
pub(super) fn weights_at(
    gpu: &Gpu,
    planes: &[Option<(&Tensor2, usize)>],
    (height, width): (usize, usize),
    points: &Tensor2,
) -> Tensor2 {
    let (rows, count) = (points.rows(), points.columns() / 2);
    let out = gpu.unwritten(rows, count);
    if out.is_empty() {
        return out;
    }
    let there = planes
        .iter()
        .map(|plane| plane.map(|(planes, row)| (planes.on(gpu), row)));
    let there: Vec<Option<(Tensor2, usize)>> = there.collect();
    let area = height * width * size_of::<f32>();
    let address = |plane: &Option<(Tensor2, usize)>| {
        let address = |(planes, row): &(Tensor2, usize)| planes.address() + (row * area) as u64;
        plane.as_ref().map_or(0, address)
    };
    let addresses: Vec<u64> = there.iter().map(address).collect();
    let addresses = gpu.upload(&addresses);
    let arguments = [
        (&addresses).into(),
        points.into(),
        (&out).into(),
        rows.into(),
        count.into(),
        height.into(),
        width.into(),
    ];
    let grid = Grid::items(rows * count, THREADS);
    // SAFETY: a live plane [height, width] or none for every row; points [rows, count, 2], out [rows, count].
    unsafe { gpu.launch(&SOURCE, "weights_at", grid, &arguments) };
    out
}
