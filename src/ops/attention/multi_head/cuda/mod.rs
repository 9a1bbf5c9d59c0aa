//! Attention on the GPU: forward and backward tile by tile, so that the scores never lie in memory.
//!
//! A block has some queries and goes along the memory. Forward keeps two numbers a query and head, the largest score and one over the sum,
//! of which the [backward](backward) makes the shares again. Where few queries look at a long memory, the memory is
//! divided among blocks too, whose results are joined in a fixed order.

mod backward;

use crate::ops::Blocked;
use crate::ops::cuda::source;
use crate::tensor::cuda::{Argument, Buffer, Gpu, Grid, Source};
use crate::tensor::{Tape, Tensor2};
use std::sync::Arc;

static SOURCE: Source = source!("attention");

/// Threads of a block along each side of a tile, and columns between its rows in shared memory (`attention.cu`).
const SIDE: u32 = 16;
const PAD: usize = 4;
/// Warps of a block of the kernels that have a row for each.
const ROWS: u32 = 8;
/// Blocks for every multiprocessor, below which the memory is divided.
const BLOCKS: usize = 4;

/// The kernels for heads of up to `width` columns.
#[derive(Debug)]
pub(super) struct Kernels {
    width: usize,
    /// Rows and columns of a tile.
    tile: usize,
    forward: &'static str,
    pub(super) queries: &'static str,
    pub(super) memory: &'static str,
}

const KERNELS: [Kernels; 3] = [
    Kernels {
        width: 32,
        tile: 64,
        forward: "attention_forward_32",
        queries: "attention_queries_32",
        memory: "attention_memory_32",
    },
    Kernels {
        width: 64,
        tile: 64,
        forward: "attention_forward_64",
        queries: "attention_queries_64",
        memory: "attention_memory_64",
    },
    Kernels {
        width: 128,
        tile: 32,
        forward: "attention_forward_128",
        queries: "attention_queries_128",
        memory: "attention_memory_128",
    },
];

impl Kernels {
    /// Panics for heads wider than 128.
    fn of(head: usize) -> &'static Self {
        let fitting = KERNELS.iter().find(|kernels| head <= kernels.width);
        fitting.unwrap_or_else(|| {
            panic!("attention on a GPU: heads of at most 128 columns, not {head}")
        })
    }

    /// Shared memory for `count` tiles of values, one of scores and one of the mask.
    fn bytes(&self, count: usize) -> usize {
        4 * self.tile * (count * (self.width + PAD) + self.tile + PAD)
            + self.tile * (self.tile + PAD)
    }
}

/// The sizes of one call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    batch: usize,
    pub(super) queries: usize,
    pub(super) memory: usize,
    pub(super) heads: usize,
    pub(super) head: usize,
    multiprocessors: usize,
}

impl Sizes {
    pub(super) fn kernels(&self) -> &'static Kernels {
        Kernels::of(self.head)
    }

    /// Heads of all images.
    pub(super) fn lists(&self) -> usize {
        self.batch * self.heads
    }

    fn query_tiles(&self) -> usize {
        self.queries.div_ceil(self.kernels().tile)
    }

    /// Into how many parts the memory is divided for the queries' kernels, and the tiles of each.
    pub(super) fn parts(&self) -> (usize, usize) {
        let tiles = self.memory.div_ceil(self.kernels().tile).max(1);
        let blocks = (self.query_tiles() * self.lists()).max(1);
        let wanted = (BLOCKS * self.multiprocessors / blocks).clamp(1, tiles);
        let each = tiles.div_ceil(wanted);
        (tiles.div_ceil(each), each)
    }

    /// Blocks of the queries' kernels, with room for `count` tiles.
    pub(super) fn query_grid(&self, count: usize) -> Grid {
        let grid = Grid {
            threads: [SIDE, SIDE, 1],
            ..Grid::blocks(self.query_tiles(), SIDE)
        };
        grid.by(self.parts().0, self.lists())
            .shared(self.kernels().bytes(count))
    }

    pub(super) fn memory_grid(&self) -> Grid {
        let tiles = self.memory.div_ceil(self.kernels().tile);
        let grid = Grid {
            threads: [SIDE, SIDE, 1],
            ..Grid::blocks(tiles, SIDE)
        };
        grid.by(1, self.lists()).shared(self.kernels().bytes(4))
    }

    /// The last arguments of all kernels of tiles.
    pub(super) fn counts(&self) -> [Argument; 5] {
        [
            self.queries.into(),
            self.memory.into(),
            self.heads.into(),
            self.head.into(),
            (1.0 / (self.head as f32).sqrt()).into(),
        ]
    }
}

/// What the backward reads too.
pub(super) struct Inputs {
    pub(super) q: Tensor2,
    pub(super) k: Tensor2,
    pub(super) v: Tensor2,
    /// The mask, and for every query whether it blocks everything and so counts for nothing.
    pub(super) blocked: Option<(Arc<Buffer<u8>>, Buffer<u8>)>,
    pub(super) sizes: Sizes,
}

/// As [`crate::ops::attention()`], which has checked the shapes.
///
/// Panics for heads wider than 128.
pub(super) fn attention(
    tape: &mut Tape,
    gpu: &Gpu,
    [q, k, v]: [&Tensor2; 3],
    blocked: Option<&Blocked>,
    [batch, heads]: [usize; 2],
) -> Tensor2 {
    let [q, k, v] = [q, k, v].map(|input| input.on(gpu));
    let sizes = Sizes {
        batch,
        queries: q.rows() / batch,
        memory: k.rows() / batch,
        heads,
        head: q.columns() / heads,
        multiprocessors: gpu.multiprocessors(),
    };
    let out = tape.output_on(gpu, q.rows(), q.columns(), &[&q, &k, &v]);
    if out.is_empty() {
        return out;
    }
    let blocked = blocked.map(|blocked| mask(gpu, blocked, batch * sizes.queries, sizes.memory));
    let inputs = Inputs {
        q,
        k,
        v,
        blocked,
        sizes,
    };
    let moments = inputs.forward(gpu, &out);
    let (gpu, source) = (gpu.clone(), out.clone());
    tape.record(&out, move |grads| {
        inputs.backward(&gpu, grads, &source, &moments)
    });
    out
}

/// The mask `[rows, columns]` on the GPU and, for every row, whether all of it is blocked.
fn mask(
    gpu: &Gpu,
    blocked: &Blocked,
    rows: usize,
    columns: usize,
) -> (Arc<Buffer<u8>>, Buffer<u8>) {
    let (blocked, ignored) = (blocked.on(gpu), gpu.scratch::<u8>(rows));
    let arguments = [
        (&*blocked).into(),
        (&ignored).into(),
        rows.into(),
        columns.into(),
    ];
    // SAFETY: the mask [rows, columns], a flag for every row.
    unsafe { gpu.launch(&SOURCE, "attention_ignored", per_row(rows), &arguments) };
    (blocked, ignored)
}

impl Inputs {
    /// What every kernel of tiles reads first.
    pub(super) fn read(&self) -> Vec<Argument> {
        let mask = self.blocked.as_ref();
        vec![
            (&self.q).into(),
            (&self.k).into(),
            (&self.v).into(),
            mask.map(|(blocked, _)| &**blocked).into(),
            mask.map(|(_, ignored)| ignored).into(),
        ]
    }

    /// Writes `out`; gives the largest score and one over the sum of every head's queries, `[lists, queries, 2]`.
    fn forward(&self, gpu: &Gpu, out: &Tensor2) -> Buffer<f32> {
        let sizes = self.sizes;
        let count = sizes.lists() * sizes.queries;
        let moments = gpu.scratch::<f32>(2 * count);
        let (parts, tiles) = sizes.parts();
        let partials = (parts > 1).then(|| gpu.scratch::<f32>(parts * count * (sizes.head + 2)));
        let mut arguments = self.read();
        let targets: [Argument; 3] = [out.into(), (&moments).into(), partials.as_ref().into()];
        arguments.extend(targets);
        arguments.extend(sizes.counts());
        arguments.push(tiles.into());
        let grid = sizes.query_grid(2);
        // SAFETY: q and out [batch * queries, heads * head], k and v [batch * memory, heads * head], the mask [batch, queries, memory]
        // and a flag for each of its rows, moments [lists, queries, 2], partials [parts, lists, queries, head + 2]; shared memory for two
        // tiles of values, one of scores, one of the mask.
        unsafe { gpu.launch(&SOURCE, sizes.kernels().forward, grid, &arguments) };
        if let Some(partials) = partials {
            let arguments = [
                (&partials).into(),
                out.into(),
                (&moments).into(),
                parts.into(),
                count.into(),
                sizes.queries.into(),
                sizes.heads.into(),
                sizes.head.into(),
            ];
            // SAFETY: as above.
            unsafe { gpu.launch(&SOURCE, "attention_join", per_row(count), &arguments) };
        }
        moments
    }
}

/// A warp for every row.
pub(super) fn per_row(rows: usize) -> Grid {
    Grid {
        threads: [32, ROWS, 1],
        ..Grid::items(rows, ROWS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(batch: usize, queries: usize, memory: usize, head: usize) -> Sizes {
        Sizes {
            batch,
            queries,
            memory,
            heads: 8,
            head,
            multiprocessors: 132,
        }
    }

    #[test]
    fn a_head_gets_the_narrowest_kernels_and_they_fit_a_small_multiprocessor() {
        for (head, width) in [(1, 32), (32, 32), (33, 64), (64, 64), (65, 128), (128, 128)] {
            assert_eq!(Kernels::of(head).width, width);
        }
        // Compute capability 8.6 and 8.9 give a block 99 KiB.
        assert!(KERNELS.iter().all(|kernels| kernels.bytes(4) <= 99 << 10));
        assert!(
            KERNELS
                .iter()
                .all(|kernels| kernels.tile % SIDE as usize == 0)
        );
    }

    #[test]
    #[should_panic(expected = "at most 128 columns, not 129")]
    fn a_wider_head_is_refused() {
        Kernels::of(129);
    }

    #[test]
    fn a_long_memory_is_divided_where_few_blocks_have_queries() {
        assert_eq!(sizes(16, 100, 16_384, 32).parts(), (2, 128));
        assert_eq!(sizes(64, 100, 16_384, 32).parts(), (1, 256));
        assert_eq!(sizes(1, 100, 100, 32).parts(), (2, 1));
        assert_eq!(sizes(1, 100, 0, 32).parts(), (1, 1));
        for memory in [1, 64, 65, 1000, 16_384] {
            let sizes = sizes(1, 100, memory, 128);
            let (parts, tiles) = sizes.parts();
            assert!(parts * tiles * 32 >= memory && (parts - 1) * tiles * 32 < memory);
        }
    }

    #[test]
    fn tiles_cover_queries_and_memory() {
        let sizes = sizes(2, 65, 129, 32);
        assert_eq!(sizes.query_grid(2).blocks[0], 2);
        assert_eq!(sizes.memory_grid().blocks, [3, 1, 16]);
    }
}
