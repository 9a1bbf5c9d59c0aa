//! The moving average of many tensors on the GPU: one launch, a block for every chunk of a tensor.

use crate::ops::cuda::many::{Addresses, Chunks};
use crate::ops::cuda::source;
use crate::tensor::Tensor2;
use crate::tensor::cuda::{Gpu, Source};

static SOURCE: Source = source!("average");

/// As [`super::average`], which has checked the lengths; `part`: how far, 1 being all the way.
pub(super) fn average(gpu: &Gpu, averages: &mut [Tensor2], values: &[Tensor2], part: f32) {
    // What shares its storage is equal and stays so.
    let pairs = averages.iter_mut().zip(values);
    let pairs: Vec<_> = pairs
        .filter(|(average, value)| average.address() != value.address())
        .collect();
    let lengths: Vec<usize> = pairs.iter().map(|(_, value)| value.len()).collect();
    let chunks = Chunks::new(gpu, &lengths);
    let Some(grid) = chunks.grid() else {
        return;
    };
    let addresses = pairs
        .into_iter()
        .map(|(average, value)| (average.address_mut(), value.address()));
    let (from, to) = addresses.unzip();
    let (mut averages, mut values) = (Addresses::new(gpu), Addresses::new(gpu));
    let rest = [
        averages.send(gpu, from).into(),
        values.send(gpu, to).into(),
        part.into(),
    ];
    let arguments = [&chunks.arguments()[..], &rest].concat();
    // SAFETY: the tensors of every pair are live, of one length, and no other tensor shares the average's storage.
    unsafe { gpu.launch(&SOURCE, "average", grid, &arguments) };
}
