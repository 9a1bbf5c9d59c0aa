//! GPU memory that is not a tensor: scratch between two kernels, indices, tables.

use super::{Gpu, Home, expect};
use crate::tensor::Later;
use cudarc::driver::{CudaSlice, DevicePtr, DeviceRepr, DeviceSlice, ValidAsZeroBits};

/// A type that a buffer can hold.
pub trait Element:
    DeviceRepr + ValidAsZeroBits + Copy + Default + Unpin + Send + Sync + 'static
{
}

impl Element for f32 {}
impl Element for i32 {}
impl Element for u32 {}
impl Element for u8 {}
impl Element for u64 {}

/// `len` values in the memory of a GPU. When dropped, the memory is freed after the kernels that were started
/// before.
#[derive(Debug)]
pub struct Buffer<T> {
    slice: CudaSlice<T>,
    gpu: Gpu,
    home: Home,
}

impl<T: Element> Buffer<T> {
    /// The address on the GPU.
    pub fn address(&self) -> u64 {
        self.home.check();
        *self.slice.device_ptr()
    }

    /// The GPU that holds it.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// The number of values.
    pub fn len(&self) -> usize {
        self.slice.len()
    }

    /// Returns true if it holds no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A copy of the values. Waits for all kernels that were started before.
    pub fn values(&self) -> Vec<T> {
        self.later().wait()
    }

    /// A copy of the values as they are after all kernels that were started before.
    pub fn later(&self) -> Later<Vec<T>> {
        // SAFETY: a live buffer of this length.
        unsafe { self.gpu.fetch(self.address(), self.len()) }
    }
}

impl Gpu {
    /// Memory with arbitrary values. The first kernel that uses it must write all of them.
    pub fn scratch<T: Element>(&self, len: usize) -> Buffer<T> {
        self.bind();
        // SAFETY: every bit pattern is a value of these types, and kernels write all values before they read
        // them.
        let slice = expect(unsafe { self.shared.device.alloc(len) });
        self.buffer(slice)
    }

    /// Memory filled with zeros.
    pub fn zeros<T: Element>(&self, len: usize) -> Buffer<T> {
        self.bind();
        let slice = expect(self.shared.device.alloc_zeros(len));
        self.buffer(slice)
    }

    fn buffer<T>(&self, slice: CudaSlice<T>) -> Buffer<T> {
        Buffer {
            slice,
            gpu: self.clone(),
            home: Home::here(),
        }
    }

    /// A copy of `values`, which may be dropped at once. Does not wait.
    pub fn upload<T: Element>(&self, values: &[T]) -> Buffer<T> {
        let buffer = self.scratch(values.len());
        // SAFETY: a live buffer of this length.
        unsafe { self.send(buffer.address(), values) };
        buffer
    }

    /// Does the same as [`Self::upload`] for `len` values that `write` fills in.
    pub fn upload_written<T: Element>(
        &self,
        len: usize,
        write: impl FnOnce(&mut [T]),
    ) -> Buffer<T> {
        let buffer = self.scratch(len);
        // SAFETY: a live buffer of this length.
        unsafe { self.send_written(buffer.address(), len, write) };
        buffer
    }
}
