//! A run of columns of some rows, at a place of its own in each.
//!
//! `$$ y_{ij} = x_{r(i),\; c(i) + j} $$`
//!
//! Shapes: x `[N, C]`; rows r and first columns c `[n]`, j in 0..w -> `[n, w]`. Source: the sampled anchors and the
//! deltas and masks of the target class in Faster and Mask R-CNN. A row is picked at most once, so that the gradient
//! has one writer for each value.

#[allow(unsafe_code)]
mod cuda;

use crate::tensor::cuda::Gpu;
use crate::tensor::{Tape, Tensor2};

/// Columns `columns[i] .. columns[i] + width` of row `rows[i]` of `x`: `[n, width]`.
///
/// Panics if there is no such row or column, a row is named twice, or the lists differ in length.
pub fn pick(
    tape: &mut Tape,
    x: &Tensor2,
    rows: &[usize],
    columns: &[usize],
    width: usize,
) -> Tensor2 {
    assert_eq!(rows.len(), columns.len(), "a first column for every row");
    let mut seen = vec![false; x.rows()];
    for (&row, &column) in rows.iter().zip(columns) {
        assert!(
            row < x.rows() && column + width <= x.columns(),
            "columns {column} + {width} of row {row} of [{}, {}]",
            x.rows(),
            x.columns()
        );
        assert!(
            !std::mem::replace(&mut seen[row], true),
            "row {row} picked twice"
        );
    }
    if let Some(gpu) = Gpu::of(&[x]) {
        return cuda::pick(tape, &gpu, x, rows, columns, width);
    }
    let stride = x.columns();
    let starts: Vec<usize> = rows
        .iter()
        .zip(columns)
        .map(|(row, column)| row * stride + column)
        .collect();
    let mut values = Vec::with_capacity(starts.len() * width);
    for start in &starts {
        values.extend_from_slice(&x.values()[*start..][..width]);
    }
    let out = tape.output(values, starts.len(), width, &[x]);
    let (x, source) = (x.clone(), out.clone());
    tape.record(&out, move |grads| {
        let gradient = source.take_gradient(grads);
        let to = x.gradient_mut(grads);
        for (start, g) in starts.iter().zip(gradient.chunks_exact(width.max(1))) {
            let to = &mut to[*start..][..width];
            to.iter_mut().zip(g).for_each(|(to, g)| *to += g);
        }
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{gradients, on_every_place, parameter};

    on_every_place! {
        fn runs_come_in_the_order_of_the_rows(place) {
            let x = Tensor2::constant((0..12).map(|i| i as f32).collect(), 3, 4).to(place);
            let y = pick(&mut Tape::off(), &x, &[2, 0], &[1, 2], 2);
            assert_eq!(*y.host_values(), [9.0, 10.0, 2.0, 3.0]);
            assert!(pick(&mut Tape::off(), &x, &[], &[], 2).is_empty());
        }

        fn gradients_match_differences(place) {
            gradients(place, &[parameter(1, 7, 9, 1.0)], 1e-2, 1e-3, |tape, i| {
                pick(tape, &i[0], &[6, 0, 3], &[5, 0, 2], 4)
            });
        }
    }

    #[test]
    #[should_panic(expected = "row 1 picked twice")]
    fn a_row_has_one_reader() {
        pick(
            &mut Tape::off(),
            &parameter(1, 2, 2, 1.0),
            &[1, 1],
            &[0, 1],
            1,
        );
    }
}
