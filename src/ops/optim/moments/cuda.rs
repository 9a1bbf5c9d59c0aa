//! The means on the GPU, and the norm of all gradients in one reduction of fixed order, with the clipping's factor next
//! to it. Nothing waits for the GPU.

use super::{At, CLIP_EPSILON, Moments, Treatment};
use crate::ops::cuda::many::{Addresses, Chunks};
use crate::ops::cuda::source;
use crate::tensor::cuda::{Buffer, Gpu, Grid, Source};
use crate::tensor::{Grads, Later, Tensor2};

static SOURCE: Source = source!("gradient_norm");

/// Threads of the block that adds up the norm.
const THREADS: u32 = 256;

/// The moments of all parameters, and the tables to find them.
#[derive(Debug)]
pub(in crate::ops::optim) struct MomentsThere {
    lengths: Vec<usize>,
    starts: Vec<usize>,
    /// All first means, all second ones.
    pub moments: [Buffer<f32>; 2],
    /// The blocks of a kernel over all values.
    pub chunks: Chunks,
    /// The start of each parameter's means.
    pub starts_there: Buffer<u64>,
    /// 1: at the backbone's rate, 2: decayed.
    pub kinds: Buffer<i32>,
    values: Addresses,
    gradients: Addresses,
}

impl MomentsThere {
    fn new(gpu: &Gpu, treatments: &[Treatment], values: &[[Vec<f32>; 2]]) -> Self {
        let lengths: Vec<usize> = values.iter().map(|[first, _]| first.len()).collect();
        let (starts, total) = starts(&lengths);
        let moments = [0, 1].map(|which| {
            let is_kept = values.iter().any(|both| !both[which].is_empty());
            let mut all = vec![0.0; if is_kept { total } else { 0 }];
            for (start, values) in starts.iter().zip(values).filter(|_| is_kept) {
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

    /// The moments of every parameter; waits for the GPU.
    pub fn values(&self) -> Vec<[Vec<f32>; 2]> {
        let all = self.moments.each_ref().map(Buffer::values);
        let of = |all: &Vec<f32>, start: usize, len: usize| match all.is_empty() {
            true => Vec::new(),
            false => all[start..][..len].to_vec(),
        };
        let spans = self.starts.iter().zip(&self.lengths);
        spans
            .map(|(start, len)| all.each_ref().map(|all| of(all, *start, *len)))
            .collect()
    }

    /// The means of `moments` on `gpu`. They go there at the first step.
    pub fn of<'m>(gpu: &Gpu, moments: &'m mut Moments) -> &'m mut Self {
        if let At::Host(values) = &moments.at {
            let there = Self::new(gpu, &moments.treatments, values);
            moments.at = At::Gpu(Box::new(there));
        }
        match &mut moments.at {
            At::Gpu(there) => there,
            At::Host(_) => unreachable!("they have just been sent"),
        }
    }

    /// Starts the norm of all gradients, and gives what an update needs. `clip`: the bound of the norm.
    pub fn begin(
        &mut self,
        gpu: &Gpu,
        parameters: &mut [Tensor2],
        grads: &mut Grads,
        clip: f64,
    ) -> Begun {
        // The gradient is that of the tensor before it may get a storage of its own.
        let gradients = parameters.iter().map(|parameter| {
            let gradient = parameter.gradient_address(grads);
            gradient.expect("a parameter of the GPU that requires a gradient")
        });
        let gradients = self.gradients.send(gpu, gradients.collect()).address();
        let addresses = parameters.iter_mut().map(Tensor2::address_mut).collect();
        let values = self.values.send(gpu, addresses).address();
        let result = gpu.scratch::<f32>(2);
        let partials = gpu.scratch::<f32>(self.chunks.count());
        let over_chunks = self.chunks.arguments();
        let squares = [&over_chunks[..], &[gradients.into(), (&partials).into()]].concat();
        let factor = [
            (&partials).into(),
            (&result).into(),
            self.chunks.count().into(),
            (clip as f32).into(),
            (CLIP_EPSILON as f32).into(),
        ];
        let one = Grid::blocks(1, THREADS);
        // SAFETY: the addresses are of the gradients of live tensors, which are as long and live in `grads`; partial
        // sums are as many as chunks.
        unsafe {
            if let Some(grid) = self.chunks.grid() {
                gpu.launch(&SOURCE, "sum_of_squares", grid, &squares);
            }
            gpu.launch(&SOURCE, "clip_factor", one, &factor);
        }
        Begun {
            values,
            gradients,
            result,
        }
    }
}

/// The beginning of a step: the addresses of the tables of all values and of all gradients, and the norm with the
/// factor that clips it.
pub(in crate::ops::optim) struct Begun {
    pub values: u64,
    pub gradients: u64,
    pub result: Buffer<f32>,
}

impl Begun {
    /// The norm before clipping.
    pub fn norm(self) -> Later<f64> {
        self.result.later().map(|result| result[0].into())
    }
}

/// The offset of each parameter's moments, a multiple of 16 bytes, and the end of the last ones.
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
