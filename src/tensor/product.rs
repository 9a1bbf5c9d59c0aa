//! What a product of matrices on a GPU is asked for: plain data, known to programs without `--features cuda` too.

/// A matrix of a product: where it begins, how it lies, how far it is to the next one of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Operand {
    /// The address of its first value.
    pub address: u64,
    /// Columns of the matrix as it is stored.
    pub stored_columns: usize,
    /// Whether the matrix of the product is the transpose of the stored one.
    pub transposed: bool,
    /// Values from the start of a matrix of a batch to the start of the next; 0: the same matrix for all.
    pub stride: usize,
}

impl Operand {
    /// The row-major matrix at `address` whose rows are `columns` long.
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

    /// The first of a batch, each `stride` values after the one before; 0: the same for all.
    pub fn every(self, stride: usize) -> Self {
        Self { stride, ..self }
    }
}

/// Some products of the same shape.
#[derive(Clone, Copy, Debug)]
pub struct Product {
    /// Rows of A and C, columns of B and C, columns of A and rows of B.
    pub size: [usize; 3],
    /// How many.
    pub count: usize,
    /// Whether the products are added to what C holds; else they replace it.
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

    /// The same, added to what C holds.
    pub fn adding(self) -> Self {
        Self { add: true, ..self }
    }
}
