//! The uncertainty of a mask at every pixel: PMUA of PL-DC, eq. 13.
//!
//! `$$ u = 1 - 2\,|\sigma(q) - 0.5| $$`
//!
//! Shapes: logits q `[N, C]`, rows `[n]` -> `[n, C]`; no gradient.

#[allow(unsafe_code)]
mod cuda;

use crate::ops::cpu::unfilled;
use crate::ops::sigmoid;
use crate::tensor::Tensor2;
use rayon::prelude::*;

/// Eq. 13: 1 where the teacher is undecided (logit 0), towards 0 where it is sure.
pub fn uncertainty(logit: f32) -> f32 {
    1.0 - 2.0 * (sigmoid(logit) - 0.5).abs()
}

/// [`uncertainty`] of every value of the `rows` of `logits` `[N, C]`, where these are: `[n, C]`.
///
/// Panics if there is no such row.
pub fn uncertainties(logits: &Tensor2, rows: &[usize]) -> Tensor2 {
    assert!(rows.iter().all(|row| *row < logits.rows()), "rows {rows:?}");
    if let Some(gpu) = logits.gpu() {
        return cuda::uncertainties(gpu, logits, rows);
    }
    let columns = logits.columns();
    let mut values = unfilled(rows.len() * columns);
    values
        .par_chunks_exact_mut(columns.max(1))
        .zip(rows)
        .for_each(|(out, row)| {
            let logits = &logits.values()[row * columns..][..columns];
            for (to, logit) in out.iter_mut().zip(logits) {
                *to = uncertainty(*logit);
            }
        });
    Tensor2::constant(values, rows.len(), columns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{on_every_place, parameter};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn eq_13_is_a_symmetric_probability(logit in -50.0f32..50.0) {
            let u = uncertainty(logit);
            prop_assert!((0.0..=1.0).contains(&u));
            prop_assert!((u - uncertainty(-logit)).abs() < 1e-6);
            prop_assert!(uncertainty(logit * 2.0) <= u + 1e-6, "further from 0 is surer");
        }
    }

    #[test]
    fn an_undecided_pixel_is_one_and_a_sure_one_nothing() {
        assert_eq!(uncertainty(0.0), 1.0);
        assert!(uncertainty(20.0) < 1e-6 && uncertainty(-20.0) < 1e-6);
    }

    on_every_place! {
        fn every_value_of_the_rows_has_its_own(place) {
            let logits = parameter(1, 7, 2345, 4.0);
            let rows = [5, 0, 5];
            let found = uncertainties(&logits.to(place), &rows);
            assert_eq!((found.rows(), found.columns()), (3, 2345));
            for (found, row) in found.host_values().chunks_exact(2345).zip(rows) {
                for (found, logit) in found.iter().zip(&logits.values()[row * 2345..]) {
                    assert!((found - uncertainty(*logit)).abs() < 1e-6);
                }
            }
            assert!(uncertainties(&logits.to(place), &[]).is_empty());
        }
    }
}
