//! The register tiles on processors that they are not written for: never available, so never called.

use super::walk::Walk;

/// Whether the processor has the instructions.
pub(super) fn available() -> bool {
    false
}

/// Never called.
///
/// # Safety
/// None is needed.
pub(super) unsafe fn convolve(
    _: usize,
    _: Walk,
    _: *const f32,
    _: *const f32,
    _: *mut f32,
    _: usize,
    _: bool,
) {
    unreachable!("the tiles are not available")
}

/// Never called.
///
/// # Safety
/// None is needed.
pub(super) unsafe fn weight_gradient(
    _: usize,
    _: Walk,
    _: *const f32,
    _: *const f32,
    _: *mut f32,
    _: usize,
) {
    unreachable!("the tiles are not available")
}
