//! The backward functions of a forward pass.

use super::{Grads, Raw, Tensor2, cuda};
use dfdx::prelude::{Cpu, Gradients, OwnedTape, PutTape, Tape as _, Tensor, TensorFromVec};

/// The list of backward functions of one forward pass, or none.
#[derive(Debug)]
pub struct Tape {
    ops: Option<Ops>,
}

/// The backward functions of either place; a pass uses one place.
#[derive(Debug, Default)]
struct Ops {
    host: OwnedTape<f32, Cpu>,
    gpu: cuda::Ops,
}

impl Tape {
    /// A tape that records.
    pub fn recording() -> Self {
        Self {
            ops: Some(Ops::default()),
        }
    }

    /// A tape that records nothing: inference.
    pub fn off() -> Self {
        Self { ops: None }
    }

    /// Returns true if the output of an op on `inputs` requires a gradient: the tape records, and any input
    /// requires one.
    pub(super) fn follows(&self, inputs: &[&Tensor2]) -> bool {
        self.ops.is_some() && inputs.iter().any(|input| input.requires_grad)
    }

    /// Makes the output of an op on the host. It requires a gradient if the tape records and any of `inputs`
    /// requires one.
    pub fn output(
        &self,
        values: Vec<f32>,
        rows: usize,
        columns: usize,
        inputs: &[&Tensor2],
    ) -> Tensor2 {
        let mut out = Tensor2::constant(values, rows, columns);
        out.requires_grad = self.follows(inputs);
        out
    }

    /// Appends the backward function of the op that made `output`, or nothing if `output` requires no
    /// gradient.
    ///
    /// `backward` adds to the gradients of the inputs that require one. The inputs of an op are distinct
    /// tensors.
    pub fn record(&mut self, output: &Tensor2, backward: impl FnOnce(&mut Grads) + 'static) {
        let (true, Some(ops)) = (output.requires_grad, self.ops.as_mut()) else {
            return;
        };
        // dfdx passes the gradients of one device, and they are moved into place without a copy.
        match &output.raw {
            Raw::Host(_) => ops.host.add_backward_op(move |buffers| {
                let mut grads = Grads::empty();
                std::mem::swap(&mut grads.host, buffers);
                backward(&mut grads);
                std::mem::swap(&mut grads.host, buffers);
                Ok(())
            }),
            Raw::Gpu(_) => ops.gpu.add_backward_op(move |buffers| {
                let mut grads = Grads::empty();
                std::mem::swap(&mut grads.gpu, buffers);
                backward(&mut grads);
                std::mem::swap(&mut grads.gpu, buffers);
                Ok(())
            }),
        }
    }

    /// Runs the tape backwards from a `[1, 1]` loss.
    ///
    /// Panics if the tape is off or `loss` depends on no leaf that requires a gradient.
    pub fn backward(self, loss: &Tensor2) -> Grads {
        self.backward_onto(loss, Grads::empty())
    }

    /// The same, added to the gradients `before` of other passes.
    ///
    /// Panics as [`Self::backward`] does.
    pub fn backward_onto(self, loss: &Tensor2, before: Grads) -> Grads {
        assert!(loss.requires_grad, "the loss depends on no parameter");
        assert_eq!(loss.shape(), (1, 1), "a loss is [1, 1]");
        let ops = self.ops.expect("a recording tape");
        let Grads { host, gpu } = before;
        match &loss.raw {
            Raw::Host(_) => Grads {
                host: backward_on_host(ops.host, loss.clone(), host),
                gpu,
            },
            Raw::Gpu(matrix) => Grads {
                host,
                gpu: matrix.backward(ops.gpu, gpu),
            },
        }
    }
}

/// Runs `ops` backwards, from the gradients `before` on. dfdx starts from a tensor without dimensions, with gradient 1.
fn backward_on_host(
    mut ops: OwnedTape<f32, Cpu>,
    loss: Tensor2,
    before: Gradients<f32, Cpu>,
) -> Gradients<f32, Cpu> {
    let end: Tensor<(), f32, Cpu> = Cpu::default().tensor_from_vec(vec![loss.scalar()], ());
    let seed = end.clone();
    ops.add_backward_op(move |grads| {
        let one = grads.get_or_alloc_mut(&seed)?[0];
        *grads = before;
        grads.get_or_alloc_mut(loss.host())?[0] += one;
        Ok(())
    });
    dfdx::prelude::Backward::backward(end.put_tape(ops))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops;
    use crate::ops::check::on_every_place;

    on_every_place! {
        fn gradients_of_two_passes_add_up_and_move(place) {
            let leaf = Tensor2::parameter(vec![2.0], 1, 1).to(place);
            let loss = |tape: &mut Tape, factor: f32| ops::weighted_sum(tape, &[(&leaf, factor)]);
            let mut tape = Tape::recording();
            let first = loss(&mut tape, 3.0);
            let mut grads = tape.backward(&first);
            let mut kept = Grads::empty();
            grads.give(&leaf, &mut kept);
            assert_eq!(leaf.gradient(&mut grads), [0.0]);
            let mut tape = Tape::recording();
            let second = loss(&mut tape, 5.0);
            let mut both = tape.backward_onto(&second, kept);
            assert_eq!(leaf.gradient(&mut both), [8.0]);
        }
    }
}
