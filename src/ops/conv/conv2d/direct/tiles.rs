//! Register tiles of the direct convolution in AVX-512: the innermost loops, on raw pointers.
//!
//! A tile keeps pixels x vectors (forward) or depths x vectors (weight gradient) of sums in the 32 registers. One step loads the
//! vectors of the other factor once and multiplies them by one broadcast value per row of the tile.

use super::walk::{LANES, Walk};
use std::arch::x86_64::{
    __m512, _mm512_add_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_set1_ps, _mm512_setzero_ps,
    _mm512_storeu_ps,
};

/// Whether the processor has the instructions.
pub(super) fn available() -> bool {
    is_x86_feature_detected!("avx512f")
}

/// Convolves all pixels of the walk to `vectors` vectors of channels, which lie `columns` values apart from pixel to pixel.
///
/// # Safety
/// [`available`]; 1 to 4 vectors; every window of the walk is readable from `x` on, `lines * run * vectors` registers from `w`
/// on; the vectors of every pixel are writable from `out` on (and readable where `add` is set).
pub(super) unsafe fn convolve(
    vectors: usize,
    walk: Walk,
    x: *const f32,
    w: *const f32,
    out: *mut f32,
    columns: usize,
    add: bool,
) {
    // SAFETY: the caller's promise.
    unsafe {
        match vectors {
            1 => all_pixels::<1>(walk, x, w, out, columns, add),
            2 => all_pixels::<2>(walk, x, w, out, columns, add),
            3 => all_pixels::<3>(walk, x, w, out, columns, add),
            _ => all_pixels::<4>(walk, x, w, out, columns, add),
        }
    }
}

/// Cuts every row into tiles. Safety: as [`convolve`] with R vectors.
#[target_feature(enable = "avx512f")]
unsafe fn all_pixels<const R: usize>(
    walk: Walk,
    x: *const f32,
    w: *const f32,
    out: *mut f32,
    columns: usize,
    add: bool,
) {
    for y in 0..walk.rows {
        let mut pixel = 0;
        while pixel < walk.width {
            // SAFETY: the caller's promise; the tile covers pixels below `width`.
            unsafe {
                let x = x.add(y * walk.row + pixel * walk.pixel);
                let out = out.add((y * walk.width + pixel) * columns);
                // 8 x 3 and 6 x 4 are the largest tiles whose sums and vectors fit 32 registers; more pixels than 8 want more
                // addresses than there are registers for.
                pixel += match walk.width - pixel {
                    8.. if R < 4 => tile::<8, R>(walk, x, w, out, columns, add),
                    6 | 7 | 9.. if R == 4 => tile::<6, R>(walk, x, w, out, columns, add),
                    4.. => tile::<4, R>(walk, x, w, out, columns, add),
                    2.. => tile::<2, R>(walk, x, w, out, columns, add),
                    _ => tile::<1, R>(walk, x, w, out, columns, add),
                };
            }
        }
    }
}

/// P neighbouring pixels x R vectors; returns P. Safety: as [`convolve`].
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn tile<const P: usize, const R: usize>(
    walk: Walk,
    x: *const f32,
    mut w: *const f32,
    out: *mut f32,
    columns: usize,
    add: bool,
) -> usize {
    let mut sums = [[_mm512_setzero_ps(); R]; P];
    for line in 0..walk.lines {
        for i in 0..walk.run {
            // SAFETY: the caller's promise.
            unsafe {
                let x = x.add(line * walk.line + i);
                let weights: [__m512; R] = load(w);
                for (p, sums) in sums.iter_mut().enumerate() {
                    let value = _mm512_set1_ps(*x.add(p * walk.pixel));
                    for (sum, weight) in sums.iter_mut().zip(&weights) {
                        *sum = _mm512_fmadd_ps(value, *weight, *sum);
                    }
                }
                w = w.add(R * LANES);
            }
        }
    }
    for (p, sums) in sums.iter().enumerate() {
        // SAFETY: the caller's promise.
        unsafe { store(sums, out.add(p * columns), add) };
    }
    P
}

/// Adds products of x and the gradient g of `vectors` vectors of channels, summed over all pixels of the walk, to `sums`: for the
/// `run` values of one row of the window, `columns` values apart.
///
/// # Safety
/// [`available`]; 1 to 4 vectors; `run` values are readable from `x` on for every pixel, the vectors of every pixel from `g` on,
/// and the vectors of every value of the run are readable and writable from `sums` on.
pub(super) unsafe fn weight_gradient(
    vectors: usize,
    walk: Walk,
    x: *const f32,
    g: *const f32,
    sums: *mut f32,
    columns: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        match vectors {
            1 => all_depths::<1>(walk, x, g, sums, columns),
            2 => all_depths::<2>(walk, x, g, sums, columns),
            3 => all_depths::<3>(walk, x, g, sums, columns),
            _ => all_depths::<4>(walk, x, g, sums, columns),
        }
    }
}

/// Cuts the run into tiles. Safety: as [`weight_gradient`] with R vectors.
#[target_feature(enable = "avx512f")]
unsafe fn all_depths<const R: usize>(
    walk: Walk,
    x: *const f32,
    g: *const f32,
    sums: *mut f32,
    columns: usize,
) {
    let mut i = 0;
    while i < walk.run {
        // SAFETY: the caller's promise; the tile covers values below `run`.
        unsafe {
            let (x, sums) = (x.add(i), sums.add(i * columns));
            i += match walk.run - i {
                16.. if R == 1 => outer::<16, R>(walk, x, g, sums, columns),
                12.. if R == 2 => outer::<12, R>(walk, x, g, sums, columns),
                8.. if R < 4 => outer::<8, R>(walk, x, g, sums, columns),
                6.. if R == 4 => outer::<6, R>(walk, x, g, sums, columns),
                4.. => outer::<4, R>(walk, x, g, sums, columns),
                2.. => outer::<2, R>(walk, x, g, sums, columns),
                _ => outer::<1, R>(walk, x, g, sums, columns),
            };
        }
    }
}

/// T neighbouring values x R vectors, summed over all pixels; returns T. Safety: as [`weight_gradient`].
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn outer<const T: usize, const R: usize>(
    walk: Walk,
    x: *const f32,
    g: *const f32,
    sums: *mut f32,
    columns: usize,
) -> usize {
    let mut tile = [[_mm512_setzero_ps(); R]; T];
    for y in 0..walk.rows {
        for pixel in 0..walk.width {
            // SAFETY: the caller's promise.
            unsafe {
                let x = x.add(y * walk.row + pixel * walk.pixel);
                let gradients: [__m512; R] = load(g.add((y * walk.width + pixel) * columns));
                for (t, tile) in tile.iter_mut().enumerate() {
                    let value = _mm512_set1_ps(*x.add(t));
                    for (sum, gradient) in tile.iter_mut().zip(&gradients) {
                        *sum = _mm512_fmadd_ps(value, *gradient, *sum);
                    }
                }
            }
        }
    }
    for (t, tile) in tile.iter().enumerate() {
        // SAFETY: the caller's promise.
        unsafe { store(tile, sums.add(t * columns), true) };
    }
    T
}

/// R consecutive registers. Safety: readable from `from` on.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn load<const R: usize>(from: *const f32) -> [__m512; R] {
    let mut registers = [_mm512_setzero_ps(); R];
    for (r, register) in registers.iter_mut().enumerate() {
        // SAFETY: the caller's promise.
        *register = unsafe { _mm512_loadu_ps(from.add(r * LANES)) };
    }
    registers
}

/// Writes R consecutive registers, or adds them. Safety: writable from `to` on, and readable where `add` is set.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn store<const R: usize>(registers: &[__m512; R], to: *mut f32, add: bool) {
    for (r, &register) in registers.iter().enumerate() {
        // SAFETY: the caller's promise.
        unsafe {
            let to = to.add(r * LANES);
            let value = if add {
                _mm512_add_ps(register, _mm512_loadu_ps(to))
            } else {
                register
            };
            _mm512_storeu_ps(to, value);
        }
    }
}
