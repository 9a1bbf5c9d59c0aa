//! The pixels of masks whose logits are above 0, in the memory of the host: from a GPU a bit each.
//!
//! `$$ m_{ni} = [\,q_{ni} > 0\,] $$`
//!
//! Shapes: q `[N, C]` -> N rows of C bytes of 0 or 1; no gradient.

#[allow(unsafe_code)]
mod cuda;

use crate::tensor::{Later, Tensor2};
use rayon::prelude::*;

/// The pixels of every row of `logits` that are above 0.
pub fn above_zero(logits: &Tensor2) -> Later<Vec<Vec<u8>>> {
    if let Some(gpu) = logits.gpu() {
        return cuda::above_zero(gpu, logits);
    }
    let columns = logits.columns();
    let of_row = |row: usize| {
        let row = &logits.values()[row * columns..][..columns];
        row.iter().map(|logit| u8::from(*logit > 0.0)).collect()
    };
    Later::ready((0..logits.rows()).into_par_iter().map(of_row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{on_every_place, parameter};

    on_every_place! {
        /// Rows of whole and broken words; 0 and what is no number are not above 0.
        fn rows_keep_their_pixels(place) {
            for columns in [1, 31, 32, 33, 1000, 70_000] {
                let mut logits = parameter(1, 3, columns, 1.0).detach();
                logits.values_mut()[0] = 0.0;
                logits.values_mut()[columns] = f32::NAN;
                let found = above_zero(&logits.to(place)).wait();
                let expected: Vec<Vec<u8>> = logits.values().chunks_exact(columns)
                    .map(|row| row.iter().map(|logit| u8::from(*logit > 0.0)).collect()).collect();
                assert_eq!(found, expected);
            }
            assert!(above_zero(&Tensor2::constant(vec![], 0, 64).to(place)).wait().is_empty());
        }
    }
}
