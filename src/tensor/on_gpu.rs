//! What an op asks of its tensors before it runs on a GPU, and what its kernels ask of them there.
//!
//! An op with kernels begins so, and goes on with the CPU's code:
//!
//! ```ignore
//! if let Some(gpu) = Gpu::of(&[a, b]) {
//!     return cuda::add_relu(tape, &gpu, a, b);
//! }
//! ```
//!
//! In a program without `--features cuda`, [`Gpu`] has no value: the compiler checks these lines and leaves them out.

use super::cuda::{Buffer, Element, Gpu, Matrix};
use super::kernel::Argument;
use super::{Grads, Raw, Tape, Tensor2};

impl Gpu {
    /// The first GPU that any of `tensors` lies on; none: all lie on the host.
    #[inline]
    pub fn of(tensors: &[&Tensor2]) -> Option<Self> {
        tensors.iter().find_map(|tensor| tensor.gpu().cloned())
    }

    /// A constant tensor with values of any kind: the first kernel that takes it writes all of them.
    pub fn unwritten(&self, rows: usize, columns: usize) -> Tensor2 {
        Tensor2 {
            raw: Raw::Gpu(Matrix::unwritten(self, rows, columns)),
            requires_grad: false,
        }
    }
}

impl Tensor2 {
    /// The GPU that the values lie on; none: the host.
    #[inline]
    pub fn gpu(&self) -> Option<&Gpu> {
        match &self.raw {
            Raw::Host(_) => None,
            Raw::Gpu(matrix) => Some(matrix.gpu()),
        }
    }

    /// The same values on `gpu`: itself, if it lies there. A leaf stays a leaf.
    ///
    /// Panics if it lies on another GPU.
    pub(super) fn to_gpu(&self, gpu: &Gpu) -> Self {
        match &self.raw {
            Raw::Gpu(matrix) => {
                assert_eq!(matrix.gpu().number(), gpu.number(), "tensors of two GPUs");
                self.computed_on(gpu)
            }
            Raw::Host(_) => Self {
                requires_grad: self.requires_grad,
                ..gpu.matrix(self.values(), self.rows(), self.columns())
            },
        }
    }

    /// The same tensor, with the precision of `gpu`, which is the one that it lies on.
    pub(super) fn computed_on(&self, gpu: &Gpu) -> Self {
        let mut same = self.clone();
        if let Raw::Gpu(matrix) = &mut same.raw {
            matrix.compute_on(gpu);
        }
        same
    }

    /// An input of an op on `gpu`, sent there if it is a constant of the host.
    ///
    /// Panics if it is a leaf or a result of the host, to which no gradient would flow back.
    pub fn on(&self, gpu: &Gpu) -> Self {
        let comes_along = self.gpu().is_some() || !self.requires_grad;
        assert!(comes_along, "a leaf of the host in an op on a GPU");
        self.to_gpu(gpu)
    }

    /// The address of the values on the GPU.
    ///
    /// Panics if they lie on the host.
    pub fn address(&self) -> u64 {
        match &self.raw {
            Raw::Host(_) => panic!("the values lie on the host"),
            Raw::Gpu(matrix) => matrix.address(),
        }
    }

    /// The address of the values for kernels that write to them. Copies the storage first if another clone shares it: the tensor is
    /// then another one, with a gradient of its own.
    ///
    /// Panics if they lie on the host.
    pub fn address_mut(&mut self) -> u64 {
        match &mut self.raw {
            Raw::Host(_) => panic!("the values lie on the host"),
            Raw::Gpu(matrix) => matrix.address_mut(),
        }
    }

    /// The address of the gradient, which kernels add to (zeros at first); none where the tensor requires none.
    ///
    /// It holds until `grads` is dropped.
    pub fn gradient_address(&self, grads: &mut Grads) -> Option<u64> {
        match &self.raw {
            Raw::Gpu(matrix) if self.requires_grad => Some(matrix.gradient_address(grads)),
            _ => None,
        }
    }
}

impl<T: Element> From<&Buffer<T>> for Argument {
    fn from(buffer: &Buffer<T>) -> Self {
        Self::Address(buffer.address())
    }
}

impl<T: Element> From<Option<&Buffer<T>>> for Argument {
    /// None: a null pointer.
    fn from(buffer: Option<&Buffer<T>>) -> Self {
        Self::Address(buffer.map_or(0, Buffer::address))
    }
}

impl From<&Tensor2> for Argument {
    fn from(tensor: &Tensor2) -> Self {
        Self::Address(tensor.address())
    }
}

impl From<Option<&Tensor2>> for Argument {
    /// None: a null pointer.
    fn from(tensor: Option<&Tensor2>) -> Self {
        Self::Address(tensor.map_or(0, Tensor2::address))
    }
}

impl Tape {
    /// Makes the output of an op on `gpu`, of which its kernel writes every value. It requires a gradient where the tape records and any of
    /// `inputs` requires one.
    pub fn output_on(
        &self,
        gpu: &Gpu,
        rows: usize,
        columns: usize,
        inputs: &[&Tensor2],
    ) -> Tensor2 {
        let mut out = gpu.unwritten(rows, columns);
        out.requires_grad = self.follows(inputs);
        out
    }
}
