//! The masks of detections in the image: small masks, pasted where they are needed.

use crate::detector::{Masks, PictureSizes};
use crate::ops::{Bounds, PasteRule, SmallMasks, paste_mask};
use crate::tensor::{Later, Place, Tensor2};
use std::sync::Arc;

/// The masks of some detections.
#[derive(Clone, Debug)]
pub struct PastedMasks {
    /// Rectangles and probabilities, side x side.
    pub masks: Vec<(Bounds, Vec<f32>)>,
    /// Pixels along a side of a mask.
    pub side: usize,
    /// Rows and columns of the image.
    pub size: (usize, usize),
    /// The rule of pasting.
    pub rule: PasteRule,
    /// The memory of the network.
    pub place: Place,
}

impl PastedMasks {
    /// 1 where mask `row` is at least 0.5, else 0.
    pub fn bits(&self, row: usize) -> Vec<u8> {
        let (bounds, mask) = &self.masks[row];
        let pasted = paste_mask(mask, self.side, *bounds, self.size, self.rule);
        pasted.iter().map(|p| u8::from(*p >= 0.5)).collect()
    }

    /// The number of pixels of every mask above 0.5, as of [`Masks::logits`] above 0.
    pub fn areas(&self) -> Later<Vec<usize>> {
        self.some(0..self.masks.len()).areas(&self.place)
    }

    /// The masks `rows`.
    fn some(&self, rows: impl Iterator<Item = usize>) -> SmallMasks<'_> {
        let one = |row: usize| (self.masks[row].0, self.masks[row].1.as_slice());
        SmallMasks {
            masks: rows.map(one).collect(),
            side: self.side,
            size: self.size,
            rule: self.rule,
        }
    }
}

impl Masks for PastedMasks {
    fn place(&self) -> Place {
        self.place.clone()
    }

    fn logits(&self, rows: &[usize]) -> Tensor2 {
        self.some(rows.iter().copied()).logits(&self.place)
    }

    fn only(&self, rows: &[usize]) -> Arc<dyn Masks> {
        Arc::new(Self {
            masks: rows.iter().map(|row| self.masks[*row].clone()).collect(),
            place: self.place.clone(),
            ..*self
        })
    }

    /// The small masks are pasted at the picture's own resolution, as those of detections.
    fn in_picture(&self, rows: &[usize], sizes: PictureSizes) -> Vec<Vec<f32>> {
        let one = |row: &usize| {
            let (bounds, mask) = &self.masks[*row];
            (sizes.in_picture(*bounds), mask.as_slice())
        };
        let pasted = SmallMasks {
            masks: rows.iter().map(one).collect(),
            side: self.side,
            size: sizes.size,
            rule: self.rule,
        };
        let logits = pasted.logits(&self.place);
        let values = logits.host_values();
        let masks = values.chunks_exact((sizes.size.0 * sizes.size.1).max(1));
        masks.map(<[f32]>::to_vec).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_masks_of_their_own_rectangles() {
        let masks = PastedMasks {
            masks: vec![
                (Bounds::new([0.0, 0.0, 1.0, 1.0]), vec![0.9; 4]),
                (Bounds::new([2.0, 1.0, 6.0, 4.0]), vec![0.9; 4]),
            ],
            side: 2,
            size: (6, 8),
            rule: PasteRule::Sampled,
            place: Place::Host,
        };
        let logits = masks.logits(&[1, 0]);
        assert_eq!((logits.rows(), logits.columns()), (2, 48));
        let above = |row: usize| {
            logits.values()[row * 48..][..48]
                .iter()
                .filter(|l| **l > 0.0)
                .count()
        };
        assert_eq!(masks.areas().wait(), [above(1), above(0)]);
        let bits = masks.bits(1);
        assert_eq!(bits.iter().filter(|bit| **bit == 1).count(), 12);
        assert_eq!(bits[2 * 8 + 4], 1);
    }

    #[test]
    fn masks_in_a_picture_are_those_of_detections_of_its_size() {
        let masks = |scale: f32, size| PastedMasks {
            masks: vec![
                (
                    Bounds::new([0.0, 0.0, scale, scale]),
                    vec![0.2, 0.9, 0.8, 0.4],
                ),
                (
                    Bounds::new([2.0 * scale, scale, 6.0 * scale, 4.0 * scale]),
                    vec![0.9, 0.1, 0.8, 0.6],
                ),
            ],
            side: 2,
            size,
            rule: PasteRule::Sampled,
            place: Place::Host,
        };
        // The picture covers all but the last two columns of the input, and is three times as large.
        let sizes = PictureSizes {
            padded: (6, 8),
            own: (6, 6),
            size: (18, 18),
        };
        let found = masks(1.0, (6, 8)).in_picture(&[1, 0], sizes);
        let expected = masks(3.0, (18, 18));
        for (found, row) in found.iter().zip([1, 0]) {
            let bits = found.iter().map(|logit| u8::from(*logit >= 0.0));
            assert_eq!(bits.collect::<Vec<_>>(), expected.bits(row));
        }
        assert_eq!(found.len(), 2);
    }
}
