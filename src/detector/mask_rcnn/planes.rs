//! The masks of detections in the image: small masks, pasted where they are needed.

use crate::detector::Masks;
use crate::ops::{Bounds, PasteRule, paste_mask};
use crate::tensor::{Place, Tensor2};
use rayon::prelude::*;

/// The largest logit: a pixel outside the rectangle has probability 0, whose logit is not finite.
const MOST_LOGIT: f32 = 30.0;

/// The masks of some detections.
#[derive(Clone, Debug)]
pub(super) struct PastedMasks {
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
    /// The probabilities of mask `row` at every pixel of the image.
    fn pasted(&self, row: usize) -> Vec<f32> {
        let (bounds, mask) = &self.masks[row];
        paste_mask(mask, self.side, *bounds, self.size, self.rule)
    }

    /// 1 where mask `row` is at least 0.5, else 0.
    pub(super) fn bits(&self, row: usize) -> Vec<u8> {
        let pasted = self.pasted(row);
        pasted.iter().map(|p| u8::from(*p >= 0.5)).collect()
    }

    /// The number of pixels of mask `row` above 0.5, as of [`Masks::logits`] above 0.
    pub(super) fn area(&self, row: usize) -> usize {
        self.pasted(row).iter().filter(|p| logit(**p) > 0.0).count()
    }
}

/// The logit of a probability.
fn logit(probability: f32) -> f32 {
    let logit = libm::logf(probability) - libm::logf(1.0 - probability);
    logit.clamp(-MOST_LOGIT, MOST_LOGIT)
}

impl Masks for PastedMasks {
    fn place(&self) -> Place {
        self.place.clone()
    }

    fn logits(&self, rows: &[usize]) -> Tensor2 {
        let columns = self.size.0 * self.size.1;
        let values: Vec<f32> = rows
            .par_iter()
            .flat_map_iter(|row| self.pasted(*row).into_iter().map(logit))
            .collect();
        Tensor2::constant(values, rows.len(), columns).to(&self.place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pixel_outside_is_surely_background() {
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
        let logits = masks.logits(&[1]);
        assert_eq!((logits.rows(), logits.columns()), (1, 48));
        assert_eq!(logits.values()[0], -MOST_LOGIT);
        let inside = logits.values()[2 * 8 + 4];
        assert!((inside - 9f32.ln()).abs() < 1e-5, "{inside}");
        let above = logits.values().iter().filter(|logit| **logit > 0.0);
        assert_eq!(above.count(), masks.area(1));
        assert_eq!(logit(1.0), MOST_LOGIT);
        assert_eq!(logit(0.5), 0.0);
    }
}
