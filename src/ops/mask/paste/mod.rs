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
//! Of many masks, the logits of all pixels or their areas are wanted where the network is:
//!
//! `$$ q_{ij} = \ln \frac{y_{ij}}{1 - y_{ij}}, \qquad a = \sum_{ij} [y_{ij} > \tfrac12] $$`
//!
//! Shapes: m `[S*S]` -> `[h*w]`, or n of them -> `[n, h*w]` and n areas; no gradient.

#[allow(unsafe_code)]
mod cuda;
mod places;

use crate::ops::boxes::Bounds;
use crate::ops::points::point_sample::sample_plane;
use crate::ops::resize_planes;
use crate::tensor::{Later, Place, Tensor2};
use places::{corners, cut, padded};
use rayon::prelude::*;

/// The rule by which a mask is pasted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasteRule {
    /// Pixels read the mask at their centres.
    Sampled,
    /// The mask is resized to whole pixels.
    Expanded,
}

/// The largest logit: a pixel outside the rectangle has probability 0, whose logit is not finite.
pub const MOST_LOGIT: f32 = 30.0;

/// Masks of `side` x `side` probabilities, each with its rectangle, and the images that they are pasted into.
#[derive(Clone, Debug)]
pub struct SmallMasks<'m> {
    /// The rectangle and the probabilities of each.
    pub masks: Vec<(Bounds, &'m [f32])>,
    /// Pixels along a side of a mask.
    pub side: usize,
    /// Rows and columns of the images.
    pub size: (usize, usize),
    /// The rule of pasting.
    pub rule: PasteRule,
}

impl SmallMasks<'_> {
    /// The logits of all pixels at `place`, at most [`MOST_LOGIT`] and at least its opposite: `[n, h*w]`.
    ///
    /// Panics if a mask has another number of values.
    pub fn logits(&self, place: &Place) -> Tensor2 {
        self.check();
        if let Place::Gpu(gpu) = place {
            return cuda::logits(gpu, self);
        }
        let of_mask = |number: usize| self.pasted(number).into_iter().map(logit);
        let masks = 0..self.masks.len();
        let values = masks.into_par_iter().flat_map_iter(of_mask).collect();
        Tensor2::constant(values, self.masks.len(), self.size.0 * self.size.1)
    }

    /// The number of pixels of each mask with a probability above 0.5, computed at `place`.
    ///
    /// Panics if a mask has another number of values.
    pub fn areas(&self, place: &Place) -> Later<Vec<usize>> {
        self.check();
        if let Place::Gpu(gpu) = place {
            return cuda::areas(gpu, self);
        }
        let of_mask = |number| self.pasted(number).iter().filter(|p| **p > 0.5).count();
        Later::ready((0..self.masks.len()).into_par_iter().map(of_mask).collect())
    }

    fn pasted(&self, number: usize) -> Vec<f32> {
        let (bounds, mask) = self.masks[number];
        paste_mask(mask, self.side, bounds, self.size, self.rule)
    }

    fn check(&self) {
        let values = self.side * self.side;
        let fits = self.masks.iter().all(|(_, mask)| mask.len() == values);
        assert!(fits, "masks of {0} x {0}", self.side);
    }
}

/// The logit of a probability; one that rounding has put above 1 counts as 1.
fn logit(probability: f32) -> f32 {
    let probability = probability.min(1.0);
    let logit = libm::logf(probability) - libm::logf(1.0 - probability);
    logit.clamp(-MOST_LOGIT, MOST_LOGIT)
}

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
    let (padded_side, padded) = padded(mask, side);
    let [x1, y1, x2, y2] = corners(bounds, side);
    let (rows, columns) = (cut(y1, y2, size.0), cut(x1, x2, size.1));
    if rows.is_empty() || columns.is_empty() {
        return;
    }
    let length = |low: i32, high: i32| (high - low + 1) as usize;
    let (height, width) = (length(y1, y2), length(x1, x2));
    let resized = resize_planes(&padded, 1, (padded_side, padded_side), (height, width));
    for row in rows {
        let line = (row as i64 - i64::from(y1)) as usize * width;
        let first = (columns.start as i64 - i64::from(x1)) as usize;
        let from = &resized[line + first..][..columns.len()];
        image[row * size.1..][columns.clone()].copy_from_slice(from);
    }
}

#[cfg(test)]
mod tests;
