//! AdamW on the GPU: the norm of all gradients in one reduction of fixed order, the clipping's factor next to it, and the update of every
//! parameter in one launch. Nothing waits for the GPU.

use super::{AdamWMoments, At, CLIP_EPSILON, Coefficients, EPSILON, Treatment};
use crate::ops::cuda::many::{Addresses, Chunks};
use crate::ops::cuda::source;
use crate::tensor::cuda::{Buffer, Gpu, Grid, Source};
use crate::tensor::{Grads, Later, Tensor2};

static SOURCE: Source = source!("adamw");

/// Threads of the block that adds up the norm.
const THREADS: u32 = 256;

/// The moments of all parameters, and the tables to find them.
#[derive(Debug)]
pub(super) struct Moments {
    lengths: Vec<usize>,
    starts: Vec<usize>,
    moments: [Buffer<f32>; 2],
    chunks: Chunks,
    starts_there: Buffer<u64>,
    kinds: Buffer<i32>,
    values: Addresses,
    gradients: Addresses,
}

impl Moments {
    fn new(gpu: &Gpu, treatments: &[Treatment], values: &[[Vec<f32>; 2]]) -> Self {
        let lengths: Vec<usize> = values.iter().map(|[first, _]| first.len()).collect();
        let (starts, total) = starts(&lengths);
        let moments = [0, 1].map(|which| {
            let mut all = vec![0.0; total];
            for (start, values) in starts.iter().zip(values) {
                let values = &values[which];
                all[*start..][..values.len()].copy_from_slice(values);
            }
            gpu.upload(&all)
        });
        let kind = |one: &Treatment| i32::from(one.backbone) + 2 * i32::from(one.decayed);
        let kinds: Vec<i32> = treatments.iter().map(kind).collect();
        let starts_there: Vec<u64> = starts.iter().map(|start| *start as u64).collect();
        Self {
            chunks: Chunks::new(gpu, &lengths),
            starts_there: gpu.upload(&starts_there),
            kinds: gpu.upload(&kinds),
            values: Addresses::new(gpu),
            gradients: Addresses::new(gpu),
            moments,
            starts,
            lengths,
        }
    }

    /// Both moments of every parameter; waits for the GPU.
    pub(super) fn values(&self) -> Vec<[Vec<f32>; 2]> {
        let all = self.moments.each_ref().map(Buffer::values);
        let spans = self.starts.iter().zip(&self.lengths);
        spans
            .map(|(start, len)| all.each_ref().map(|all| all[*start..][..*len].to_vec()))
            .collect()
    }
}

/// As [`super::adamw`], which has checked the lengths. The moments go to `gpu` at the first step.
pub(super) fn adamw(
    gpu: &Gpu,
    parameters: &mut [Tensor2],
    grads: &mut Grads,
    moments: &mut AdamWMoments,
    by: &Coefficients,
) -> Later<f64> {
    if let At::Host(values) = &moments.at {
        let there = Moments::new(gpu, &moments.treatments, values);
        moments.at = At::Gpu(Box::new(there));
    }
    let At::Gpu(there) = &mut moments.at else {
        unreachable!("they have just been sent");
    };
    // The gradient is that of the tensor before it may get a storage of its own.
    let gradients = parameters.iter().map(|parameter| {
        let gradient = parameter.gradient_address(grads);
        gradient.expect("a parameter of the GPU that requires a gradient")
    });
    let gradients = there.gradients.send(gpu, gradients.collect());
    let addresses = parameters.iter_mut().map(Tensor2::address_mut).collect();
    let values = there.values.send(gpu, addresses);
    let result = gpu.scratch::<f32>(2);
    let partials = gpu.scratch::<f32>(there.chunks.count());
    let over_chunks = there.chunks.arguments();
    let squares = [&over_chunks[..], &[gradients.into(), (&partials).into()]].concat();
    let clip = [
        (&partials).into(),
        (&result).into(),
        there.chunks.count().into(),
        (by.clip as f32).into(),
        (CLIP_EPSILON as f32).into(),
    ];
    let [first, second] = &there.moments;
    let rest = [
        values.into(),
        gradients.into(),
        (&there.starts_there).into(),
        (&there.kinds).into(),
        first.into(),
        second.into(),
        (&result).into(),
        by.sizes[1].into(),
        by.keeps[1].into(),
        by.sizes[0].into(),
        by.keeps[0].into(),
        by.root.into(),
        by.betas[0].into(),
        by.betas[1].into(),
        EPSILON.into(),
    ];
    let update = [&over_chunks[..], &rest].concat();
    let one = Grid::blocks(1, THREADS);
    // SAFETY: the addresses are of live tensors, each the only one of its storage, and of their gradients, which are as long and
    // live in `grads`; the moments of each begin at its start and do not overlap; partial sums are as many as chunks.
    unsafe {
        if let Some(grid) = there.chunks.grid() {
            gpu.launch(&SOURCE, "sum_of_squares", grid, &squares);
        }
        gpu.launch(&SOURCE, "clip_factor", one, &clip);
        if let Some(grid) = there.chunks.grid() {
            gpu.launch(&SOURCE, "adamw", grid, &update);
        }
    }
    result.later().map(|result| result[0].into())
}

/// Where the moments of each parameter begin, at multiples of 16 bytes, and where the last ones end.
fn starts(lengths: &[usize]) -> (Vec<usize>, usize) {
    let mut end = 0;
    let start = |length: &usize| {
        let start = end;
        end += length.next_multiple_of(4);
        start
    };
    (lengths.iter().map(start).collect(), end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_begin_at_multiples_of_four_and_do_not_overlap() {
        assert_eq!(starts(&[3, 4, 0, 5]), (vec![0, 4, 8, 8], 16));
    }
}
