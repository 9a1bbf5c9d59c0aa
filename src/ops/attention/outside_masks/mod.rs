//! The attention mask of masked attention, <https://arxiv.org/abs/2112.01527>, eq. 2: a query looks only where
//! its last mask is.
//!
//! `$$ blocked_{qx} = [\sigma(m_q(x)) < 0.5] = [m_q(x) < 0] $$` with the mask logits m resized to the level.
//!
//! A query that is blocked everywhere looks everywhere instead: a softmax over nothing has no value. No gradient flows
//! through the choice.

#[allow(unsafe_code)]
mod cuda;

use crate::ops::resize_planes;
use crate::tensor::Tensor2;
use crate::tensor::cuda::{Buffer, Gpu};
use std::sync::Arc;

/// The keys that a query of an attention must not attend to: a byte for every query and key, 1 if blocked.
#[derive(Clone, Debug)]
pub enum Blocked {
    /// In the memory of the host.
    Host(Arc<Vec<u8>>),
    /// In that of a GPU.
    Gpu(Arc<Buffer<u8>>),
}

impl From<Vec<u8>> for Blocked {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Host(Arc::new(bytes))
    }
}

impl Blocked {
    /// The bytes.
    ///
    /// Panics if they lie on a GPU.
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Host(bytes) => bytes,
            Self::Gpu(_) => panic!("a mask of the GPU for an attention of the host"),
        }
    }

    /// The bytes on `gpu`, sent there if they lie on the host.
    pub(super) fn on(&self, gpu: &Gpu) -> Arc<Buffer<u8>> {
        match self {
            Self::Host(bytes) => Arc::new(gpu.upload(bytes)),
            Self::Gpu(bytes) => Arc::clone(bytes),
        }
    }

    /// Number of bytes.
    pub fn len(&self) -> usize {
        match self {
            Self::Host(bytes) => bytes.len(),
            Self::Gpu(bytes) => bytes.len(),
        }
    }

    /// Returns true if there is no byte.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// logits `[planes, h * w]` of size `from` -> what lies outside of the masks at size `to`,
/// `[planes, h' * w']`. A plane is one query of one image.
///
/// Panics where the size of the planes disagrees.
pub fn outside_masks(logits: &Tensor2, from: (usize, usize), to: (usize, usize)) -> Blocked {
    assert_eq!(logits.columns(), from.0 * from.1, "planes of {from:?}");
    if let Some(gpu) = Gpu::of(&[logits]) {
        return cuda::outside_masks(&gpu, logits, from, to);
    }
    let resized = resize_planes(logits.values(), logits.rows(), from, to);
    block(&resized, to.0 * to.1).into()
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
    use crate::ops::check::{on_every_place, parameter};

    fn bytes(blocked: Blocked) -> Vec<u8> {
        match blocked {
            Blocked::Host(bytes) => bytes.to_vec(),
            Blocked::Gpu(bytes) => bytes.values(),
        }
    }

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

    on_every_place! {
        fn masks_are_resized_to_the_level(place) {
            // A 2x4 mask whose left half is inside: at 1x2 the left pixel stays open. Another that is outside
            // everywhere: all open.
            let logits = vec![5.0, 5.0, -5.0, -5.0, 5.0, 5.0, -5.0, -5.0];
            let logits = Tensor2::constant([logits, vec![-1.0; 8]].concat(), 2, 8).to(place);
            assert_eq!(bytes(outside_masks(&logits, (2, 4), (1, 2))), [0, 1, 0, 0]);
        }

        fn every_place_agrees_with_the_host(place) {
            for (from, to) in [((16, 16), (8, 8)), ((24, 16), (3, 2)), ((5, 7), (5, 7)), ((8, 8), (40, 41))] {
                let logits = parameter(3, 9, from.0 * from.1, 1.0).detach();
                let expected = bytes(outside_masks(&logits, from, to));
                let found = bytes(outside_masks(&logits.to(place), from, to));
                let differ = found.iter().zip(&expected).filter(|(a, b)| a != b).count();
                // A logit of about 0 may round to either side.
                assert!(differ * 1000 <= expected.len(), "{differ} of {}", expected.len());
            }
        }
    }
}
