//! Convolution without patches: register tiles over a padded image, in AVX-512.
//!
//! In a channels-last image that already has its border, the k neighbours of a pixel along a row and all their channels are
//! k C consecutive values. A tile of up to 8 output pixels x 4 vectors of output channels stays in registers while the window
//! slides: no patch is ever written, and the weights of the tile are read once per 8 pixels.
//!
//! Shapes: C input channels, O output channels (a multiple of 16), k kernel, s stride, W' output width;
//! padded [rows, W + 2 p, C], weights [k k C, O] packed in panels of up to 64 channels.
//!
//! Source of the scheme: Georganas et al. 2018, "Anatomy of high-performance deep learning convolutions on SIMD
//! architectures", https://arxiv.org/abs/1808.05567. Processors without AVX-512 take the way over patches.

use super::im2col::Geometry;
use super::unfilled;
use crate::ops::Window;
use std::arch::x86_64::{
    __m512, _mm512_add_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_set1_ps, _mm512_setzero_ps,
    _mm512_storeu_ps,
};
use std::ops::Range;

/// Channels in a register.
const LANES: usize = 16;

/// Most vectors of channels in a tile.
const MOST_VECTORS: usize = 4;

/// Largest panel of weights, in values: half of a megabyte, so that it stays in the second-level cache.
const MOST_PANEL: usize = 128 * 1024;

/// Whether this processor and these sizes suit: `depth` weights (k k C) for each of `columns` output channels.
pub(crate) fn suits(depth: usize, columns: usize) -> bool {
    columns > 0
        && columns.is_multiple_of(LANES)
        && depth * LANES * MOST_VECTORS <= MOST_PANEL
        && is_x86_feature_detected!("avx512f")
}

/// Sizes of the panels of `columns` channels, in vectors: as few panels as possible, of nearly equal size.
fn panels(columns: usize) -> impl Iterator<Item = usize> {
    let vectors = columns / LANES;
    let count = vectors.div_ceil(MOST_VECTORS);
    (0..count).map(move |i| (i + 1) * vectors / count - i * vectors / count)
}

/// Weights [depth, columns] in panels: for each panel, row after row.
#[derive(Debug)]
pub(crate) struct Packed {
    values: Vec<f32>,
    depth: usize,
    columns: usize,
}

impl Packed {
    /// The weight [columns, depth] of a convolution, transposed.
    pub(crate) fn transposed(weight: &[f32], columns: usize) -> Self {
        let depth = weight.len() / columns;
        let mut values = unfilled(weight.len());
        let (mut rest, mut first) = (&mut values[..], 0);
        for width in panels(columns).map(|vectors| vectors * LANES) {
            let (panel, after) = rest.split_at_mut(width * depth);
            rest = after;
            for (c, row) in weight
                .chunks_exact(depth)
                .skip(first)
                .take(width)
                .enumerate()
            {
                for (to, value) in panel[c..].iter_mut().step_by(width).zip(row) {
                    *to = *value;
                }
            }
            first += width;
        }
        Self {
            values,
            depth,
            columns,
        }
    }

    /// The weight [O, k k C] for the way back: depth k k O with the window turned by half a turn, columns C.
    pub(crate) fn turned(weight: &[f32], out: usize, window: Window) -> Self {
        let places = window.kernel * window.kernel;
        let columns = weight.len() / (out * places);
        let depth = places * out;
        let mut values = unfilled(weight.len());
        let (mut rest, mut first) = (&mut values[..], 0);
        for width in panels(columns).map(|vectors| vectors * LANES) {
            let (panel, after) = rest.split_at_mut(width * depth);
            rest = after;
            for (place, rows) in panel.chunks_exact_mut(out * width).enumerate() {
                let turned = places - 1 - place;
                for (o, row) in rows.chunks_exact_mut(width).enumerate() {
                    let from = (o * places + turned) * columns + first;
                    row.copy_from_slice(&weight[from..from + width]);
                }
            }
            first += width;
        }
        Self {
            values,
            depth,
            columns,
        }
    }
}

/// Copies the image rows under the output rows `rows` into `buffer`, with their border of zeros.
pub(crate) fn pad<'a>(
    geometry: &Geometry,
    image: &'a [f32],
    rows: Range<usize>,
    buffer: &'a mut Vec<f32>,
) -> &'a [f32] {
    let Window {
        kernel,
        stride,
        padding,
    } = geometry.window;
    let first = rows.start * stride;
    let count = (rows.len() - 1) * stride + kernel;
    let row = geometry.width * geometry.channels;
    if padding == 0 {
        return &image[first * row..(first + count) * row];
    }
    let border = padding * geometry.channels;
    let line = row + 2 * border;
    if buffer.len() < count * line {
        *buffer = unfilled(count * line);
    }
    let padded = &mut buffer[..count * line];
    for (y, line) in (first..).zip(padded.chunks_exact_mut(line)) {
        match y.checked_sub(padding).filter(|y| *y < geometry.height) {
            None => line.fill(0.0),
            Some(y) => {
                line[..border].fill(0.0);
                line[border..border + row].copy_from_slice(&image[y * row..(y + 1) * row]);
                line[border + row..].fill(0.0);
            }
        }
    }
    padded
}

/// How the tiles walk over a padded image.
#[derive(Clone, Copy)]
struct Walk {
    /// Values between neighbouring output pixels in the padded image.
    pixel: usize,
    /// Values of a padded row.
    line: usize,
    /// Rows of the window.
    kernel: usize,
    /// Values of a row of the window: k C.
    run: usize,
}

impl Walk {
    /// Checks that `rows` output rows stay inside `padded`.
    fn new(geometry: &Geometry, padded: &[f32], rows: usize) -> Self {
        let Window {
            kernel,
            stride,
            padding,
        } = geometry.window;
        let line = (geometry.width + 2 * padding) * geometry.channels;
        assert!(
            rows > 0 && padded.len() >= ((rows - 1) * stride + kernel) * line,
            "{} padded values for {rows} rows of {geometry:?}",
            padded.len()
        );
        assert!((geometry.out_width - 1) * stride + kernel <= geometry.width + 2 * padding);
        let (pixel, run) = (stride * geometry.channels, kernel * geometry.channels);
        Self {
            pixel,
            line,
            kernel,
            run,
        }
    }
}

/// Convolves `rows` output rows: `out` [rows * W', O] is overwritten, or added to where `add` is set.
///
/// Panics unless the sizes agree and [`suits`] holds.
pub(crate) fn convolve(
    geometry: &Geometry,
    padded: &[f32],
    weight: &Packed,
    rows: usize,
    add: bool,
    out: &mut [f32],
) {
    let walk = Walk::new(geometry, padded, rows);
    let (width, columns) = (geometry.out_width, weight.columns);
    assert!(suits(weight.depth, columns));
    assert_eq!(
        weight.depth,
        walk.kernel * walk.run,
        "depth of the packed weight"
    );
    assert_eq!(weight.values.len(), weight.depth * columns);
    assert_eq!(
        out.len(),
        rows * width * columns,
        "the output of {rows} rows"
    );
    for (y, out) in out.chunks_exact_mut(width * columns).enumerate() {
        let x = &padded[y * geometry.window.stride * walk.line..];
        let mut first = 0;
        for vectors in panels(columns) {
            let panel = &weight.values[first * weight.depth..];
            // SAFETY: the processor has AVX-512 (`suits`). `Walk::new` checked that the windows of this row lie in `padded`;
            // the panel holds depth * vectors registers; the columns first.. of every pixel of the row lie in `out`.
            unsafe {
                let (x, w, out) = (x.as_ptr(), panel.as_ptr(), out.as_mut_ptr().add(first));
                match vectors {
                    1 => row::<1>(walk, x, w, out, columns, width, add),
                    2 => row::<2>(walk, x, w, out, columns, width, add),
                    3 => row::<3>(walk, x, w, out, columns, width, add),
                    _ => row::<4>(walk, x, w, out, columns, width, add),
                }
            }
            first += vectors * LANES;
        }
    }
}

/// One row of output pixels of one panel, in tiles.
#[target_feature(enable = "avx512f")]
unsafe fn row<const R: usize>(
    walk: Walk,
    x: *const f32,
    w: *const f32,
    out: *mut f32,
    columns: usize,
    width: usize,
    add: bool,
) {
    let mut pixel = 0;
    while pixel < width {
        // SAFETY: the caller's promise; the tile covers pixels below `width`.
        unsafe {
            let (x, out) = (x.add(pixel * walk.pixel), out.add(pixel * columns));
            pixel += match width - pixel {
                // Eight pixels of four vectors would not fit the 32 registers.
                8.. if R < 4 => tile::<8, R>(walk, x, w, out, columns, add),
                4.. => tile::<4, R>(walk, x, w, out, columns, add),
                2.. => tile::<2, R>(walk, x, w, out, columns, add),
                _ => tile::<1, R>(walk, x, w, out, columns, add),
            };
        }
    }
}

/// P pixels x R vectors; returns P.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn tile<const P: usize, const R: usize>(
    walk: Walk,
    x: *const f32,
    w: *const f32,
    out: *mut f32,
    columns: usize,
    add: bool,
) -> usize {
    let mut sums = [[_mm512_setzero_ps(); R]; P];
    let mut w = w;
    for ky in 0..walk.kernel {
        // SAFETY: the caller's promise: P windows from `x` on, a panel of kernel * run * R registers at `w`.
        unsafe {
            let x = x.add(ky * walk.line);
            for i in 0..walk.run {
                let mut weights: [__m512; R] = [_mm512_setzero_ps(); R];
                for (r, weight) in weights.iter_mut().enumerate() {
                    *weight = _mm512_loadu_ps(w.add(r * LANES));
                }
                for (p, sums) in sums.iter_mut().enumerate() {
                    let value = _mm512_set1_ps(*x.add(p * walk.pixel + i));
                    for (sum, weight) in sums.iter_mut().zip(&weights) {
                        *sum = _mm512_fmadd_ps(value, *weight, *sum);
                    }
                }
                w = w.add(R * LANES);
            }
        }
    }
    for (p, sums) in sums.iter().enumerate() {
        for (r, sum) in sums.iter().enumerate() {
            // SAFETY: the caller's promise: P pixels of R vectors from `out` on.
            unsafe {
                let to = out.add(p * columns + r * LANES);
                let sum = if add {
                    _mm512_add_ps(*sum, _mm512_loadu_ps(to))
                } else {
                    *sum
                };
                _mm512_storeu_ps(to, sum);
            }
        }
    }
    P
}

/// Adds the gradient of the weight from `rows` output rows to `sums` [k k C, O] (the weight transposed).
///
/// `gradient` [rows * W', O] is the gradient of the output. Panics unless the sizes agree and [`suits`] holds.
pub(crate) fn weight_gradient(
    geometry: &Geometry,
    padded: &[f32],
    gradient: &[f32],
    rows: usize,
    sums: &mut [f32],
) {
    let walk = Walk::new(geometry, padded, rows);
    let depth = walk.kernel * walk.run;
    let columns = sums.len() / depth;
    assert!(suits(depth, columns));
    assert_eq!(sums.len(), depth * columns, "sums of the weight gradient");
    assert_eq!(
        gradient.len(),
        rows * geometry.out_width * columns,
        "gradient of {rows} rows"
    );
    let pixels = Pixels {
        rows,
        width: geometry.out_width,
        step: geometry.window.stride * walk.line,
    };
    for (ky, sums) in sums.chunks_exact_mut(walk.run * columns).enumerate() {
        let mut first = 0;
        for vectors in panels(columns) {
            // SAFETY: the processor has AVX-512 (`suits`). `Walk::new` checked that every window lies in `padded`, so the run of
            // row `ky` does; the columns first.. of every pixel lie in `gradient` and of every depth of the run in `sums`.
            unsafe {
                let x = padded[ky * walk.line..].as_ptr();
                let (g, sums) = (gradient.as_ptr().add(first), sums.as_mut_ptr().add(first));
                match vectors {
                    1 => run::<1>(walk, pixels, x, g, sums, columns),
                    2 => run::<2>(walk, pixels, x, g, sums, columns),
                    3 => run::<3>(walk, pixels, x, g, sums, columns),
                    _ => run::<4>(walk, pixels, x, g, sums, columns),
                }
            }
            first += vectors * LANES;
        }
    }
}

/// The output pixels that a sum runs over.
#[derive(Clone, Copy)]
struct Pixels {
    rows: usize,
    width: usize,
    /// Values between the padded rows of neighbouring output rows.
    step: usize,
}

/// The weights of one row of the window and one panel, in tiles.
#[target_feature(enable = "avx512f")]
unsafe fn run<const R: usize>(
    walk: Walk,
    pixels: Pixels,
    x: *const f32,
    g: *const f32,
    sums: *mut f32,
    columns: usize,
) {
    let mut i = 0;
    while i < walk.run {
        // SAFETY: the caller's promise; the tile covers depths below `run`.
        unsafe {
            let (x, sums) = (x.add(i), sums.add(i * columns));
            i += match walk.run - i {
                12.. if R < 3 => outer::<12, R>(walk, pixels, x, g, sums, columns),
                8.. if R < 4 => outer::<8, R>(walk, pixels, x, g, sums, columns),
                6.. => outer::<6, R>(walk, pixels, x, g, sums, columns),
                4.. => outer::<4, R>(walk, pixels, x, g, sums, columns),
                2.. => outer::<2, R>(walk, pixels, x, g, sums, columns),
                _ => outer::<1, R>(walk, pixels, x, g, sums, columns),
            };
        }
    }
}

/// T depths x R vectors, summed over all pixels; returns T.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn outer<const T: usize, const R: usize>(
    walk: Walk,
    pixels: Pixels,
    x: *const f32,
    g: *const f32,
    sums: *mut f32,
    columns: usize,
) -> usize {
    let mut tile = [[_mm512_setzero_ps(); R]; T];
    let mut g = g;
    for y in 0..pixels.rows {
        // SAFETY: the caller's promise: T depths of every pixel of `x`, R vectors of every pixel of `g`.
        unsafe {
            let mut x = x.add(y * pixels.step);
            for _ in 0..pixels.width {
                let mut gradients: [__m512; R] = [_mm512_setzero_ps(); R];
                for (r, gradient) in gradients.iter_mut().enumerate() {
                    *gradient = _mm512_loadu_ps(g.add(r * LANES));
                }
                for (t, tile) in tile.iter_mut().enumerate() {
                    let value = _mm512_set1_ps(*x.add(t));
                    for (sum, gradient) in tile.iter_mut().zip(&gradients) {
                        *sum = _mm512_fmadd_ps(value, *gradient, *sum);
                    }
                }
                g = g.wrapping_add(columns);
                x = x.wrapping_add(walk.pixel);
            }
        }
    }
    for (t, tile) in tile.iter().enumerate() {
        for (r, sum) in tile.iter().enumerate() {
            // SAFETY: the caller's promise: T depths of R vectors from `sums` on.
            unsafe {
                let to = sums.add(t * columns + r * LANES);
                _mm512_storeu_ps(to, _mm512_add_ps(*sum, _mm512_loadu_ps(to)));
            }
        }
    }
    T
}
