//! Where a mask with a border lies in an image, in whole pixels: the rule of torchvision.

use crate::ops::boxes::Bounds;
use std::ops::Range;

/// The zeros around a mask.
const BORDER: usize = 1;

/// Farther outside there is no image.
const FARTHEST: f32 = 1e9;

/// `mask` of `side` x `side` with a border of zeros, and its side then.
pub(super) fn padded(mask: &[f32], side: usize) -> (usize, Vec<f32>) {
    let padded_side = side + 2 * BORDER;
    let mut padded = vec![0.0; padded_side * padded_side];
    for (row, line) in mask.chunks_exact(side.max(1)).enumerate() {
        padded[(row + BORDER) * padded_side + BORDER..][..side].copy_from_slice(line);
    }
    (padded_side, padded)
}

/// The first and last pixels of a mask with its border: x1, y1, x2, y2, all of them included. `bounds` is the finite
/// rectangle of the mask without the border.
pub(super) fn corners(bounds: Bounds, side: usize) -> [i32; 4] {
    let scale = (side + 2 * BORDER) as f32 / side as f32;
    let axis = |low: f32, high: f32| {
        let (half, centre) = ((high - low) * 0.5 * scale, (high + low) * 0.5);
        [centre - half, centre + half].map(|place| place.clamp(-FARTHEST, FARTHEST) as i32)
    };
    let ([x1, x2], [y1, y2]) = (axis(bounds.x1, bounds.x2), axis(bounds.y1, bounds.y2));
    [x1, y1, x2.max(x1), y2.max(y1)]
}

/// The part of the pixels `low` to `high`, both included, inside `0..size`.
pub(super) fn cut(low: i32, high: i32, size: usize) -> Range<usize> {
    let last = (i64::from(high) + 1).min(size as i64);
    i64::from(low).clamp(0, size as i64) as usize..last.max(0) as usize
}
