//! Matrix product of strided views, on one thread.
//!
//! `$$ C \leftarrow [C +] \; \alpha A B $$`
//!
//! Shapes: A [m, k], B [k, n], C [m, n]. The micro-kernels are those of the `gemm` crate, called at its `f32`
//! floor: its generic entry compiles the kernels of every other number type into this crate as well. Its own
//! threading slows the small products of a network down, so the ops divide their work outside (see
//! [`parallel`](super::parallel)) and call this in every part.

use super::{Matrix, MatrixMut};
use gemm_common::Parallelism;
use gemm_f32::gemm::f32::get_gemm_fn;

/// The effect of a product on its destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Write {
    /// C = alpha A B; what C held before is not read.
    Replace,
    /// C = C + alpha A B.
    Add,
}

/// `out = [out +] alpha * a * b`. Panics unless the shapes agree.
pub(crate) fn gemm(mut out: MatrixMut, write: Write, a: Matrix, b: Matrix, alpha: f32) {
    let (m, n, k) = (out.rows(), out.columns(), a.columns());
    assert!(
        a.rows() == m && b.rows() == k && b.columns() == n,
        "[{m}, {n}] = [{}, {k}] [{}, {}]",
        a.rows(),
        b.rows(),
        b.columns()
    );
    let (first, row_stride) = out.raw();
    let (left, left_rows, left_columns) = a.raw();
    let (right, right_rows, right_columns) = b.raw();
    let add = write == Write::Add;
    // The micro-kernels write column-major tiles, so they are handed the transposed product: C' = B' A'.
    // SAFETY: the views guarantee that every element addressed by shape and strides is in bounds, that `out`
    // may be written and that nothing else refers to it; the shapes agree.
    unsafe {
        get_gemm_fn()(
            n,
            m,
            k,
            first,
            row_stride,
            1,
            add,
            right,
            right_rows,
            right_columns,
            left,
            left_rows,
            left_columns,
            if add { 1.0 } else { 0.0 },
            alpha,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counting(len: usize) -> Vec<f32> {
        (0..len)
            .map(|i| ((i * 37 % 17) as f32 - 8.0) / 8.0)
            .collect()
    }

    fn check(m: usize, n: usize, k: usize, transpose: (bool, bool), write: Write) {
        let (a, b) = (counting(m * k), counting(k * n));
        let left = |i: usize, p: usize| {
            if transpose.0 {
                a[p * m + i]
            } else {
                a[i * k + p]
            }
        };
        let right = |p: usize, j: usize| {
            if transpose.1 {
                b[j * k + p]
            } else {
                b[p * n + j]
            }
        };
        let start = if write == Write::Add { 3.0 } else { f32::NAN };
        // Two columns more than the product: its neighbours must stay as they are.
        let mut c = vec![start; m * (n + 2)];
        let mut tiles = MatrixMut::new(&mut c, m, n + 2).tiles(&[m], &[n, 2]);
        let view = |values, rows, columns, turned| {
            if turned {
                Matrix::new(values, columns, rows).t()
            } else {
                Matrix::new(values, rows, columns)
            }
        };
        let (va, vb) = (view(&a, m, k, transpose.0), view(&b, k, n, transpose.1));
        gemm(tiles.swap_remove(0), write, va, vb, 0.5);
        for i in 0..m {
            for j in 0..n {
                let sum: f32 = (0..k).map(|p| left(i, p) * right(p, j)).sum();
                let expected = 0.5 * sum + if write == Write::Add { 3.0 } else { 0.0 };
                let got = c[i * (n + 2) + j];
                assert!((got - expected).abs() < 1e-4, "{i} {j}: {got} {expected}");
            }
            assert_eq!(
                c[i * (n + 2) + n].to_bits(),
                start.to_bits(),
                "a neighbour was written"
            );
        }
    }

    #[test]
    fn products_of_every_orientation_match_the_sum() {
        for (m, n, k) in [(1, 1, 1), (5, 7, 3), (33, 18, 40), (64, 16, 144)] {
            for transpose in [(false, false), (true, false), (false, true), (true, true)] {
                check(m, n, k, transpose, Write::Replace);
                check(m, n, k, transpose, Write::Add);
            }
        }
    }

    #[test]
    fn an_empty_inner_dimension_gives_zeros() {
        let mut c = vec![f32::NAN; 6];
        gemm(
            MatrixMut::new(&mut c, 2, 3),
            Write::Replace,
            Matrix::new(&[], 2, 0),
            Matrix::new(&[], 0, 3),
            1.0,
        );
        assert_eq!(c, vec![0.0; 6]);
    }

    #[test]
    #[should_panic(expected = "[2, 2] = [2, 3] [2, 2]")]
    fn disagreeing_shapes_are_refused() {
        let (a, b, mut c) = (vec![0.0; 6], vec![0.0; 4], vec![0.0; 4]);
        gemm(
            MatrixMut::new(&mut c, 2, 2),
            Write::Replace,
            Matrix::new(&a, 2, 3),
            Matrix::new(&b, 2, 2),
            1.0,
        );
    }
}
