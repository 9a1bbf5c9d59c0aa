//! The functions by which an op finds the GPU that it runs on, and by which its kernels address the tensors
//! there.
//!
//! An op with kernels begins like this and continues with the CPU's code:
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
    /// The first GPU that holds any of `tensors`; none if all are on the host.
    #[inline]
    pub fn of(tensors: &[&Tensor2]) -> Option<Self> {
        tensors.iter().find_map(|tensor| tensor.gpu().cloned())
    }

    /// A constant tensor with arbitrary values. The first kernel that uses it must write all of them.
    pub fn unwritten(&self, rows: usize, columns: usize) -> Tensor2 {
        Tensor2 {
            raw: Raw::Gpu(Matrix::unwritten(self, rows, columns)),
            requires_grad: false,
        }
    }
}

impl Tensor2 {
    /// The GPU that holds the values; none if they are on the host.
    #[inline]
    pub fn gpu(&self) -> Option<&Gpu> {
        match &self.raw {
            Raw::Host(_) => None,
            Raw::Gpu(matrix) => Some(matrix.gpu()),
        }
    }

    /// The same values on `gpu`. A tensor that is there already is returned as it is, and a leaf stays a
    /// leaf.
    ///
    /// Panics if it is on another GPU.
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

    /// The same tensor with the precision of `gpu`, the GPU that holds it.
    pub(super) fn computed_on(&self, gpu: &Gpu) -> Self {
        let mut same = self.clone();
        if let Raw::Gpu(matrix) = &mut same.raw {
            matrix.compute_on(gpu);
        }
        same
    }

    /// An input of an op on `gpu`. A constant of the host is sent there.
    ///
    /// Panics if it is a leaf or a result of the host: no gradient would flow back to it.
    pub fn on(&self, gpu: &Gpu) -> Self {
        let comes_along = self.gpu().is_some() || !self.requires_grad;
        assert!(comes_along, "a leaf of the host in an op on a GPU");
        self.to_gpu(gpu)
    }

    /// The address of the values on the GPU.
    ///
    /// Panics if they are on the host.
    pub fn address(&self) -> u64 {
        match &self.raw {
            Raw::Host(_) => panic!("the values lie on the host"),
            Raw::Gpu(matrix) => matrix.address(),
        }
    }

    /// The address of the values for kernels that write to them. Copies the storage first if another clone
    /// shares it; the tensor is then a new one with a gradient of its own.
    ///
    /// Panics if they are on the host.
    pub fn address_mut(&mut self) -> u64 {
        match &mut self.raw {
            Raw::Host(_) => panic!("the values lie on the host"),
            Raw::Gpu(matrix) => matrix.address_mut(),
        }
    }

    /// The address of the gradient, to which kernels add (it is zero at first); none if the tensor requires
    /// no gradient.
    ///
    /// The address is valid until `grads` is dropped.
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
    /// None becomes a null pointer.
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
    /// None becomes a null pointer.
    fn from(tensor: Option<&Tensor2>) -> Self {
        Self::Address(tensor.map_or(0, Tensor2::address))
    }
}

impl Tape {
    /// Makes the output of an op on `gpu`, whose kernel must write every value. The output requires a
    /// gradient if the tape records and any of `inputs` requires one.
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
