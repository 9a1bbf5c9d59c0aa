//! The attention mask of masked attention, https://arxiv.org/abs/2112.01527, eq. 2: a query looks only where its last mask is.
//!
//! $$ blocked_{qx} = [\sigma(m_q(x)) < 0.5] = [m_q(x) < 0] $$ with the mask logits m resized to the level.
//!
//! A query that is blocked everywhere looks everywhere instead: a softmax over nothing has no value. No gradient flows
//! through the choice.

use std::sync::Arc;

use crate::ops;

/// logits `[planes, h * w]` -> `[planes * h2 * w2]`, 1 where blocked. A plane is one query of one image.
pub(super) fn outside_masks(
    logits: &[f32],
    from: (usize, usize),
    to: (usize, usize),
) -> Arc<Vec<u8>> {
    let planes = logits.len() / (from.0 * from.1);
    let resized = ops::resize_planes(logits, planes, from, to);
    Arc::new(block(&resized, to.0 * to.1))
}

/// `logits` in rows of `pixels`.
fn block(logits: &[f32], pixels: usize) -> Vec<u8> {
    let mut blocked: Vec<u8> = logits.iter().map(|logit| u8::from(*logit < 0.0)).collect();
    for row in blocked.chunks_exact_mut(pixels) {
        if row.iter().all(|b| *b == 1) {
            row.fill(0);
        }
    }
    blocked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negative_logits_are_blocked_and_zero_is_not() {
        assert_eq!(block(&[-0.1, 0.0, 0.1, -3.0], 4), [1, 0, 0, 1]);
    }

    #[test]
    fn a_row_without_an_open_place_is_opened_and_the_others_stay() {
        assert_eq!(
            block(&[-1.0, -1.0, -1.0, 1.0, 1.0, 1.0], 2),
            [0, 0, 1, 0, 0, 0]
        );
    }

    #[test]
    fn masks_are_resized_to_the_level() {
        // A 2x4 mask whose left half is inside: at 1x2 the left pixel stays open.
        let logits = [5.0, 5.0, -5.0, -5.0, 5.0, 5.0, -5.0, -5.0];
        assert_eq!(*outside_masks(&logits, (2, 4), (1, 2)), [0, 1]);
    }
}
