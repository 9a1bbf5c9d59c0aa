//! Strided matrix views over slices.
//!
//! [`Matrix`] reads, with any two strides (so a transpose is a view). [`MatrixMut`] writes, with contiguous rows; it can be
//! cut into tiles that share no element, so that several threads fill one buffer (the heads of an attention each own a
//! block of columns).

use std::marker::PhantomData;

/// A read-only matrix over a slice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// The first `rows * columns` values of a row-major slice. Panics if the slice is shorter.
    pub(crate) fn new(values: &'a [f32], rows: usize, columns: usize) -> Self {
        Self::strided(values, rows, columns, columns)
    }

    /// Rows of `columns` values, `row_stride` apart; the stride may be smaller than a row, rows then overlap.
    ///
    /// Panics if the last element lies outside the slice.
    pub(crate) fn strided(
        values: &'a [f32],
        rows: usize,
        columns: usize,
        row_stride: usize,
    ) -> Self {
        let needed = extent(rows, columns, row_stride);
        assert!(
            needed <= values.len(),
            "[{rows}, {columns}] stride {row_stride} in {} values",
            values.len()
        );
        Self {
            values,
            rows,
            columns,
            row_stride,
            column_stride: 1,
        }
    }

    /// The transpose, as a view.
    pub(crate) fn t(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    /// Number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// First element and the distances between rows and between columns; all elements are in bounds.
    pub(super) fn raw(&self) -> (*const f32, isize, isize) {
        (
            self.values.as_ptr(),
            self.row_stride as isize,
            self.column_stride as isize,
        )
    }
}

/// A writable matrix with contiguous rows, the owner of its elements for `'a`.
#[derive(Debug)]
pub(crate) struct MatrixMut<'a> {
    first: *mut f32,
    rows: usize,
    columns: usize,
    row_stride: usize,
    owner: PhantomData<&'a mut [f32]>,
}

// SAFETY: a `MatrixMut` is the only way to its elements for `'a`, like the `&mut [f32]` it was made from.
unsafe impl Send for MatrixMut<'_> {}

impl<'a> MatrixMut<'a> {
    /// The first `rows * columns` values of a row-major slice. Panics if the slice is shorter.
    pub(crate) fn new(values: &'a mut [f32], rows: usize, columns: usize) -> Self {
        let needed = extent(rows, columns, columns);
        assert!(
            needed <= values.len(),
            "[{rows}, {columns}] in {} values",
            values.len()
        );
        Self {
            first: values.as_mut_ptr(),
            rows,
            columns,
            row_stride: columns,
            owner: PhantomData,
        }
    }

    /// Number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// Row `index`.
    pub(crate) fn row_mut(&mut self, index: usize) -> &mut [f32] {
        assert!(index < self.rows, "row {index} of {}", self.rows);
        // SAFETY: the row lies inside this view, which alone may touch it, and the borrow of `self` keeps it so.
        unsafe {
            std::slice::from_raw_parts_mut(self.first.add(index * self.row_stride), self.columns)
        }
    }

    /// A shorter borrow, for a callee that takes the view by value.
    pub(crate) fn reborrow(&mut self) -> MatrixMut<'_> {
        MatrixMut {
            first: self.first,
            rows: self.rows,
            columns: self.columns,
            row_stride: self.row_stride,
            owner: PhantomData,
        }
    }

    /// Cuts into `count` blocks of columns of equal width. Panics unless `count` divides the columns.
    pub(crate) fn groups(&mut self, count: usize) -> Vec<MatrixMut<'_>> {
        assert!(
            count > 0 && self.columns.is_multiple_of(count),
            "{count} of {}",
            self.columns
        );
        let (rows, width) = (self.rows, self.columns / count);
        self.reborrow().tiles(&[rows], &vec![width; count])
    }

    /// Cuts into tiles: `row_cuts` x `column_cuts`, each a list of lengths that add up to the rows and to the columns.
    /// The tiles come row of tiles by row of tiles.
    pub(crate) fn tiles(self, row_cuts: &[usize], column_cuts: &[usize]) -> Vec<MatrixMut<'a>> {
        assert_eq!(
            row_cuts.iter().sum::<usize>(),
            self.rows,
            "row cuts {row_cuts:?}"
        );
        assert_eq!(
            column_cuts.iter().sum::<usize>(),
            self.columns,
            "column cuts {column_cuts:?}"
        );
        let mut tiles = Vec::with_capacity(row_cuts.len() * column_cuts.len());
        let mut row = 0;
        for &rows in row_cuts {
            let mut column = 0;
            for &columns in column_cuts {
                // An empty tile keeps the base pointer, since its corner may lie past the end of the buffer.
                let offset = if rows * columns == 0 {
                    0
                } else {
                    row * self.row_stride + column
                };
                tiles.push(MatrixMut {
                    // SAFETY: the corner of a tile with elements is an element of this view.
                    first: unsafe { self.first.add(offset) },
                    rows,
                    columns,
                    row_stride: self.row_stride,
                    owner: PhantomData,
                });
                column += columns;
            }
            row += rows;
        }
        tiles
    }

    /// First element and the distance between rows; all elements are in bounds and owned.
    pub(super) fn raw(&mut self) -> (*mut f32, isize) {
        (self.first, self.row_stride as isize)
    }
}

/// Values that a strided matrix spans.
fn extent(rows: usize, columns: usize, row_stride: usize) -> usize {
    if rows == 0 || columns == 0 {
        return 0;
    }
    (rows - 1)
        .checked_mul(row_stride)
        .and_then(|skipped| skipped.checked_add(columns))
        .expect("a matrix in memory")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_every_element_once() {
        let mut values = vec![0.0; 5 * 7];
        let tiles = MatrixMut::new(&mut values, 5, 7).tiles(&[2, 0, 3], &[4, 3]);
        assert_eq!(tiles.len(), 6);
        for (k, mut tile) in tiles.into_iter().enumerate() {
            for r in 0..tile.rows() {
                tile.row_mut(r)
                    .iter_mut()
                    .for_each(|v| *v += 1.0 + k as f32);
            }
        }
        for (i, v) in values.iter().enumerate() {
            let (lower, right) = (i / 7 >= 2, i % 7 >= 4);
            let expected = 1.0 + if lower { 4.0 } else { 0.0 } + if right { 1.0 } else { 0.0 };
            assert_eq!(*v, expected, "element {i}");
        }
    }

    #[test]
    #[should_panic(expected = "stride 4 in 10 values")]
    fn a_view_past_the_end_is_refused() {
        let values = vec![0.0; 10];
        Matrix::strided(&values, 3, 3, 4);
    }
}
