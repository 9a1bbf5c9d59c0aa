//! How large and how sure resized masks are, on the GPU: some blocks a plane, each with lines of it; their parts are added on the host.

use crate::ops::Foreground;
use crate::ops::cuda::source;
use crate::tensor::cuda::{Gpu, Grid, Source};
use crate::tensor::{Later, Tensor2};
use std::ops::Range;

static SOURCE: Source = source!("foreground");

const THREADS: u32 = 256;
/// Blocks of a plane, at most: a picture alone has a hundred planes, too few for a GPU.
const MOST_PARTS: usize = 16;

/// As [`crate::ops::foreground`], which has checked the size and the rows.
pub(super) fn foreground(
    gpu: &Gpu,
    planes: &Tensor2,
    rows: Range<usize>,
    from: (usize, usize),
    to: (usize, usize),
) -> Later<Vec<Foreground>> {
    if rows.is_empty() {
        return Later::ready(Vec::new());
    }
    let count = parts(to.0);
    let parts = gpu.scratch::<f32>(2 * rows.len() * count);
    let first = planes.address() + (rows.start * from.0 * from.1 * size_of::<f32>()) as u64;
    let arguments = [
        first.into(),
        (&parts).into(),
        from.0.into(),
        from.1.into(),
        to.0.into(),
        to.1.into(),
    ];
    let grid = Grid::blocks(rows.len(), THREADS).by(count, 1);
    // SAFETY: the planes from the first row on are as many as the grid has, each of size `from`; two numbers for every block.
    unsafe { gpu.launch(&SOURCE, "foreground", grid, &arguments) };
    let of_plane = |parts: &[f32]| {
        let sum = |which: usize| {
            parts
                .iter()
                .skip(which)
                .step_by(2)
                .map(|p| f64::from(*p))
                .sum()
        };
        let area: f64 = sum(1);
        Foreground {
            mass: sum(0),
            area: area as usize,
        }
    };
    parts
        .later()
        .map(move |parts| parts.chunks_exact(2 * count).map(of_plane).collect())
}

/// Blocks of a plane that is resized to so many lines.
fn parts(lines: usize) -> usize {
    lines.clamp(1, MOST_PARTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_block_is_without_a_line() {
        assert_eq!([0, 1, 9, 16, 1024].map(parts), [1, 1, 9, 16, 16]);
    }
}
