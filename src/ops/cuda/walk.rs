//! How kernels go over maps, channels last: down the columns, where a thread stays with its channels, of the whole map or of one line of
//! pixels; or along the lines, where a thread has one pixel. Either way it takes four channels at once where their number allows it.

use crate::tensor::cuda::Grid;

/// Threads of a block.
const THREADS: usize = 256;
/// Threads of a block next to each other along a row, at most: a warp.
const LANES: usize = 32;
/// Rows that a thread should have at least before more blocks share the work.
const ROWS: usize = 8;

/// Partial sums over rows, at most: enough blocks for a GPU, few enough to add up.
pub(in crate::ops) const MOST_SUMS: usize = 256;
/// Parts of the rows where nothing is summed, at most.
pub(in crate::ops) const MOST_PARTS: usize = 4096;

/// Channels that a thread takes at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ops) enum Pack {
    /// One: the kernels whose names end in `_1`.
    One,
    /// Four: the kernels whose names end in `_4`.
    Four,
}

impl Pack {
    /// What suits rows of `channels` channels.
    pub(in crate::ops) fn of(channels: usize) -> Self {
        match channels.is_multiple_of(4) {
            true => Self::Four,
            false => Self::One,
        }
    }

    /// How many packs so many channels are.
    pub(in crate::ops) fn packs(self, channels: usize) -> usize {
        match self {
            Self::One => channels,
            Self::Four => channels / 4,
        }
    }

    /// The name of the kernel, of the two for one and for four.
    pub(in crate::ops) fn name(self, [one, four]: [&'static str; 2]) -> &'static str {
        match self {
            Self::One => one,
            Self::Four => four,
        }
    }

    /// The grid that goes down the columns of `images` matrices `[rows, channels]`, each in at most `most` parts (`blocks[1]`): thread
    /// (x, y) has the pack x and every row that leaves the remainder y.
    pub(in crate::ops) fn down(
        self,
        rows: usize,
        channels: usize,
        images: usize,
        most: usize,
    ) -> Grid {
        let packs = self.packs(channels);
        let lanes = packs.next_power_of_two().min(LANES);
        let rows_at_once = THREADS / lanes;
        let parts = rows.div_ceil(rows_at_once * ROWS).clamp(1, most);
        Grid {
            threads: [lanes as u32, rows_at_once as u32, 1],
            ..Grid::items(packs, lanes as u32).by(parts, images)
        }
    }

    /// The grid that goes down the columns of each of `lines` lines of pixels: a block has packs of one line, a thread one of them at every
    /// `threads[1]`-th pixel.
    pub(in crate::ops) fn down_lines(self, lines: usize, channels: usize) -> Grid {
        let packs = self.packs(channels);
        let lanes = packs.next_power_of_two().min(LANES);
        Grid {
            threads: [lanes as u32, (THREADS / lanes) as u32, 1],
            ..Grid::blocks((lines * packs.div_ceil(lanes)).max(1), lanes as u32)
        }
    }

    /// Dynamic shared memory for `count` values per channel and thread of such a grid.
    pub(in crate::ops) fn shared(self, count: usize) -> usize {
        let channels = match self {
            Self::One => 1,
            Self::Four => 4,
        };
        THREADS * channels * count * size_of::<f32>()
    }

    /// The grid that goes along `lines` lines of `pixels` pixels: a thread has a pack of a pixel.
    pub(in crate::ops) fn along(self, lines: usize, pixels: usize, channels: usize) -> Grid {
        along(lines, pixels * self.packs(channels))
    }
}

/// The grid of a thread for each of `length` places of each of `lines` lines; a block has places of one line.
fn along(lines: usize, length: usize) -> Grid {
    let threads = length.next_power_of_two().clamp(LANES, THREADS);
    Grid::blocks((lines * length.div_ceil(threads)).max(1), threads as u32)
}

/// A grid with a warp for each of `count` things: thread (x, y) is lane x of the warp y of a block.
pub(in crate::ops) fn per_warp(count: usize) -> Grid {
    const WARPS: usize = 4;
    Grid {
        threads: [LANES as u32, WARPS as u32, 1],
        ..Grid::items(count, WARPS as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_channels_go_together_where_they_fill_every_row() {
        assert_eq!([1, 3, 6, 4, 64].map(Pack::of), {
            use Pack::{Four, One};
            [One, One, One, Four, Four]
        });
        assert_eq!((Pack::One.packs(6), Pack::Four.packs(64)), (6, 16));
    }

    #[test]
    fn down_the_columns_every_pack_has_a_thread_and_a_block_is_full() {
        for (rows, channels) in [(1, 1), (7, 3), (1 << 20, 64), (5000, 2048), (100, 1537)] {
            let pack = Pack::of(channels);
            let grid = pack.down(rows, channels, 3, MOST_SUMS);
            let [x, y, _] = grid.threads;
            assert_eq!((x * y) as usize, THREADS, "{rows} x {channels}");
            assert!((grid.blocks[0] * x) as usize >= pack.packs(channels));
            assert!((1..=MOST_SUMS as u32).contains(&grid.blocks[1]));
            assert_eq!(grid.blocks[2], 3);
        }
        assert_eq!(
            Pack::Four.down(1 << 20, 64, 1, MOST_SUMS).blocks,
            [1, 256, 1]
        );
    }

    #[test]
    fn down_the_lines_a_block_has_packs_of_one_line() {
        for (lines, channels) in [(1, 1), (7, 147), (57, 576), (100_000, 9)] {
            let pack = Pack::of(channels);
            let grid = pack.down_lines(lines, channels);
            let [x, y, _] = grid.threads;
            assert_eq!((x * y) as usize, THREADS);
            let blocks = pack.packs(channels).div_ceil(x as usize);
            assert_eq!(grid.blocks, [(lines * blocks) as u32, 1, 1]);
        }
    }

    #[test]
    fn along_the_lines_a_block_has_one_line() {
        for (lines, length) in [(1, 1), (3, 33), (5, 256), (5, 257), (16_384, 16_384)] {
            let grid = along(lines, length);
            let threads = grid.threads[0] as usize;
            let blocks = length.div_ceil(threads);
            assert_eq!(grid.blocks, [(lines * blocks) as u32, 1, 1]);
            assert!((LANES..=THREADS).contains(&threads) && threads * (blocks - 1) < length);
        }
        assert_eq!(along(0, 5).blocks, [1, 1, 1], "a grid is never empty");
    }
}
