//! The one file that spells dfdx: tensors of two run-time dimensions, the tape, the gradients.
//!
//! Everything above works on [`Tensor2`], a dfdx tensor `[rows, columns]` in row-major order. Activations are kept
//! channels-last: a feature map is `[batch * height * width, channels]` ([`Map`]), a token sequence `[batch * tokens, width]`.
//!
//! The tape is a value of its own, not a type parameter of the tensors as in dfdx: an op takes `&mut Tape` and appends its
//! backward, or nothing when the tape is [`Tape::off`]. So one function serves teacher and student, and no generic letter
//! leaves this file.

use dfdx::prelude::{
    Cpu, Gradients, HasShape, OwnedTape, PutTape, Tape as _, Tensor, TensorFromVec,
};

/// The device that holds every tensor.
pub type Dev = Cpu;
/// Gradient buffers by tensor, filled by [`Tape::backward`].
pub type Grads = Gradients<f32, Dev>;

type Raw = Tensor<(usize, usize), f32, Dev>;

/// A matrix `[rows, columns]` of `f32`, row-major and contiguous. Cloning shares the storage.
#[derive(Clone, Debug)]
pub struct Tensor2 {
    raw: Raw,
    requires_grad: bool,
}

impl Tensor2 {
    /// A tensor that no gradient flows into: inputs, targets, buffers.
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
            raw: Dev::default().tensor_from_vec(values, (rows, columns)),
            requires_grad: false,
        }
    }

    /// A leaf that gradients flow into.
    pub fn parameter(values: Vec<f32>, rows: usize, columns: usize) -> Self {
        Self {
            requires_grad: true,
            ..Self::constant(values, rows, columns)
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.raw.shape().0
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.raw.shape().1
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.rows() * self.columns()
    }

    /// Whether the tensor holds no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a backward pass computes a gradient for this tensor.
    pub fn requires_grad(&self) -> bool {
        self.requires_grad
    }

    /// Switches the gradient of a leaf on or off (a frozen backbone).
    pub fn set_requires_grad(&mut self, on: bool) {
        self.requires_grad = on;
    }

    /// The same values, cut off from the tape.
    pub fn detach(&self) -> Self {
        Self {
            raw: self.raw.clone(),
            requires_grad: false,
        }
    }

    /// The values, row-major, without a copy.
    pub fn values(&self) -> &[f32] {
        if self.is_empty() {
            return &[];
        }
        let first: *const f32 = &self.raw[[0, 0]];
        // SAFETY: every tensor of this file is made contiguous by `tensor_from_vec`, so `len` values follow the first one,
        // and the storage lives as long as `self`.
        unsafe { std::slice::from_raw_parts(first, self.len()) }
    }

    /// The values for writing. Copies the storage first if another clone shares it.
    pub fn values_mut(&mut self) -> &mut [f32] {
        if self.is_empty() {
            return &mut [];
        }
        let len = self.len();
        let first: *mut f32 = &mut self.raw[[0, 0]];
        // SAFETY: as in `values`; indexing mutably made the storage unique.
        unsafe { std::slice::from_raw_parts_mut(first, len) }
    }

    /// The only value of a `[1, 1]` tensor.
    pub fn scalar(&self) -> f32 {
        assert_eq!((self.rows(), self.columns()), (1, 1), "a scalar is [1, 1]");
        self.values()[0]
    }

    /// The gradient of this tensor, or `None` if it was never reached.
    pub fn gradient(&self, grads: &mut Grads) -> Vec<f32> {
        grads
            .get_or_alloc_mut(&self.raw)
            .expect("host memory")
            .to_vec()
    }

    /// The gradient buffer of this tensor (zeros at first), to add to.
    pub fn gradient_mut<'g>(&self, grads: &'g mut Grads) -> &'g mut [f32] {
        grads.get_or_alloc_mut(&self.raw).expect("host memory")
    }

    /// Takes the gradient buffer out, so that several can be held at once. Give it back with [`Self::put_gradient`], or
    /// drop it where nobody needs it any more (the gradient of an op's own output).
    pub fn take_gradient(&self, grads: &mut Grads) -> Vec<f32> {
        std::mem::take(&mut **grads.get_or_alloc_mut(&self.raw).expect("host memory"))
    }

    /// Gives a buffer of [`Self::take_gradient`] back.
    pub fn put_gradient(&self, grads: &mut Grads, buffer: Vec<f32>) {
        **grads.get_or_alloc_mut(&self.raw).expect("host memory") = buffer;
    }
}

/// A feature map: `data` is `[batch * height * width, channels]`.
#[derive(Clone, Debug)]
pub struct Map {
    /// The pixels, image by image, row by row.
    pub data: Tensor2,
    /// Number of images.
    pub batch: usize,
    /// Rows of an image.
    pub height: usize,
    /// Columns of an image.
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

    /// Number of channels.
    pub fn channels(&self) -> usize {
        self.data.columns()
    }

    /// Pixels of one image.
    pub fn pixels(&self) -> usize {
        self.height * self.width
    }
}

/// The list of backward ops of one forward pass, or none.
#[derive(Debug)]
pub struct Tape {
    ops: Option<OwnedTape<f32, Dev>>,
}

impl Tape {
    /// A tape that records.
    pub fn recording() -> Self {
        Self {
            ops: Some(OwnedTape::default()),
        }
    }

    /// A tape that records nothing: inference.
    pub fn off() -> Self {
        Self { ops: None }
    }

    /// Makes the output of an op. It requires a gradient where the tape records and any of `inputs` requires one.
    pub fn output(
        &self,
        values: Vec<f32>,
        rows: usize,
        columns: usize,
        inputs: &[&Tensor2],
    ) -> Tensor2 {
        let mut out = Tensor2::constant(values, rows, columns);
        out.requires_grad = self.ops.is_some() && inputs.iter().any(|input| input.requires_grad);
        out
    }

    /// Appends the backward of the op that made `output`; nothing where `output` requires no gradient.
    ///
    /// `backward` adds to the gradients of those inputs which require one. The inputs of an op are distinct tensors.
    pub fn record(&mut self, output: &Tensor2, backward: impl FnOnce(&mut Grads) + 'static) {
        if let (true, Some(ops)) = (output.requires_grad, self.ops.as_mut()) {
            ops.add_backward_op(move |grads| {
                backward(grads);
                Ok(())
            });
        }
    }

    /// Runs the tape backwards from a `[1, 1]` loss.
    ///
    /// Panics if the tape is off or `loss` depends on no leaf that requires a gradient.
    pub fn backward(self, loss: &Tensor2) -> Grads {
        assert!(loss.requires_grad, "the loss depends on no parameter");
        let mut ops = self.ops.expect("a recording tape");
        let end: Tensor<(), f32, Dev> = Dev::default().tensor_from_vec(vec![loss.scalar()], ());
        let (loss, seed) = (loss.clone(), end.clone());
        ops.add_backward_op(move |grads| {
            let one = grads.get_or_alloc_mut(&seed)?[0];
            loss.gradient_mut(grads)[0] += one;
            Ok(())
        });
        dfdx::prelude::Backward::backward(end.put_tape(ops))
    }
}
