//! Convolution without patches: register tiles over a padded image, in AVX-512.
//!
//! In a channels-last image that already has its border, the k neighbours of a pixel along a row and all
//! their channels are k C consecutive values. A tile of up to 8 output pixels x 4 vectors of output channels
//! stays in registers while the window slides: no patch is ever written, and the weights of the tile are read
//! once per 8 pixels.
//!
//! Shapes: C input channels, O output channels (a multiple of 16), k kernel, s stride, W' output width;
//! padded [rows, W + 2 p, C], weights [k k C, O] packed in panels of up to 64 channels.
//!
//! Source of the scheme: Georganas et al. 2018, "Anatomy of high-performance deep learning convolutions on
//! SIMD architectures", <https://arxiv.org/abs/1808.05567>. Processors without AVX-512 take the way over
//! patches.

pub(super) mod packed;
#[cfg(target_arch = "x86_64")]
mod tiles;
#[cfg(not(target_arch = "x86_64"))]
#[path = "tiles_absent.rs"]
mod tiles;
mod walk;

use crate::ops::conv::window::{Geometry, Window};
use packed::Packed;
use walk::{LANES, Walk, panels};

/// Weights of a panel that one pass over the pixels uses, in values: 16 KiB, half of a first-level cache.
const PASS: usize = 4 * 1024;

/// Output values of a panel that the passes add to, in values: 32 KiB, so that they stay near the first
/// level.
const OUT_PASS: usize = 8 * 1024;

/// Gradient values that one pass over the weights uses: 16 KiB, as above.
const GRADIENT_PASS: usize = 4 * 1024;

/// Returns true if this processor supports the method and it suits a convolution to `columns` channels.
pub(crate) fn suits(columns: usize) -> bool {
    columns > 0 && columns.is_multiple_of(LANES) && tiles::available()
}

/// Checks that `rows` output rows stay inside `padded`, and describes the way over them.
fn walk(geometry: &Geometry, padded: &[f32], rows: usize) -> Walk {
    let Window {
        kernel,
        stride,
        padding,
    } = geometry.window;
    let (channels, width) = (geometry.channels, geometry.out_width);
    let line = (geometry.width + 2 * padding) * channels;
    assert!(
        rows > 0 && padded.len() >= ((rows - 1) * stride + kernel) * line,
        "{} padded values for {rows} rows of {geometry:?}",
        padded.len()
    );
    assert!(width > 0 && (width - 1) * stride + kernel <= geometry.width + 2 * padding);
    Walk {
        rows,
        width,
        row: stride * line,
        pixel: stride * channels,
        lines: kernel,
        line,
        run: kernel * channels,
    }
}

/// Convolves `rows` output rows: `out` [rows * W', O] is overwritten, or added to where `add` is set.
///
/// The depth is cut into passes whose weights stay in the first-level cache; every pass but the first adds.
/// Panics unless the sizes agree and [`suits`] holds.
pub(crate) fn convolve(
    geometry: &Geometry,
    padded: &[f32],
    weight: &Packed,
    rows: usize,
    add: bool,
    out: &mut [f32],
) {
    let walk = walk(geometry, padded, rows);
    let columns = weight.columns;
    assert!(suits(columns));
    assert_eq!(
        weight.depth,
        walk.lines * walk.run,
        "depth of the packed weight"
    );
    assert_eq!(weight.values.len(), weight.depth * columns);
    assert_eq!(
        out.len(),
        rows * walk.width * columns,
        "the output of {rows} rows"
    );
    let mut first = 0;
    for vectors in panels(columns) {
        let panel = &weight.values[first * weight.depth..];
        let most = (OUT_PASS / (walk.width * vectors * LANES)).max(1);
        for start in (0..rows).step_by(most) {
            let walk = Walk {
                rows: most.min(rows - start),
                ..walk
            };
            let out = &mut out[start * walk.width * columns + first..];
            for (y, i, part) in passes(walk, PASS / (vectors * LANES)) {
                let done = y * walk.run + i;
                let x = &padded[start * walk.row + y * walk.line + i..];
                // SAFETY: the processor has AVX-512 (`suits`). `walk` checked that every window lies in
                // `padded`, so a part of every window does; the panel holds `depth` rows of registers from
                // which the pass takes those after `done`; the columns from `first` on of every pixel lie in
                // `out`.
                unsafe {
                    tiles::convolve(
                        vectors,
                        part,
                        x.as_ptr(),
                        panel[done * vectors * LANES..].as_ptr(),
                        out.as_mut_ptr(),
                        columns,
                        add || done > 0,
                    );
                }
            }
        }
        first += vectors * LANES;
    }
}

/// Cuts the window into parts of at most `most` values where it holds more: the first row and value of each,
/// and the walk over it.
fn passes(walk: Walk, most: usize) -> impl Iterator<Item = (usize, usize, Walk)> {
    let whole = walk.lines * walk.run <= most;
    let count = if whole { 1 } else { walk.run.div_ceil(most) };
    let lines = if whole { walk.lines } else { 1 };
    (0..walk.lines).step_by(lines).flat_map(move |y| {
        (0..count).map(move |part| {
            let start = |part: usize| part * walk.run / count;
            let run = start(part + 1) - start(part);
            (y, start(part), Walk { lines, run, ..walk })
        })
    })
}

/// Adds the gradient of the weight from `rows` output rows to `sums` [k k C, O] (the weight transposed).
///
/// `gradient` [rows * W', O] is the gradient of the output. The rows are cut into passes whose gradients stay
/// in the first-level cache. Panics unless the sizes agree and [`suits`] holds.
pub(crate) fn weight_gradient(
    geometry: &Geometry,
    padded: &[f32],
    gradient: &[f32],
    rows: usize,
    sums: &mut [f32],
) {
    let walk = walk(geometry, padded, rows);
    let depth = walk.lines * walk.run;
    let columns = sums.len() / depth;
    assert!(suits(columns));
    assert_eq!(sums.len(), depth * columns, "sums of the weight gradient");
    assert_eq!(
        gradient.len(),
        rows * walk.width * columns,
        "gradient of {rows} rows"
    );
    let most = (GRADIENT_PASS / (walk.width * columns)).max(1);
    for (first_row, gradient) in (0..)
        .step_by(most)
        .zip(gradient.chunks(most * walk.width * columns))
    {
        let rows = gradient.len() / (walk.width * columns);
        let walk = Walk { rows, ..walk };
        for (y, sums) in sums.chunks_exact_mut(walk.run * columns).enumerate() {
            let x = &padded[first_row * walk.row + y * walk.line..];
            let mut first = 0;
            for vectors in panels(columns) {
                // SAFETY: the processor has AVX-512 (`suits`). `walk` checked that every window lies in
                // `padded`, so its row y does; the columns from `first` on of every pixel lie in `gradient`,
                // and of every value of the run in `sums`.
                unsafe {
                    let g = gradient.as_ptr().add(first);
                    let sums = sums.as_mut_ptr().add(first);
                    tiles::weight_gradient(vectors, walk, x.as_ptr(), g, sums, columns);
                }
                first += vectors * LANES;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_cover_the_channels_evenly() {
        let sizes = |columns| panels(columns).collect::<Vec<_>>();
        assert_eq!(sizes(16), [1]);
        assert_eq!(sizes(64), [4]);
        assert_eq!(sizes(80), [2, 3]);
        assert_eq!(sizes(96), [3, 3]);
        assert_eq!(sizes(256), [4, 4, 4, 4]);
    }

    #[test]
    fn passes_cover_the_window_in_order() {
        let walk = Walk {
            rows: 1,
            width: 1,
            row: 0,
            pixel: 0,
            lines: 3,
            line: 1000,
            run: 100,
        };
        for most in [1, 7, 64, 100, 299, 300] {
            let mut next = 0;
            for (y, i, part) in passes(walk, most) {
                assert_eq!(y * 100 + i, next, "at most {most}");
                assert!(part.lines * part.run <= most);
                next += part.lines * part.run;
            }
            assert_eq!(next, 300);
        }
    }
}
