//! The memory that reading a file takes, counted by the allocator.

use peak_alloc::PeakAlloc;
use std::sync::{Mutex, PoisonError};

#[global_allocator]
static COUNTED: PeakAlloc = PeakAlloc;

/// Held by the only case that runs, because the allocator counts the whole process.
static ALONE: Mutex<()> = Mutex::new(());

/// The limit for one file, in bytes: the largest picture that is decoded takes about half of it.
const LIMIT: usize = 1 << 30;

/// Runs `read` alone, and fails if it requests more memory than the limit. Memory that is requested but never touched
/// counts as well.
pub fn bounded<T>(read: impl FnOnce() -> T) -> T {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    COUNTED.reset_peak_usage();
    let result = read();
    let peak = COUNTED.peak_usage();
    assert!(peak < LIMIT, "{peak} bytes, of at most {LIMIT}");
    result
}

#[test]
#[should_panic = "bytes, of at most"]
fn memory_that_nobody_touches_counts() {
    let untouched: Vec<u8> = bounded(|| Vec::with_capacity(LIMIT));
    drop(untouched);
}
