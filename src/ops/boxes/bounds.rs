//! A rectangle with sides parallel to the axes, and the overlap of two.
//!
//! `$$ \mathrm{IoU}(a, b) = \frac{|a \cap b|}{|a| + |b| - |a \cap b|} $$`
//!
//! Coordinates are continuous: pixel (x, y) covers x..x+1 and y..y+1. Source: torchvision's `box_iou`, in f32 and in
//! its order, so that comparisons with a bound give the same answer.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// A rectangle from (x1, y1) to (x2, y2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Bounds {
    /// Left.
    pub x1: f32,
    /// Top.
    pub y1: f32,
    /// Right.
    pub x2: f32,
    /// Bottom.
    pub y2: f32,
}

impl Bounds {
    /// The rectangle x1, y1, x2, y2.
    pub fn new([x1, y1, x2, y2]: [f32; 4]) -> Self {
        Self { x1, y1, x2, y2 }
    }

    /// x1, y1, x2, y2.
    pub fn to_array(self) -> [f32; 4] {
        [self.x1, self.y1, self.x2, self.y2]
    }

    /// The smallest rectangle around the pixels of a mask of `height` x `width` that are not 0; none without any.
    ///
    /// Panics if `bits` has another number of pixels.
    pub fn of_mask(bits: &[u8], height: usize, width: usize) -> Option<Self> {
        assert_eq!(bits.len(), height * width, "a {height} x {width} mask");
        let lines = || bits.chunks_exact(width.max(1));
        let is_set = |bit: &u8| *bit != 0;
        let has_any = |line: &[u8]| line.iter().any(is_set);
        let top = lines().position(has_any)?;
        let bottom = height - lines().rev().position(has_any)?;
        let (mut left, mut right) = (width, 0);
        for line in lines().skip(top).take(bottom - top) {
            if let Some(first) = line.iter().position(is_set) {
                let last = line.iter().rposition(is_set).unwrap_or(first);
                (left, right) = (left.min(first), right.max(last + 1));
            }
        }
        let [x1, y1, x2, y2] = [left, top, right, bottom].map(|side| side as f32);
        Some(Self { x1, y1, x2, y2 })
    }

    /// x2 - x1.
    pub fn width(self) -> f32 {
        self.x2 - self.x1
    }

    /// y2 - y1.
    pub fn height(self) -> f32 {
        self.y2 - self.y1
    }

    /// Width times height.
    pub fn area(self) -> f32 {
        self.width() * self.height()
    }

    /// Returns true if all four numbers are finite.
    pub fn is_finite(self) -> bool {
        self.to_array().iter().all(|side| side.is_finite())
    }

    /// Intersection over union; 0 for two rectangles without area.
    pub fn iou(self, other: Self) -> f32 {
        let width = (self.x2.min(other.x2) - self.x1.max(other.x1)).max(0.0);
        let height = (self.y2.min(other.y2) - self.y1.max(other.y1)).max(0.0);
        let both = width * height;
        let union = self.area() + other.area() - both;
        if union == 0.0 { 0.0 } else { both / union }
    }

    /// The part inside an image of `size` rows and columns.
    pub fn clipped(self, (height, width): (usize, usize)) -> Self {
        let (height, width) = (height as f32, width as f32);
        Self {
            x1: self.x1.clamp(0.0, width),
            y1: self.y1.clamp(0.0, height),
            x2: self.x2.clamp(0.0, width),
            y2: self.y2.clamp(0.0, height),
        }
    }

    /// Its place in the mirror image of a picture that is `width` wide: left and right are swapped.
    pub fn mirrored(self, width: f32) -> Self {
        let [x1, y1, x2, y2] = self.to_array();
        Self::new([width - x2, y1, width - x1, y2])
    }

    /// The same rectangle in an image that is `across` times as wide and `down` times as high.
    pub fn scaled(self, across: f32, down: f32) -> Self {
        Self {
            x1: self.x1 * across,
            y1: self.y1 * down,
            x2: self.x2 * across,
            y2: self.y2 * down,
        }
    }
}

/// The IoU of every rectangle of `a` with every rectangle of `b`, `[a, b]` row by row.
pub fn iou_matrix(a: &[Bounds], b: &[Bounds]) -> Vec<f32> {
    let row = |a: &Bounds| b.iter().map(|b| a.iou(*b)).collect::<Vec<_>>();
    a.par_iter().flat_map_iter(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::golden;

    fn all(values: &[f32]) -> Vec<Bounds> {
        let rows = values.chunks_exact(4);
        rows.map(|row| Bounds::new([row[0], row[1], row[2], row[3]]))
            .collect()
    }

    /// With half-open pixels: the last column is the first one of the mirror image.
    #[test]
    fn mirrored_twice_it_is_where_it_was() {
        let bounds = Bounds::new([0.0, 2.0, 1.0, 7.5]);
        let mirror = Bounds::new([31.0, 2.0, 32.0, 7.5]);
        assert_eq!(bounds.mirrored(32.0), mirror);
        assert_eq!(mirror.mirrored(32.0), bounds);
        let mask = [0, 0, 0, 0, 0, 1, 1, 0, 0, 1, 0, 0];
        let turned: Vec<u8> = mask
            .chunks(4)
            .flat_map(|row| row.iter().rev().copied())
            .collect();
        let of = |bits: &[u8]| Bounds::of_mask(bits, 3, 4).expect("a mask");
        assert_eq!(of(&turned), of(&mask).mirrored(4.0));
    }

    #[test]
    fn the_bounds_of_a_mask_end_behind_its_last_pixel() {
        let mask = [0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        assert_eq!(
            Bounds::of_mask(&mask, 4, 4),
            Some(Bounds::new([1.0, 1.0, 3.0, 3.0]))
        );
        assert_eq!(
            Bounds::of_mask(&mask, 2, 8),
            Some(Bounds::new([1.0, 0.0, 7.0, 2.0]))
        );
        assert_eq!(Bounds::of_mask(&[0; 6], 2, 3), None);
        let other_values = mask.map(|bit| 255 * bit);
        assert_eq!(
            Bounds::of_mask(&other_values, 4, 4),
            Bounds::of_mask(&mask, 4, 4)
        );
    }

    #[test]
    fn clipping_keeps_what_is_inside() {
        let clipped = Bounds::new([-3.0, 2.0, 9.0, 40.0]).clipped((20, 8));
        assert_eq!(clipped, Bounds::new([0.0, 2.0, 8.0, 20.0]));
        let outside = Bounds::new([30.0, 30.0, 40.0, 40.0]).clipped((20, 8));
        assert_eq!(outside.area(), 0.0);
    }

    #[test]
    fn rectangles_without_area_overlap_nothing() {
        let none = Bounds::new([1.0, 1.0, 1.0, 5.0]);
        assert_eq!(none.iou(none), 0.0);
        assert_eq!(none.iou(Bounds::new([0.0, 0.0, 9.0, 9.0])), 0.0);
    }

    #[test]
    fn parity_with_torchvision() {
        let tensors = golden::load("rcnn_ops");
        let (a, b) = (all(&tensors["boxes.a"].1), all(&tensors["boxes.b"].1));
        let expected = &tensors["boxes.iou"].1;
        golden::compare("iou", &iou_matrix(&a, &b), expected, 1e-6);
    }
}
