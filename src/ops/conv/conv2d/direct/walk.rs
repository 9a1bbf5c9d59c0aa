//! How the direct convolution is divided: output channels into panels of registers, pixels and window into a walk.

/// Channels in a register.
pub(super) const LANES: usize = 16;

/// Most vectors of channels in a tile.
const MOST_VECTORS: usize = 4;

/// Sizes of the panels of `columns` channels, in vectors: as few panels as possible, of nearly equal size.
pub(super) fn panels(columns: usize) -> impl Iterator<Item = usize> {
    let vectors = columns / LANES;
    let count = vectors.div_ceil(MOST_VECTORS);
    (0..count).map(move |i| (i + 1) * vectors / count - i * vectors / count)
}

/// How the tiles walk over a padded image: the output pixels, and the part of the window that is summed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walk {
    /// Output rows.
    pub(super) rows: usize,
    /// Output pixels of a row.
    pub(super) width: usize,
    /// Values of the image between the windows of neighbouring output rows.
    pub(super) row: usize,
    /// Values between the windows of neighbouring output pixels.
    pub(super) pixel: usize,
    /// Rows of the window.
    pub(super) lines: usize,
    /// Values between the rows of the window.
    pub(super) line: usize,
    /// Values of a row of the window, all consecutive.
    pub(super) run: usize,
}
