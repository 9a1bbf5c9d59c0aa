//! The memory of the whole process, counted by its allocator.

use peak_alloc::PeakAlloc;

#[global_allocator]
static COUNTED: PeakAlloc = PeakAlloc;

/// The limit for all tests of this file together, in MiB. They run at the same time.
const LIMIT: f32 = 2048.0;

/// Fails if more memory than the limit was requested at any moment so far. Memory that was requested but never
/// touched counts as well.
pub fn assert_bounded() {
    let peak = COUNTED.peak_usage_as_mb();
    assert!(peak < LIMIT, "{peak} MiB, of at most {LIMIT}");
}

#[test]
fn the_allocator_counts_memory_that_nobody_touches() {
    let before = COUNTED.peak_usage();
    let untouched: Vec<u8> = Vec::with_capacity(300 << 20);
    assert!(COUNTED.peak_usage() >= before.max(300 << 20));
    drop(untouched);
}
