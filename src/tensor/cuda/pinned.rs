//! Copies between host and GPU memory for which neither side waits.
//!
//! To send, data is first copied into pinned host memory, and the GPU fetches it in the order of the stream.
//! To fetch, the GPU writes into pinned memory, and an event reports the end. Allocating pinned memory is
//! slow, so blocks are reused: a block is free again once the event after its copy has happened. The size of
//! a block is a power of two. A training step usually needs the same sizes as the one before.

use super::{Element, Gpu, expect, fail, streams, symbols};
use crate::tensor::Later;
use cudarc::driver::result;
use std::collections::VecDeque;
use std::ffi::c_void;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The size of the smallest block in bytes.
const SMALLEST: usize = 1 << 12;
/// The largest part of an array that is sent at once. Blocks of this size are reused; a block for a whole
/// large array would not be.
const PART: usize = 1 << 24;
/// If the blocks of a GPU exceed this number of bytes in total, a large copy waits for a busy block of its
/// size, if there is one, instead of allocating another.
const ENOUGH: usize = 1 << 30;
/// The number of bytes from which a copy is large.
const LARGE: usize = 1 << 20;
/// `CUDA_ERROR_NOT_READY`.
const NOT_READY: i32 = 600;
/// `CU_MEMHOSTALLOC_PORTABLE`: pinned for every context.
const PORTABLE: u32 = 1;
/// `CU_EVENT_DISABLE_TIMING`.
const NO_TIMING: u32 = 2;

/// Pinned memory, with the event that follows the copy that uses it.
struct Block {
    memory: *mut c_void,
    bytes: usize,
    event: *mut c_void,
}

// SAFETY: memory that belongs to no thread, and a handle of the driver.
unsafe impl Send for Block {}

impl Block {
    fn new(bytes: usize) -> Self {
        let (mut memory, mut event) = (std::ptr::null_mut(), std::ptr::null_mut());
        // SAFETY: valid pointers for the two results.
        unsafe {
            check(symbols::driver::cuMemHostAlloc(
                &raw mut memory,
                bytes,
                PORTABLE,
            ));
            check(symbols::driver::cuEventCreate(&raw mut event, NO_TIMING));
        }
        Self {
            memory,
            bytes,
            event,
        }
    }

    /// Puts the event after everything that the calling thread has started.
    fn mark(&self) {
        // SAFETY: an event; the null stream is the thread's own.
        check(unsafe { streams::cuEventRecord(self.event, std::ptr::null_mut()) });
    }

    fn is_free(&self) -> bool {
        // SAFETY: an event.
        match unsafe { symbols::driver::cuEventQuery(self.event) } {
            NOT_READY => false,
            code => {
                check(code);
                true
            }
        }
    }

    fn wait(&self) {
        // SAFETY: an event.
        check(unsafe { streams::cuEventSynchronize(self.event) });
    }
}

/// Ends the trial, or the process, with the driver's message for `code`.
#[track_caller]
fn check(code: i32) {
    if code != 0 {
        fail("", symbols::error(code));
    }
}

/// The blocks of a GPU.
#[derive(Default)]
pub struct Pinned {
    shelves: Mutex<Shelves>,
}

#[derive(Default)]
struct Shelves {
    free: Vec<Block>,
    /// The blocks in use, the oldest first.
    at_work: VecDeque<Block>,
    /// The number of bytes of all blocks, used and free.
    bytes: usize,
}

impl Shelves {
    fn free(&mut self, bytes: usize) -> Option<Block> {
        let place = self.free.iter().position(|block| block.bytes == bytes)?;
        Some(self.free.swap_remove(place))
    }

    /// Takes back the blocks whose copies have ended, from the oldest on. If one has not ended, most later
    /// ones have not either.
    fn reclaim(&mut self) {
        while self.at_work.front().is_some_and(Block::is_free) {
            self.free.extend(self.at_work.pop_front());
        }
    }
}

impl Pinned {
    /// A block of at least `bytes` bytes. Nobody else uses it until it is given back.
    fn take(&self, bytes: usize) -> Block {
        let bytes = bytes.next_power_of_two().max(SMALLEST);
        let mut shelves = self.shelves();
        if let Some(block) = shelves.free(bytes) {
            return block;
        }
        shelves.reclaim();
        if let Some(block) = shelves.free(bytes) {
            return block;
        }
        let fits = |block: &Block| block.bytes == bytes;
        if bytes >= LARGE
            && shelves.bytes + bytes > ENOUGH
            && let Some(place) = shelves.at_work.iter().position(fits)
            && let Some(block) = shelves.at_work.remove(place)
        {
            drop(shelves);
            block.wait();
            return block;
        }
        drop(shelves);
        let block = Block::new(bytes);
        self.shelves().bytes += bytes;
        block
    }

    fn shelves(&self) -> MutexGuard<'_, Shelves> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A block in use. Dropping it gives it back; it is reused once its event has happened.
struct Lent {
    gpu: Gpu,
    /// None only while dropping.
    block: Option<Block>,
}

impl Lent {
    fn new(gpu: &Gpu, bytes: usize) -> Self {
        gpu.bind();
        Self {
            block: Some(gpu.shared.pinned.take(bytes)),
            gpu: gpu.clone(),
        }
    }

    fn block(&self) -> &Block {
        self.block.as_ref().expect("a block until the drop")
    }

    /// The first `len` values.
    ///
    /// # Safety
    /// The block holds that many values, and no copy writes to it.
    unsafe fn values<T: Element>(&self, len: usize) -> &[T] {
        // SAFETY: the block is aligned to a page, and every bit pattern is a value of these types.
        unsafe { std::slice::from_raw_parts(self.block().memory.cast(), len) }
    }

    /// Does the same as [`Self::values`], for writing.
    ///
    /// # Safety
    /// As there, and no copy reads from it.
    unsafe fn values_mut<T: Element>(&mut self, len: usize) -> &mut [T] {
        // SAFETY: as there.
        unsafe { std::slice::from_raw_parts_mut(self.block().memory.cast(), len) }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let block = self.block.take();
        self.gpu.shared.pinned.shelves().at_work.extend(block);
    }
}

impl Gpu {
    /// Sends `values` to `address`. Does not wait.
    ///
    /// # Safety
    /// A live buffer of this GPU holds that many values at `address`.
    pub(super) unsafe fn send<T: Element>(&self, address: u64, values: &[T]) {
        let part = PART / size_of::<T>();
        for (number, values) in values.chunks(part).enumerate() {
            let address = address + (number * PART) as u64;
            // SAFETY: guaranteed by the caller.
            unsafe { self.send_written(address, values.len(), |to| to.copy_from_slice(values)) };
        }
    }

    /// Does the same as [`Self::send`] for `len` values that `write` puts into pinned memory.
    ///
    /// # Safety
    /// As for [`Self::send`].
    pub(super) unsafe fn send_written<T: Element>(
        &self,
        address: u64,
        len: usize,
        write: impl FnOnce(&mut [T]),
    ) {
        if len == 0 {
            return;
        }
        let mut lent = Lent::new(self, len * size_of::<T>());
        let stream = *self.shared.device.cu_stream();
        // SAFETY: the block is large enough, and its last copy has ended. The caller guarantees the address.
        // The block is not given out again before the event after the copy.
        unsafe {
            let values = lent.values_mut::<T>(len);
            write(values);
            expect(result::memcpy_htod_async(address, values, stream));
        }
        lent.block().mark();
    }

    /// The `len` values at `address`, as they are when all work that this thread has started so far has
    /// ended.
    ///
    /// # Safety
    /// A live buffer of this GPU begins at `address` and holds that many values. It may be dropped after the
    /// call.
    pub(super) unsafe fn fetch<T: Element>(&self, address: u64, len: usize) -> Later<Vec<T>> {
        if len == 0 {
            return Later::ready(Vec::new());
        }
        let mut lent = Lent::new(self, len * size_of::<T>());
        let stream = *self.shared.device.cu_stream();
        // SAFETY: as in `send_written`; nobody reads the block before the event after the copy.
        unsafe {
            let values = lent.values_mut::<T>(len);
            expect(result::memcpy_dtoh_async(values, address, stream));
        }
        lent.block().mark();
        Later::new(move || {
            lent.block().wait();
            // SAFETY: as above; the copy has ended.
            unsafe { lent.values(len) }.to_vec()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::the_gpu;

    #[test]
    #[ignore = "needs a GPU"]
    fn what_is_sent_comes_back_cuda() {
        let gpu = the_gpu();
        // Two parts.
        let len = (1 << 22) + (1 << 21) + 5;
        let sent = (0..3).map(|round| {
            let values: Vec<i32> = (0..len).map(|i| i * 3 + round).collect();
            gpu.upload(&values).later()
        });
        for (round, later) in (0..3).zip(sent.collect::<Vec<_>>()) {
            let values = later.wait();
            assert!(
                (0..len)
                    .zip(&values)
                    .all(|(i, value)| *value == i * 3 + round)
            );
        }
        drop(gpu.upload(&[7i32; 100]).later());
        assert!(gpu.upload::<f32>(&[]).later().wait().is_empty());
    }

    #[test]
    #[ignore = "needs a GPU"]
    fn a_block_serves_again_once_its_copy_has_ended_cuda() {
        let gpu = the_gpu();
        gpu.bind();
        let pinned = Pinned::default();
        let first = pinned.take(5000);
        assert_eq!(first.bytes, 8192);
        // Work for the event to follow.
        let buffer = gpu.zeros::<f32>(1 << 20);
        first.mark();
        let memory = first.memory;
        pinned.shelves().at_work.push_back(first);
        let other = pinned.take(8192);
        gpu.synchronize();
        let again = pinned.take(4097);
        assert!(other.memory == memory || again.memory == memory);
        assert_ne!(other.memory, again.memory);
        assert_eq!(pinned.take(1).bytes, SMALLEST);
        drop(buffer);
    }
}
