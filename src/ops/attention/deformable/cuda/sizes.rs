//! The sizes of one call of deformable attention on the GPU.

/// The sizes of one call; the names are those of the kernels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) batch: usize,
    pub(super) queries: usize,
    pub(super) tokens: usize,
    pub(super) heads: usize,
    /// Columns of a head.
    pub(super) head: usize,
    pub(super) levels: usize,
    pub(super) points: usize,
    /// Cells and runs of all levels.
    pub(super) cells: usize,
    pub(super) runs: usize,
}

impl Sizes {
    /// Samples of a query in one head.
    pub(super) fn samples(&self) -> usize {
        self.levels * self.points
    }

    /// Columns that a thread has at a time: 4 where that divides every row, so that every piece lies at a multiple of 16 bytes.
    pub(super) fn wide(&self) -> usize {
        if self.head.is_multiple_of(4) { 4 } else { 1 }
    }

    /// Lanes that share a head's columns: a power of two.
    pub(super) fn lanes(&self) -> usize {
        self.head.div_ceil(self.wide()).next_power_of_two().min(32)
    }
}
