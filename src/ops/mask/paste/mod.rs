//! The small mask of a rectangle, pasted into an image.
//!
//! Mask R-CNN predicts S x S probabilities for a rectangle. Two rules put them back:
//!
//! - [`PasteRule::Sampled`]: the centre of every pixel reads the mask bilinearly, which is 0 outside
//!   (detectron2's `paste_masks_in_image`):
//!   `$$ y_{ij} = \mathrm{bilinear}\Bigl(m;\; \tfrac{j + 1/2 - x_1}{x_2 - x_1},\;
//!      \tfrac{i + 1/2 - y_1}{y_2 - y_1}\Bigr) $$`
//! - [`PasteRule::Expanded`]: the mask gets a border of zeros, the rectangle grows with it and is cut to whole pixels,
//!   and the mask is resized to it (torchvision's `paste_masks_in_image`).
//!
//! Shapes: m `[S*S]` -> `[h*w]`; on the host, no gradient.

use crate::ops::boxes::Bounds;
use crate::ops::points::point_sample::sample_plane;
use crate::ops::resize_planes;

/// The rule by which a mask is pasted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasteRule {
    /// Pixels read the mask at their centres.
    Sampled,
    /// The mask is resized to whole pixels.
    Expanded,
}

/// The zeros around a mask of [`PasteRule::Expanded`].
const BORDER: usize = 1;

/// The probabilities of an image of `size` rows and columns, from the `mask` of `side` x `side` of the rectangle
/// `bounds`. A rectangle that is not finite gives zeros. One without width or height gives zeros as well by
/// [`PasteRule::Sampled`]; [`PasteRule::Expanded`] draws it one pixel wide or high.
///
/// Panics if the mask has another number of values.
pub fn paste_mask(
    mask: &[f32],
    side: usize,
    bounds: Bounds,
    size: (usize, usize),
    rule: PasteRule,
) -> Vec<f32> {
    assert_eq!(mask.len(), side * side, "a mask of {side} x {side}");
    let mut image = vec![0.0; size.0 * size.1];
    if bounds.is_finite() {
        match rule {
            PasteRule::Sampled => sampled(mask, side, bounds, size, &mut image),
            PasteRule::Expanded => expanded(mask, side, bounds, size, &mut image),
        }
    }
    image
}

fn sampled(mask: &[f32], side: usize, bounds: Bounds, size: (usize, usize), image: &mut [f32]) {
    if bounds.width() <= 0.0 || bounds.height() <= 0.0 {
        return;
    }
    // The mask fades out over half of its pixels outside the rectangle.
    let (across, down) = (
        bounds.width() / (2 * side) as f32 + 1.0,
        bounds.height() / (2 * side) as f32 + 1.0,
    );
    let columns = between(bounds.x1 - across, bounds.x2 + across, size.1);
    let mut points = Vec::with_capacity(2 * columns.len());
    for row in between(bounds.y1 - down, bounds.y2 + down, size.0) {
        let y = (row as f32 + 0.5 - bounds.y1) / bounds.height();
        points.clear();
        for column in columns.clone() {
            points.extend([(column as f32 + 0.5 - bounds.x1) / bounds.width(), y]);
        }
        let line = &mut image[row * size.1..][columns.clone()];
        sample_plane(mask, (side, side), &points, line);
    }
}

/// The whole numbers from `low` to `high` inside `0..size`.
fn between(low: f32, high: f32, size: usize) -> std::ops::Range<usize> {
    let inside = |number: f32| number.clamp(0.0, size as f32) as usize;
    let (low, high) = (inside(low.floor()), inside(high.ceil()));
    low..high.max(low)
}

fn expanded(mask: &[f32], side: usize, bounds: Bounds, size: (usize, usize), image: &mut [f32]) {
    let padded_side = side + 2 * BORDER;
    let mut padded = vec![0.0; padded_side * padded_side];
    for (row, line) in mask.chunks_exact(side.max(1)).enumerate() {
        padded[(row + BORDER) * padded_side + BORDER..][..side].copy_from_slice(line);
    }
    let scale = padded_side as f32 / side as f32;
    let half = |low: f32, high: f32| ((high - low) * 0.5 * scale, (high + low) * 0.5);
    let (half_width, x) = half(bounds.x1, bounds.x2);
    let (half_height, y) = half(bounds.y1, bounds.y2);
    let cut = |centre: f32, half: f32| ((centre - half) as i64, (centre + half) as i64);
    let ((x1, x2), (y1, y2)) = (cut(x, half_width), cut(y, half_height));
    // The part of the resized mask that lies in the image.
    let inside = |low: i64, high: i64, size: usize| {
        let last = (high + 1).min(size as i64);
        low.clamp(0, size as i64) as usize..last.max(0) as usize
    };
    let (rows, columns) = (inside(y1, y2, size.0), inside(x1, x2, size.1));
    if rows.is_empty() || columns.is_empty() {
        return;
    }
    let length = |low: i64, high: i64| (high - low + 1).max(1) as usize;
    let (height, width) = (length(y1, y2), length(x1, x2));
    let resized = resize_planes(&padded, 1, (padded_side, padded_side), (height, width));
    for row in rows {
        let line = (row as i64 - y1) as usize * width;
        let first = (columns.start as i64 - x1) as usize;
        let from = &resized[line + first..][..columns.len()];
        image[row * size.1..][columns.clone()].copy_from_slice(from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::golden;

    #[test]
    fn a_full_mask_fills_its_rectangle() {
        let mask = vec![1.0; 16];
        let bounds = Bounds::new([2.0, 1.0, 6.0, 4.0]);
        let image = paste_mask(&mask, 4, bounds, (6, 8), PasteRule::Sampled);
        for (i, value) in image.iter().enumerate() {
            let inside = (2..6).contains(&(i % 8)) && (1..4).contains(&(i / 8));
            assert_eq!(*value >= 0.5, inside, "pixel {i}: {value}");
        }
    }

    #[test]
    fn rectangles_outside_leave_the_image_empty() {
        for bounds in [
            [20.0, 20.0, 30.0, 30.0],
            [-30.0, -30.0, -20.0, -20.0],
            [f32::NAN, 0.0, 5.0, 5.0],
        ] {
            for rule in [PasteRule::Sampled, PasteRule::Expanded] {
                let image = paste_mask(&[1.0; 4], 2, Bounds::new(bounds), (10, 10), rule);
                assert!(image.iter().all(|v| *v == 0.0), "{bounds:?}");
            }
        }
    }

    #[test]
    fn a_rectangle_without_width_is_nothing_or_a_column() {
        let bounds = Bounds::new([3.0, 3.0, 3.0, 6.0]);
        let pasted = |rule| paste_mask(&[1.0; 4], 2, bounds, (10, 10), rule);
        assert_eq!(pasted(PasteRule::Sampled), [0.0; 100]);
        // With its border the mask is 4 high, and the rectangle 6: rows 1 to 7, which read the mask at
        // 4/7 (i + 1/2) - 1/2.
        let column = [
            0.0,
            5.0 / 14.0,
            13.0 / 14.0,
            1.0,
            13.0 / 14.0,
            5.0 / 14.0,
            0.0,
        ];
        for (pixel, found) in pasted(PasteRule::Expanded).into_iter().enumerate() {
            let expected = match (pixel / 10, pixel % 10) {
                (row @ 1..=7, 3) => column[row - 1],
                _ => 0.0,
            };
            assert!(
                (found - expected).abs() < 1e-5,
                "pixel {pixel}: {found}, not {expected}"
            );
        }
    }

    #[test]
    fn parity_with_both_programs() {
        let tensors = golden::load("rcnn_ops");
        let masks = tensors["paste.masks"].1.chunks_exact(28 * 28);
        let boxes = tensors["paste.boxes"].1.chunks_exact(4);
        let cases: Vec<_> = masks.zip(boxes).collect();
        for (name, rule) in [
            ("torchvision", PasteRule::Expanded),
            ("detectron2", PasteRule::Sampled),
        ] {
            let pasted = cases.iter().flat_map(|(mask, row)| {
                let bounds = Bounds::new([row[0], row[1], row[2], row[3]]);
                paste_mask(mask, 28, bounds, (36, 48), rule)
            });
            let expected = &tensors[&format!("paste.{name}")].1;
            golden::compare(name, &pasted.collect::<Vec<_>>(), expected, 1e-4);
        }
    }
}
