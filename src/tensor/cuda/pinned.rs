//! Copies between the memories of host and GPU that neither waits for.
//!
//! What is sent is first copied into memory of the host that the driver has pinned, from where the GPU fetches it when its turn has come;
//! what comes back is written there, and an event tells when. Pinned memory is slow to get, so blocks are kept: one is free again once the
//! event behind its copy has happened. A block's size is a power of two, and what a training step needs the next one needs too.

use super::{Element, Gpu, expect, symbols};
use crate::tensor::Later;
use cudarc::driver::result;
use std::ffi::c_void;
use std::sync::{Mutex, PoisonError};

/// The smallest block.
const SMALLEST: usize = 1 << 12;
/// Bytes of all blocks of a GPU from which on a copy waits for a block of its size instead of getting a new one, if one is at work.
const ENOUGH: usize = 1 << 30;
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
        let codes = unsafe {
            [
                symbols::driver::cuMemHostAlloc(&raw mut memory, bytes, PORTABLE),
                symbols::driver::cuEventCreate(&raw mut event, NO_TIMING),
            ]
        };
        assert_eq!(codes, [0, 0], "the GPU: {bytes} bytes of pinned memory");
        Self {
            memory,
            bytes,
            event,
        }
    }

    /// Puts the event behind all that the calling thread has started.
    fn mark(&self) {
        // SAFETY: an event; the null stream is the thread's own.
        let code = unsafe { symbols::cuEventRecord(self.event, std::ptr::null_mut()) };
        assert_eq!(code, 0, "the driver marks a place of its stream");
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
        check(unsafe { symbols::cuEventSynchronize(self.event) });
    }
}

/// Ends the trial, or the process, with the driver's words for `code`.
#[track_caller]
fn check(code: i32) {
    if code != 0 {
        super::fail("", symbols::error(code));
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
    at_work: Vec<Block>,
    /// Bytes of all blocks, wherever they are.
    bytes: usize,
}

impl Pinned {
    /// A block of at least so many bytes, nobody else's until it is given back.
    fn take(&self, bytes: usize) -> Block {
        let bytes = bytes.next_power_of_two().max(SMALLEST);
        let mut shelves = self.shelves();
        let back = shelves.at_work.extract_if(.., |block| block.is_free());
        let back: Vec<Block> = back.collect();
        shelves.free.extend(back);
        let fits = |block: &Block| block.bytes == bytes;
        if let Some(place) = shelves.free.iter().position(fits) {
            return shelves.free.swap_remove(place);
        }
        if shelves.bytes + bytes > ENOUGH
            && let Some(place) = shelves.at_work.iter().position(fits)
        {
            let block = shelves.at_work.remove(place);
            drop(shelves);
            block.wait();
            return block;
        }
        shelves.bytes += bytes;
        Block::new(bytes)
    }

    /// Takes a block back whose event is recorded.
    fn put(&self, block: Block) {
        self.shelves().at_work.push(block);
    }

    fn shelves(&self) -> std::sync::MutexGuard<'_, Shelves> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A copy on its way to the host.
struct Coming {
    gpu: Gpu,
    /// None only while dropping.
    block: Option<Block>,
}

impl Drop for Coming {
    fn drop(&mut self) {
        self.gpu.shared.pinned.put(self.block.take().expect("once"));
    }
}

impl Gpu {
    /// Sends `len` values, which `write` puts into pinned memory, to `address`. Nothing is waited for.
    ///
    /// # Safety
    /// A live buffer of this GPU begins at `address` and holds so many values.
    pub(super) unsafe fn send<T: Element>(
        &self,
        address: u64,
        len: usize,
        write: impl FnOnce(&mut [T]),
    ) {
        if len == 0 {
            return;
        }
        self.bind();
        let block = self.shared.pinned.take(len * size_of::<T>());
        // SAFETY: the block is ours, as large and aligned to a page; every bit pattern is a value of these types.
        let values = unsafe { std::slice::from_raw_parts_mut(block.memory.cast::<T>(), len) };
        write(values);
        // SAFETY: the caller's promise; the block is not given out again before the event behind the copy.
        expect(unsafe {
            result::memcpy_htod_async(address, values, *self.shared.device.cu_stream())
        });
        block.mark();
        self.shared.pinned.put(block);
    }

    /// The `len` values at `address` as they are when all has ended that this thread has started so far.
    ///
    /// # Safety
    /// A live buffer of this GPU begins at `address` and holds so many values; it may be dropped after the call.
    pub(super) unsafe fn fetch<T: Element>(&self, address: u64, len: usize) -> Later<Vec<T>> {
        if len == 0 {
            return Later::ready(Vec::new());
        }
        self.bind();
        let block = self.shared.pinned.take(len * size_of::<T>());
        let memory = block.memory.cast::<T>();
        // SAFETY: as in `send`.
        let values = unsafe { std::slice::from_raw_parts_mut(memory, len) };
        // SAFETY: the caller's promise; nobody reads the block before the event behind the copy.
        expect(unsafe {
            result::memcpy_dtoh_async(values, address, *self.shared.device.cu_stream())
        });
        block.mark();
        let coming = Coming {
            gpu: self.clone(),
            block: Some(block),
        };
        Later::new(move || {
            let block = coming.block.as_ref().expect("a block until the drop");
            block.wait();
            // SAFETY: as above; the copy has ended.
            unsafe { std::slice::from_raw_parts(block.memory.cast::<T>(), len) }.to_vec()
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::tensor::{Place, Precision};

    #[test]
    #[ignore = "needs a GPU"]
    fn what_is_sent_comes_back_and_blocks_are_used_again_cuda() {
        let Place::Gpu(gpu) = crate::ops::check::gpu(Precision::F32) else {
            panic!("a GPU")
        };
        // Larger than any that another test uses, so that no other one is counted.
        let len = (1 << 22) + 5;
        let known = || gpu.shared.pinned.shelves().bytes;
        let mut laters = Vec::new();
        for round in 0..3 {
            let values: Vec<i32> = (0..len).map(|i| i * 3 + round).collect();
            laters.push(gpu.upload(&values).later());
        }
        let all = known();
        for (round, later) in (0..3).zip(laters) {
            let values = later.wait();
            assert!(
                (0..len)
                    .zip(&values)
                    .all(|(i, value)| *value == i * 3 + round)
            );
        }
        drop(gpu.upload(&vec![0i32; len as usize]).later());
        gpu.synchronize();
        gpu.upload(&vec![1i32; len as usize]);
        assert_eq!(known(), all, "no new block");
        assert!(gpu.upload::<f32>(&[]).later().wait().is_empty());
    }
}
