//! Some planes, resized where they are.
//!
//! `$$ y_i = \mathrm{resize}(x_{r(i)}) $$`
//!
//! As `resize_planes`. Shapes: x `[N, h*w]`, rows r `[n]` -> `[n, h'*w']`; no gradient.

#[allow(unsafe_code)]
mod cuda;

use crate::ops::cpu::unfilled;
use crate::ops::resize_planes;
use crate::tensor::Tensor2;
use rayon::prelude::*;

/// The planes `rows` of `planes` `[N, from.0 * from.1]`, resized to `to` (rows, columns).
///
/// Panics unless the planes are of that size, or if there is no such row.
pub fn resize_rows(
    planes: &Tensor2,
    rows: &[usize],
    from: (usize, usize),
    to: (usize, usize),
) -> Tensor2 {
    let area = from.0 * from.1;
    assert_eq!(planes.columns(), area, "planes of {from:?}");
    assert!(rows.iter().all(|row| *row < planes.rows()), "rows {rows:?}");
    if let Some(gpu) = planes.gpu() {
        return cuda::resize_rows(gpu, planes, rows, from, to);
    }
    let columns = to.0 * to.1;
    let mut values = unfilled(rows.len() * columns);
    values
        .par_chunks_exact_mut(columns.max(1))
        .zip(rows)
        .for_each(|(out, row)| {
            let plane = &planes.values()[row * area..][..area];
            out.copy_from_slice(&resize_planes(plane, 1, from, to));
        });
    Tensor2::constant(values, rows.len(), columns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{on_every_place, parameter};

    on_every_place! {
        fn each_is_the_resized_plane(place) {
            let planes = parameter(1, 5, 5 * 6, 2.0);
            for to in [(5, 6), (20, 24), (33, 7), (1, 1)] {
                let rows = [4, 0, 4];
                let found = resize_rows(&planes.to(place), &rows, (5, 6), to);
                assert_eq!((found.rows(), found.columns()), (3, to.0 * to.1));
                for (row, found) in rows.iter().zip(found.host_values().chunks_exact(to.0 * to.1)) {
                    let expected = resize_planes(&planes.values()[row * 30..][..30], 1, (5, 6), to);
                    for (found, expected) in found.iter().zip(&expected) {
                        assert!((found - expected).abs() <= 1e-5, "{found}, not {expected}");
                    }
                }
            }
            assert!(resize_rows(&planes.to(place), &[], (5, 6), (9, 9)).is_empty());
        }
    }
}
