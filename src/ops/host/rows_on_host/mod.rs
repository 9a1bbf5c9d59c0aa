//! Some rows of a matrix in the memory of the host: from a GPU in one copy, without what was not asked for.
//!
//! `$$ y_i = x_{r(i)} $$`
//!
//! Shapes: x `[N, C]`, rows r `[n]` -> `[n * C]`; no gradient.

#[allow(unsafe_code)]
mod cuda;

use crate::tensor::Tensor2;

/// The `rows` of `x`, one after the other.
///
/// Panics if `x` has no such row.
pub fn rows_on_host(x: &Tensor2, rows: &[usize]) -> Vec<f32> {
    assert!(
        rows.iter().all(|row| *row < x.rows()),
        "rows {rows:?} of {}",
        x.rows()
    );
    if let Some(gpu) = x.gpu() {
        return cuda::rows_on_host(gpu, x, rows);
    }
    let columns = x.columns();
    let row = |row: &usize| &x.values()[row * columns..][..columns];
    rows.iter().flat_map(row).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{on_every_place, parameter};

    on_every_place! {
        fn rows_come_in_the_order_asked_for(place) {
            let x = parameter(1, 6, 37, 1.0);
            let rows = [4, 0, 4, 5];
            let expected: Vec<f32> = rows.iter().flat_map(|r| &x.values()[37 * r..][..37]).copied().collect();
            let there = x.to(place);
            assert_eq!(rows_on_host(&there, &rows), expected);
            assert!(rows_on_host(&there, &[]).is_empty());
        }
    }
}
