//! AdamW on the GPU: the norm of all gradients in one reduction of fixed order, the clipping's factor next to it, and the update of every
//! parameter in one launch. Nothing waits for the GPU.

use super::many::{Addresses, Chunks};
use super::source;
use crate::tensor::cuda::{Buffer, Gpu, Grid, Source};
use crate::tensor::{Grads, Tensor2};

pub(super) static SOURCE: Source = source!("adamw");

/// Threads of the block that adds up the norm.
const THREADS: u32 = 256;

/// What a parameter's rate and decay are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Treatment {
    /// It learns at the backbone's rate.
    pub backbone: bool,
    /// It is decayed.
    pub decayed: bool,
}

/// The coefficients of one step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Coefficients {
    /// Bound of the norm; infinite: none.
    pub clip: f32,
    /// What is added to the norm before the bound is divided by it.
    pub clip_epsilon: f32,
    /// `rate / (1 - beta_1^t)`, of the backbone's parameters and of the others.
    pub sizes: [f32; 2],
    /// `1 - rate * decay`, of the decayed ones of the same two.
    pub keeps: [f32; 2],
    /// `1 / sqrt(1 - beta_2^t)`.
    pub root: f32,
    /// Rates of the two moments.
    pub betas: [f32; 2],
    /// What is added to the root of the second moment.
    pub epsilon: f32,
}

/// The moments of all parameters, and the tables to find them.
#[derive(Debug)]
pub(crate) struct AdamW {
    gpu: Gpu,
    lengths: Vec<usize>,
    starts: Vec<usize>,
    moments: [Buffer<f32>; 2],
    chunks: Chunks,
    starts_there: Buffer<u64>,
    kinds: Buffer<i32>,
    values: Addresses,
    gradients: Addresses,
}

/// The parameters and gradients of one step, in the order of the moments.
#[derive(Debug)]
pub(crate) struct Walk<'g> {
    grads: &'g mut Grads,
    values: Vec<Tensor2>,
    gradients: Vec<u64>,
}

impl<'g> Walk<'g> {
    pub(crate) fn new(grads: &'g mut Grads) -> Self {
        Self {
            grads,
            values: Vec::new(),
            gradients: Vec::new(),
        }
    }

    /// The next parameter, whose storage is its own from now on.
    ///
    /// Panics unless it lies on a GPU and requires a gradient.
    pub(crate) fn add(&mut self, value: &mut Tensor2) {
        // The gradient is that of the tensor before it may get a storage of its own.
        let gradient = value.gradient_address(self.grads);
        self.gradients
            .push(gradient.expect("a trained parameter of the GPU"));
        value.address_mut();
        self.values.push(value.clone());
    }
}

impl AdamW {
    /// With the moments `first` and `second` of parameters, each as long as its parameter.
    pub(crate) fn new(gpu: &Gpu, treatments: &[Treatment], moments: [&[&[f32]]; 2]) -> Self {
        let lengths: Vec<usize> = moments[0].iter().map(|values| values.len()).collect();
        let (starts, total) = starts(&lengths);
        let sent = moments.map(|of_parameters| {
            let mut all = vec![0.0; total];
            for (start, values) in starts.iter().zip(of_parameters) {
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
            gpu: gpu.clone(),
            moments: sent,
            starts,
            lengths,
        }
    }

    /// The two moments of every parameter; waits for the GPU.
    pub(crate) fn moments(&self) -> Vec<[Vec<f32>; 2]> {
        let all = self.moments.each_ref().map(Buffer::values);
        let spans = self.starts.iter().zip(&self.lengths);
        spans
            .map(|(start, len)| all.each_ref().map(|all| all[*start..][..*len].to_vec()))
            .collect()
    }

    /// Takes a step; the norm of the gradient before clipping will stand first in what is returned.
    ///
    /// Panics unless `walk` has the parameters that the moments are of.
    pub(crate) fn step(&mut self, walk: Walk, by: &Coefficients) -> Buffer<f32> {
        let gpu = &self.gpu;
        let lengths: Vec<usize> = walk.values.iter().map(Tensor2::len).collect();
        assert_eq!(lengths, self.lengths, "the parameters of the moments");
        let addresses = walk.values.iter().map(Tensor2::address).collect();
        let values = self.values.send(gpu, addresses);
        let gradients = self.gradients.send(gpu, walk.gradients);
        let result = gpu.scratch::<f32>(2);
        let partials = gpu.scratch::<f32>(self.chunks.count());
        let over_chunks = self.chunks.arguments();
        let squares = [&over_chunks[..], &[gradients.into(), (&partials).into()]].concat();
        let clip = [
            (&partials).into(),
            (&result).into(),
            self.chunks.count().into(),
            by.clip.into(),
            by.clip_epsilon.into(),
        ];
        let [first, second] = &self.moments;
        let rest = [
            values.into(),
            gradients.into(),
            (&self.starts_there).into(),
            (&self.kinds).into(),
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
            by.epsilon.into(),
        ];
        let update = [&over_chunks[..], &rest].concat();
        let one = Grid::blocks(1, THREADS);
        // SAFETY: the addresses are of live tensors, each the only one of its storage, and of their gradients, which are as long and
        // live in the walk's `grads`; the moments of each begin at its start and do not overlap; partial sums are as many as chunks.
        unsafe {
            if let Some(grid) = self.chunks.grid() {
                gpu.launch(&SOURCE, "sum_of_squares", grid, &squares);
            }
            gpu.launch(&SOURCE, "clip_factor", one, &clip);
            if let Some(grid) = self.chunks.grid() {
                gpu.launch(&SOURCE, "adamw", grid, &update);
            }
        }
        result
    }
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
