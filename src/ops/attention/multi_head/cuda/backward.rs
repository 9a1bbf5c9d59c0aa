//! The backward of attention on the GPU.
//!
//! The scores are computed again, once for the queries' gradient (a block has some queries and goes along the memory, as forward) and once
//! for that of keys and values (the other way round), so that every sum is one block's.

use super::{Inputs, per_row};
use crate::ops::cuda::{reduce, source};
use crate::tensor::cuda::{Argument, Buffer, Gpu, Source};
use crate::tensor::{Grads, Tensor2};

static SOURCE: Source = source!("attention_backward");

impl Inputs {
    /// Adds the gradients of q, k and v, those that are wanted, given the `moments` of the forward.
    pub(super) fn backward(
        &self,
        gpu: &Gpu,
        grads: &mut Grads,
        out: &Tensor2,
        moments: &Buffer<f32>,
    ) {
        let sizes = self.sizes;
        let Some(gradient) = out.gradient_address(grads) else {
            return;
        };
        if sizes.memory == 0 {
            return;
        }
        let count = sizes.lists() * sizes.queries;
        let means = gpu.scratch::<f32>(count);
        let arguments = [
            out.into(),
            gradient.into(),
            (&means).into(),
            count.into(),
            sizes.queries.into(),
            sizes.heads.into(),
            sizes.head.into(),
        ];
        // SAFETY: out and its gradient [batch * queries, heads * head], a mean for every head's query.
        unsafe { gpu.launch(&SOURCE, "attention_means", per_row(count), &arguments) };
        let mut read = self.read();
        let more: [Argument; 3] = [moments.into(), (&means).into(), gradient.into()];
        read.extend(more);
        if let Some(to_q) = self.q.gradient_address(grads) {
            self.backward_queries(gpu, read.clone(), to_q);
        }
        let to_k = self.k.gradient_address(grads);
        let to_v = self.v.gradient_address(grads);
        if to_k.is_some() || to_v.is_some() {
            let targets: [Argument; 2] = [to_k.into(), to_v.into()];
            read.extend(targets);
            read.extend(sizes.counts());
            let grid = sizes.memory_grid();
            // SAFETY: as forward; gradients are as large as their tensors; shared memory for four tiles of values, one of scores, one of the mask.
            unsafe { gpu.launch(&SOURCE, sizes.kernels().memory, grid, &read) };
        }
    }

    /// Adds the gradient of q; `read` is what the kernel reads.
    fn backward_queries(&self, gpu: &Gpu, mut read: Vec<Argument>, to_q: u64) {
        let sizes = self.sizes;
        let (parts, tiles) = sizes.parts();
        let len = self.q.len();
        let partials = (parts > 1).then(|| gpu.scratch::<f32>(parts * len));
        let targets: [Argument; 2] = [to_q.into(), partials.as_ref().into()];
        read.extend(targets);
        read.extend(sizes.counts());
        read.push(tiles.into());
        let grid = sizes.query_grid(4);
        // SAFETY: as for keys and values; partials [parts, batch * queries, heads * head].
        unsafe {
            gpu.launch(&SOURCE, sizes.kernels().queries, grid, &read);
            if let Some(partials) = partials {
                reduce::add_partials(gpu, partials.address(), to_q, parts, len);
            }
        }
    }
}
