//! Numbers that lie apart on the GPU, copied to the host at once.

use crate::ops::cuda::source;
use crate::tensor::cuda::{Gpu, Grid, Source};
use crate::tensor::{Later, Tensor2};

static SOURCE: Source = source!("scalars");

const THREADS: u32 = 64;

/// As [`crate::ops::scalars`], which has checked the shapes.
pub(super) fn scalars(gpu: &Gpu, tensors: &[&Tensor2]) -> Later<Vec<f32>> {
    let tensors: Vec<Tensor2> = tensors.iter().map(|tensor| tensor.on(gpu)).collect();
    let addresses: Vec<u64> = tensors.iter().map(Tensor2::address).collect();
    let addresses = gpu.upload(&addresses);
    let numbers = gpu.scratch::<f32>(tensors.len());
    let arguments = [(&addresses).into(), (&numbers).into(), tensors.len().into()];
    let grid = Grid::items(tensors.len(), THREADS);
    // SAFETY: as many live numbers and places.
    unsafe { gpu.launch(&SOURCE, "gather_scalars", grid, &arguments) };
    numbers.later()
}
