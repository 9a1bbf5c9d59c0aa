//! dfdx's tensors on the GPU behind [`Tensor2`]: storage, gradients, tape.

use super::{Gpu, Home, PerThread, expect, fail, streams, symbols};
use crate::tensor::{Grads, Later, Tensor2};
use cudarc::driver::{CudaSlice, DevicePtr, result};
use dfdx::prelude::{
    Cuda, HasShape, OwnedTape, PutTape, Tape as _, Tensor, TensorFromVec, ZerosTensor,
};
use std::fmt::{self, Write};
use std::sync::Arc;

/// Gradient buffers on GPUs.
pub type Gradients = dfdx::prelude::Gradients<f32, Cuda>;

/// The backward ops of a pass that runs on a GPU.
pub type Ops = OwnedTape<f32, Cuda>;

/// A tensor of dfdx with the address of its values.
#[derive(Clone)]
pub struct Matrix {
    tensor: Tensor<(usize, usize), f32, Cuda>,
    address: u64,
    /// Every clone holds it, so its count shows if the storage is shared.
    owners: Arc<()>,
    gpu: Gpu,
    home: Home,
}

// SAFETY: the only part of dfdx's `Cuda` that is not `Send` and `Sync` is the handle of a second stream,
// which nothing here uses. Any thread with the device's context may use the driver's handles, and `Gpu::bind`
// makes sure that it has one. Callers keep a tensor in one thread, whose stream orders all reads and writes;
// debug builds check this (`Home`).
unsafe impl Send for Matrix {}
// SAFETY: as above.
unsafe impl Sync for Matrix {}

impl fmt::Debug for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rows, columns) = self.shape();
        write!(f, "[{rows}, {columns}] on {:?}", self.gpu)
    }
}

impl Matrix {
    fn new(gpu: &Gpu, tensor: Tensor<(usize, usize), f32, Cuda>) -> Self {
        Self {
            address: address(&tensor),
            tensor,
            owners: Arc::default(),
            gpu: gpu.clone(),
            home: Home::here(),
        }
    }

    /// Memory with arbitrary values, to be written by a kernel or a copy.
    pub fn unwritten(gpu: &Gpu, rows: usize, columns: usize) -> Self {
        gpu.bind();
        let make = || gpu.shared.dfdx.zeros_like(&(rows, columns));
        Self::new(gpu, streams::uncleared(make))
    }

    /// `[rows, columns]`.
    pub fn shape(&self) -> (usize, usize) {
        *self.tensor.shape()
    }

    /// The GPU that holds it.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// Lets products of this clone compute as `gpu` does, which is the one that it lies on.
    pub fn compute_on(&mut self, gpu: &Gpu) {
        self.gpu = gpu.clone();
    }

    /// The address of the values.
    pub fn address(&self) -> u64 {
        self.home.check();
        self.address
    }

    /// The address of the values for writing. Copies the storage first if another clone shares it.
    pub fn address_mut(&mut self) -> u64 {
        self.home.check();
        let (rows, columns) = self.shape();
        if Arc::strong_count(&self.owners) > 1 && rows * columns > 0 {
            self.gpu.bind();
            let own = Self::unwritten(&self.gpu, rows, columns);
            let bytes = rows * columns * size_of::<f32>();
            let stream = *self.gpu.shared.device.cu_stream();
            // SAFETY: both tensors hold this number of bytes.
            expect(unsafe { result::memcpy_dtod_async(own.address, self.address, bytes, stream) });
            *self = own;
        }
        self.address
    }

    /// A copy of the values. Waits for all kernels that were started before.
    pub fn values(&self) -> Vec<f32> {
        self.home.check();
        let (rows, columns) = self.shape();
        if rows * columns == 0 {
            return Vec::new();
        }
        self.gpu.bind();
        self.tensor.as_vec()
    }

    /// A copy of the values as they are after all kernels that were started before.
    pub fn later(&self) -> Later<Vec<f32>> {
        self.home.check();
        let (rows, columns) = self.shape();
        // SAFETY: a live tensor of this size.
        unsafe { self.gpu.fetch(self.address, rows * columns) }
    }

    /// A copy of the gradient. Waits for all kernels that were started before.
    pub fn gradient(&self, grads: &mut Grads) -> Vec<f32> {
        let (rows, columns) = self.shape();
        if rows * columns == 0 {
            return Vec::new();
        }
        let slice: &CudaSlice<f32> = self.buffer(grads);
        expect(self.gpu.shared.device.dtoh_sync_copy(slice))
    }

    /// Replaces the gradient.
    pub fn set_gradient(&self, grads: &mut Grads, values: &[f32]) {
        if !values.is_empty() {
            let device = &self.gpu.shared.device;
            expect(device.htod_sync_copy_into(values, self.buffer(grads)));
        }
    }

    /// The address of the gradient, zeros at first; it holds until `grads` is dropped.
    pub fn gradient_address(&self, grads: &mut Grads) -> u64 {
        *self.buffer(grads).device_ptr()
    }

    /// The buffer of the gradient, which is zero at first.
    fn buffer<'g>(&self, grads: &'g mut Grads) -> &'g mut CudaSlice<f32> {
        self.home.check();
        self.gpu.bind();
        let buffer = grads.gpu.get_or_alloc_mut(&self.tensor);
        buffer.unwrap_or_else(|error| panic!("the GPU: {error:?}"))
    }

    /// Moves the buffer of the gradient from one collection into another.
    pub fn give_gradient(&self, from: &mut Grads, to: &mut Grads) {
        std::mem::swap(self.buffer(from), self.buffer(to));
    }

    /// Runs `ops` backwards from this `[1, 1]` loss, from the gradients `before` on. dfdx starts from a tensor without
    /// dimensions, with gradient 1.
    pub fn backward(&self, mut ops: Ops, before: Gradients) -> Gradients {
        self.gpu.bind();
        let end: Tensor<(), f32, Cuda> = self.gpu.shared.dfdx.tensor_from_vec(vec![1.0], ());
        let loss = self.tensor.clone();
        ops.add_backward_op(move |grads| {
            *grads = before;
            let gradient = *grads.get_or_alloc_mut(&loss)?.device_ptr();
            // SAFETY: a live number.
            let code = unsafe { streams::write_number(gradient, 1f32.to_bits()) };
            if code != 0 {
                fail("", symbols::error(code));
            }
            Ok(())
        });
        dfdx::prelude::Backward::backward(end.put_tape(ops))
    }
}

/// Constants by name and size.
pub type Constants = PerThread<(String, usize, usize), Tensor2>;

/// Maximum number of constants that a thread keeps. Training uses a few sizes; an evaluation sees images of
/// many sizes, and their constants are dropped again.
pub const MOST_CONSTANTS: usize = 32;

impl Gpu {
    /// See [`crate::tensor::Place::kept`].
    pub(in crate::tensor) fn kept(
        &self,
        name: String,
        rows: usize,
        columns: usize,
        make: impl FnOnce() -> Vec<f32>,
    ) -> Tensor2 {
        let is = |known: &(String, usize, usize)| {
            known.0 == name && (known.1, known.2) == (rows, columns)
        };
        let make = || {
            let constant = self.matrix(&make(), rows, columns);
            ((name.clone(), rows, columns), constant)
        };
        let constant = self.shared.constants.get(self, is, make);
        constant.computed_on(self)
    }

    /// A constant tensor of `values`, `[rows, columns]`. Does not wait.
    ///
    /// Panics if the number of values does not match.
    pub fn matrix(&self, values: &[f32], rows: usize, columns: usize) -> Tensor2 {
        assert_eq!(values.len(), rows * columns, "values of a matrix");
        let matrix = self.unwritten(rows, columns);
        // SAFETY: a live tensor of this size.
        unsafe { self.send(matrix.address(), values) };
        matrix
    }
}

/// The address of a tensor's values. dfdx exposes it only in its `Debug` text, before anything long. The text
/// is read up to the last digit of the address, and the rest is refused (0.2 microseconds).
fn address(tensor: &Tensor<(usize, usize), f32, Cuda>) -> u64 {
    let mut reader = Reader::default();
    let _ = write!(reader, "{tensor:?}");
    let found = reader.number.filter(|_| reader.over);
    found.expect("`cu_device_ptr` in the `Debug` of dfdx 0.13.0 and cudarc 0.9.15")
}

/// Reads the number after `cu_device_ptr: `.
#[derive(Default)]
struct Reader {
    begun: bool,
    number: Option<u64>,
    over: bool,
}

impl fmt::Write for Reader {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if !self.begun {
            self.begun = text == "cu_device_ptr";
            return Ok(());
        }
        for byte in text.bytes() {
            match (byte, self.number) {
                (b'0'..=b'9', number) => {
                    let digit = u64::from(byte - b'0');
                    self.number = Some(number.unwrap_or(0).wrapping_mul(10).wrapping_add(digit));
                }
                (b' ' | b':', None) => {}
                _ => {
                    self.over = true;
                    return Err(fmt::Error);
                }
            }
        }
        Ok(())
    }
}
