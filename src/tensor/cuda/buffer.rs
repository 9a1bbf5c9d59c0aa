//! Memory of the GPU that is no tensor: scratch between two kernels, indices, tables.

use super::{Gpu, expect};
use cudarc::driver::{
    CudaSlice, DevicePtr, DevicePtrMut, DeviceRepr, DeviceSlice, ValidAsZeroBits, result,
};

/// What a buffer may hold.
pub trait Element: DeviceRepr + ValidAsZeroBits + Copy + Default + Unpin {}

impl Element for f32 {}
impl Element for i32 {}
impl Element for u8 {}
impl Element for u64 {}

/// `len` values in the memory of a GPU; freed when dropped, after the kernels that were started before.
#[derive(Debug)]
pub struct Buffer<T> {
    slice: CudaSlice<T>,
}

impl<T: Element> Buffer<T> {
    /// Its address on the GPU.
    pub fn address(&self) -> u64 {
        *self.slice.device_ptr()
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.slice.len()
    }

    /// Whether it holds no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A copy of the values; waits for all kernels that were started before.
    pub fn values(&self) -> Vec<T> {
        let mut values = vec![T::default(); self.len()];
        if !self.is_empty() {
            let device = self.slice.device();
            expect(device.dtoh_sync_copy_into(&self.slice, &mut values));
        }
        values
    }
}

impl Gpu {
    /// Memory with values of any kind: the first kernel that takes it writes all of them.
    pub fn scratch<T: Element>(&self, len: usize) -> Buffer<T> {
        self.bind();
        // SAFETY: every bit pattern is a value of these types; that all are written before they are read is the kernels' part.
        let slice = expect(unsafe { self.shared.device.alloc(len) });
        Buffer { slice }
    }

    /// Memory full of zeros.
    pub fn zeros<T: Element>(&self, len: usize) -> Buffer<T> {
        self.bind();
        let slice = expect(self.shared.device.alloc_zeros(len));
        Buffer { slice }
    }

    /// A copy of `values`, which may be dropped at once.
    pub fn upload<T: Element>(&self, values: &[T]) -> Buffer<T> {
        let mut buffer = self.scratch(values.len());
        if !values.is_empty() {
            // SAFETY: the buffer is as long as `values`. Memory that is not pinned the driver has read when it returns, without
            // waiting for the kernels that were started before; where the GPU itself reads it, the end is waited for below.
            let copied = unsafe {
                let to = *buffer.slice.device_ptr_mut();
                result::memcpy_htod_async(to, values, *self.shared.device.cu_stream())
            };
            expect(copied);
            if self.shared.reads_host {
                self.synchronize();
            }
        }
        buffer
    }
}
