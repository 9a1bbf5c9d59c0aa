//! The only file that uses dfdx directly: tensors of two run-time dimensions, the tape, the gradients.
//!
//! Everything above works on [`Tensor2`], a dfdx tensor `[rows, columns]` in row-major order. Activations are
//! channels-last: a feature map is `[batch * height * width, channels]` ([`Map`]), a token sequence
//! `[batch * tokens, width]`.
//!
//! The tape is a value of its own, not a type parameter of the tensors as in dfdx. An op takes `&mut Tape`
//! and appends its backward function, or nothing if the tape is [`Tape::off`]. So one function serves teacher
//! and student, and generics stay inside this file.
//!
//! A tensor is in the memory of the host or of one GPU ([`Tensor2::place`]). An op runs on the GPU if any of
//! its inputs is there, and otherwise on the CPU. The GPU's code moves inputs from the host to the GPU
//! ([`cuda`]).
//!
//! Without `--features cuda` the types of [`cuda`] have no values. So nothing else in the program depends on
//! the feature: the compiler checks the GPU's code in every build and leaves it out of a program that cannot
//! use it.

#[cfg(feature = "cuda")]
pub mod cuda;
#[cfg(not(feature = "cuda"))]
#[path = "tensor/cuda_absent.rs"]
pub mod cuda;
mod kernel;
mod later;
mod on_gpu;
mod place;
mod precision;
mod product;
mod tape;

pub use later::Later;
pub use place::{DeviceChoice, NoDevice, NoPrecision, Place};
pub use precision::Precision;
pub use tape::Tape;

use dfdx::prelude::{Cpu, Gradients, HasShape, Tensor, TensorFromVec};
use std::borrow::Cow;

/// Gradient buffers by tensor, filled by [`Tape::backward`].
#[derive(Debug)]
pub struct Grads {
    host: Gradients<f32, Cpu>,
    gpu: cuda::Gradients,
}

impl Grads {
    /// The gradient 0 of every tensor.
    pub fn empty() -> Self {
        Self {
            host: Gradients::leaky(),
            gpu: cuda::Gradients::leaky(),
        }
    }

    /// Moves the gradient of `tensor` into `to`, in place of its gradient there.
    pub fn give(&mut self, tensor: &Tensor2, to: &mut Self) {
        match &tensor.raw {
            Raw::Host(raw) => {
                let here = self.host.get_or_alloc_mut(raw).expect("host memory");
                let there = to.host.get_or_alloc_mut(raw).expect("host memory");
                std::mem::swap(here, there);
            }
            Raw::Gpu(matrix) => matrix.give_gradient(self, to),
        }
    }
}

/// The storage of a tensor.
#[derive(Clone, Debug)]
enum Raw {
    Host(Tensor<(usize, usize), f32, Cpu>),
    Gpu(cuda::Matrix),
}

/// A matrix `[rows, columns]` of `f32`, row-major and contiguous. Cloning shares the storage.
#[derive(Clone, Debug)]
pub struct Tensor2 {
    raw: Raw,
    requires_grad: bool,
}

impl Tensor2 {
    /// A tensor on the host that no gradient flows into: inputs, targets, buffers.
    ///
    /// Panics unless `values.len() == rows * columns`.
    pub fn constant(values: Vec<f32>, rows: usize, columns: usize) -> Self {
        assert_eq!(
            values.len(),
            rows * columns,
            "{} values for a [{rows}, {columns}] tensor",
            values.len()
        );
        Self {
            raw: Raw::Host(Cpu::default().tensor_from_vec(values, (rows, columns))),
            requires_grad: false,
        }
    }

    /// A leaf on the host that gradients flow into.
    pub fn parameter(values: Vec<f32>, rows: usize, columns: usize) -> Self {
        Self {
            requires_grad: true,
            ..Self::constant(values, rows, columns)
        }
    }

    fn shape(&self) -> (usize, usize) {
        match &self.raw {
            Raw::Host(raw) => *raw.shape(),
            Raw::Gpu(matrix) => matrix.shape(),
        }
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.shape().0
    }

    /// The number of columns.
    pub fn columns(&self) -> usize {
        self.shape().1
    }

    /// The place that holds the values.
    pub fn place(&self) -> Place {
        match &self.raw {
            Raw::Host(_) => Place::Host,
            Raw::Gpu(matrix) => Place::Gpu(matrix.gpu().clone()),
        }
    }

    /// The same values at `place`; a leaf stays a leaf. If they are there already, the storage is shared.
    pub fn to(&self, place: &Place) -> Self {
        match place {
            Place::Host => match self.host_values() {
                Cow::Borrowed(_) => self.clone(),
                Cow::Owned(values) => Self {
                    requires_grad: self.requires_grad,
                    ..Self::constant(values, self.rows(), self.columns())
                },
            },
            Place::Gpu(gpu) => self.to_gpu(gpu),
        }
    }

    /// The number of values.
    pub fn len(&self) -> usize {
        self.rows() * self.columns()
    }

    /// Returns true if the tensor holds no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns true if a backward pass computes a gradient for this tensor.
    pub fn requires_grad(&self) -> bool {
        self.requires_grad
    }

    /// Switches the gradient of a leaf on or off (a frozen backbone).
    pub fn set_requires_grad(&mut self, on: bool) {
        self.requires_grad = on;
    }

    /// The same values, detached from the tape.
    pub fn detach(&self) -> Self {
        Self {
            raw: self.raw.clone(),
            requires_grad: false,
        }
    }

    fn host(&self) -> &Tensor<(usize, usize), f32, Cpu> {
        match &self.raw {
            Raw::Host(raw) => raw,
            Raw::Gpu(_) => panic!("the values lie on a GPU: this op has no code for it"),
        }
    }

    fn host_mut(&mut self) -> &mut Tensor<(usize, usize), f32, Cpu> {
        match &mut self.raw {
            Raw::Host(raw) => raw,
            Raw::Gpu(_) => panic!("the values lie on a GPU"),
        }
    }

    /// The values, row-major. They are copied only if they are on a GPU.
    pub fn host_values(&self) -> Cow<'_, [f32]> {
        match &self.raw {
            Raw::Host(_) => Cow::Borrowed(self.values()),
            Raw::Gpu(matrix) => Cow::Owned(matrix.values()),
        }
    }

    /// A copy of the values, row-major, as they are when all work that was started so far has ended.
    pub fn later(&self) -> Later<Vec<f32>> {
        match &self.raw {
            Raw::Host(_) => Later::ready(self.values().to_vec()),
            Raw::Gpu(matrix) => matrix.later(),
        }
    }

    /// The values, row-major, without a copy.
    ///
    /// Panics if they are on a GPU.
    pub fn values(&self) -> &[f32] {
        if self.is_empty() {
            return &[];
        }
        let first: *const f32 = &self.host()[[0, 0]];
        // SAFETY: `tensor_from_vec` makes every tensor of this file contiguous, so `len` values follow the
        // first one, and the storage lives as long as `self`.
        unsafe { std::slice::from_raw_parts(first, self.len()) }
    }

    /// The values for writing. Copies the storage first if another clone shares it.
    ///
    /// Panics if they are on a GPU.
    pub fn values_mut(&mut self) -> &mut [f32] {
        if self.is_empty() {
            return &mut [];
        }
        let len = self.len();
        let first: *mut f32 = &mut self.host_mut()[[0, 0]];
        // SAFETY: as in `values`; the mutable indexing made the storage unique.
        unsafe { std::slice::from_raw_parts_mut(first, len) }
    }

    /// Replaces the values. Clones that share the storage keep theirs.
    ///
    /// Panics if the number of `values` differs from that of the tensor.
    pub fn assign(&mut self, values: &[f32]) {
        assert_eq!(values.len(), self.len(), "values of a tensor");
        match self.place() {
            Place::Host => self.values_mut().copy_from_slice(values),
            Place::Gpu(gpu) => {
                *self = Self {
                    requires_grad: self.requires_grad,
                    ..gpu.matrix(values, self.rows(), self.columns())
                }
            }
        }
    }

    /// The only value of a `[1, 1]` tensor.
    pub fn scalar(&self) -> f32 {
        assert_eq!((self.rows(), self.columns()), (1, 1), "a scalar is [1, 1]");
        self.host_values()[0]
    }

    /// A copy of the gradient of this tensor, on any place; zeros if the backward pass did not reach it.
    pub fn gradient(&self, grads: &mut Grads) -> Vec<f32> {
        match &self.raw {
            Raw::Host(_) => self.gradient_mut(grads).to_vec(),
            Raw::Gpu(matrix) => matrix.gradient(grads),
        }
    }

    /// The gradient buffer of this tensor on the host, to be added to. It is zero at first.
    pub fn gradient_mut<'g>(&self, grads: &'g mut Grads) -> &'g mut [f32] {
        let buffer = grads.host.get_or_alloc_mut(self.host());
        buffer.expect("host memory")
    }

    /// Takes the gradient buffer out, so that several can be held at once. Give it back with
    /// [`Self::put_gradient`], or drop it if nobody needs it any more (the gradient of an op's own output).
    pub fn take_gradient(&self, grads: &mut Grads) -> Vec<f32> {
        let buffer = grads.host.get_or_alloc_mut(self.host());
        std::mem::take(&mut **buffer.expect("host memory"))
    }

    /// Gives back a buffer of [`Self::take_gradient`].
    pub fn put_gradient(&self, grads: &mut Grads, buffer: Vec<f32>) {
        let place = grads.host.get_or_alloc_mut(self.host());
        **place.expect("host memory") = buffer;
    }

    /// Replaces the gradient of this tensor, on any place.
    ///
    /// Panics if the number of `values` differs from that of the tensor.
    pub fn set_gradient(&self, grads: &mut Grads, values: Vec<f32>) {
        assert_eq!(values.len(), self.len(), "values of a gradient");
        match &self.raw {
            Raw::Host(_) => self.put_gradient(grads, values),
            Raw::Gpu(matrix) => matrix.set_gradient(grads, &values),
        }
    }
}

/// A feature map: `data` is `[batch * height * width, channels]`.
#[derive(Clone, Debug)]
pub struct Map {
    /// The pixels, image by image, row by row.
    pub data: Tensor2,
    /// The number of images.
    pub batch: usize,
    /// The number of rows of an image.
    pub height: usize,
    /// The number of columns of an image.
    pub width: usize,
}

impl Map {
    /// Panics unless `data` has `batch * height * width` rows.
    pub fn new(data: Tensor2, batch: usize, height: usize, width: usize) -> Self {
        assert_eq!(
            data.rows(),
            batch * height * width,
            "a map of {batch} x {height} x {width}"
        );
        Self {
            data,
            batch,
            height,
            width,
        }
    }

    /// The number of channels.
    pub fn channels(&self) -> usize {
        self.data.columns()
    }

    /// The number of pixels of one image.
    pub fn pixels(&self) -> usize {
        self.height * self.width
    }
}
