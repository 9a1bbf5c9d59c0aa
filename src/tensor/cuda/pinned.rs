//! Copies between the memories of host and GPU that neither waits for.
//!
//! What is sent is first copied into memory of the host that the driver has pinned, from where the GPU fetches it when its turn has come;
//! what comes back is written there, and an event tells when. Pinned memory is slow to get, so blocks are kept: one is free again once the
//! event behind its copy has happened. A block's size is a power of two, and what a training step needs the next one needs too.

use super::{Element, Gpu, expect, fail, streams, symbols};
use crate::tensor::Later;
use cudarc::driver::result;
use std::collections::VecDeque;
use std::ffi::c_void;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The smallest block.
const SMALLEST: usize = 1 << 12;
/// The largest part of an array that is sent at once: its blocks serve again, one for the whole array would be of a size that no step needs.
const PART: usize = 1 << 24;
/// Bytes of all blocks of a GPU from which on a large copy waits for a block of its size, if one is at work, instead of getting a new one.
const ENOUGH: usize = 1 << 30;
/// A large copy.
const LARGE: usize = 1 << 20;
/// `CUDA_ERROR_NOT_READY`.
const NOT_READY: i32 = 600;
/// `CU_MEMHOSTALLOC_PORTABLE`: pinned for every context.
const PORTABLE: u32 = 1;
/// `CU_EVENT_DISABLE_TIMING`.
const NO_TIMING: u32 = 2;

/// Pinned memory, with the event that stands behind the copy it serves.
struct Block {
    memory: *mut c_void,
    bytes: usize,
    event: *mut c_void,
}

// SAFETY: memory that is no thread's own, and a handle of the driver.
unsafe impl Send for Block {}

impl Block {
    fn new(bytes: usize) -> Self {
        let (mut memory, mut event) = (std::ptr::null_mut(), std::ptr::null_mut());
        // SAFETY: the places of the two answers.
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

    /// Puts the event behind all that the calling thread has started.
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

/// Ends the trial, or the process, with the driver's words for `code`.
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
    /// The oldest first.
    at_work: VecDeque<Block>,
    /// Bytes of all blocks, wherever they are.
    bytes: usize,
}

impl Shelves {
    fn free(&mut self, bytes: usize) -> Option<Block> {
        let place = self.free.iter().position(|block| block.bytes == bytes)?;
        Some(self.free.swap_remove(place))
    }

    /// Takes back what has served, from the oldest on: behind one that has not, most have not either.
    fn reclaim(&mut self) {
        while self.at_work.front().is_some_and(Block::is_free) {
            self.free.extend(self.at_work.pop_front());
        }
    }
}

impl Pinned {
    /// A block of at least so many bytes, nobody else's until it is given back.
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

/// A block in use; given back when dropped, to be used again once its event has happened.
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
    /// The block holds so many, and no copy writes to it.
    unsafe fn values<T: Element>(&self, len: usize) -> &[T] {
        // SAFETY: the block is aligned to a page; every bit pattern is a value of these types.
        unsafe { std::slice::from_raw_parts(self.block().memory.cast(), len) }
    }

    /// As [`Self::values`], for writing.
    ///
    /// # Safety
    /// As there, and no copy reads it.
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
    /// Sends `values` to `address`. Nothing is waited for.
    ///
    /// # Safety
    /// So many values lie at `address`, in a live buffer of this GPU.
    pub(super) unsafe fn send<T: Element>(&self, address: u64, values: &[T]) {
        let part = PART / size_of::<T>();
        for (number, values) in values.chunks(part).enumerate() {
            let address = address + (number * PART) as u64;
            // SAFETY: the caller's promise.
            unsafe { self.send_written(address, values.len(), |to| to.copy_from_slice(values)) };
        }
    }

    /// As [`Self::send`], of `len` values that `write` puts into pinned memory.
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
        // SAFETY: the block is as large, and its last copy has ended; the caller's promise about the address. The block is not given out
        // again before the event behind the copy.
        unsafe {
            let values = lent.values_mut::<T>(len);
            write(values);
            expect(result::memcpy_htod_async(address, values, stream));
        }
        lent.block().mark();
    }

    /// The `len` values at `address` as they are when all has ended that this thread has started so far.
    ///
    /// # Safety
    /// A live buffer of this GPU begins at `address` and holds so many values; it may be dropped after the call.
    pub(super) unsafe fn fetch<T: Element>(&self, address: u64, len: usize) -> Later<Vec<T>> {
        if len == 0 {
            return Later::ready(Vec::new());
        }
        let mut lent = Lent::new(self, len * size_of::<T>());
        let stream = *self.shared.device.cu_stream();
        // SAFETY: as in `send_written`; nobody reads the block before the event behind the copy.
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
        // Something for the event to stand behind.
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
