//! The description of a product of matrices on a GPU. This is plain data, which programs without
//! `--features cuda` also have.

/// A matrix of a product: its address, its layout, and the distance to the next matrix of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Operand {
    /// The address of its first value.
    pub address: u64,
    /// The number of columns of the matrix as stored.
    pub stored_columns: usize,
    /// True if the matrix of the product is the transpose of the stored one.
    pub transposed: bool,
    /// Values from the start of a matrix of a batch to the start of the next; 0: the same matrix for all.
    pub stride: usize,
}

impl Operand {
    /// The row-major matrix at `address` with `columns` columns.
    pub fn new(address: u64, columns: usize) -> Self {
        Self {
            address,
            stored_columns: columns,
            transposed: false,
            stride: 0,
        }
    }

    /// Its transpose.
    pub fn t(self) -> Self {
        Self {
            transposed: !self.transposed,
            ..self
        }
    }

    /// The first matrix of a batch in which each begins `stride` values after the one before. With 0, all are
    /// the same.
    pub fn every(self, stride: usize) -> Self {
        Self { stride, ..self }
    }
}

/// Products of the same shape.
#[derive(Clone, Copy, Debug)]
pub struct Product {
    /// Rows of A and C; columns of B and C; columns of A and rows of B.
    pub size: [usize; 3],
    /// The number of products.
    pub count: usize,
    /// True if the products are added to C; otherwise they replace it.
    pub add: bool,
}

impl Product {
    /// One product that replaces C.
    pub fn one(m: usize, n: usize, k: usize) -> Self {
        Self {
            size: [m, n, k],
            count: 1,
            add: false,
        }
    }

    /// The same for `count` matrices.
    pub fn times(self, count: usize) -> Self {
        Self { count, ..self }
    }

    /// The same, added to C.
    pub fn adding(self) -> Self {
        Self { add: true, ..self }
    }
}
