//! Reductions and elementary functions in a form that compiles to vector instructions.
//!
//! A sum in source order may not be reordered by the compiler, so [`sum`] and [`dot`] keep [`LANES`] running
//! sums and fold them at the end, always in the same order. [`exp`] and [`ln_1p`] are branch-free
//! polynomials: a loop over them vectorises, which a call to the C library does not.

/// Running sums of a reduction: one AVX-512 register of `f32`.
pub(crate) const LANES: usize = 16;

/// Sum of the values.
#[inline]
pub(crate) fn sum(values: &[f32]) -> f32 {
    let mut lanes = [0f32; LANES];
    let chunks = values.chunks_exact(LANES);
    for (lane, value) in lanes.iter_mut().zip(chunks.remainder()) {
        *lane += value;
    }
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += value;
        }
    }
    fold(lanes)
}

/// Sum of the products of two slices of one length.
#[inline]
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len(), "a dot product");
    let mut lanes = [0f32; LANES];
    let (left, right) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    for ((lane, x), y) in lanes
        .iter_mut()
        .zip(left.remainder())
        .zip(right.remainder())
    {
        *lane += x * y;
    }
    for (x, y) in left.zip(right) {
        for ((lane, x), y) in lanes.iter_mut().zip(x).zip(y) {
            *lane += x * y;
        }
    }
    fold(lanes)
}

/// Largest value; negative infinity of nothing. NaN are passed over.
#[inline]
pub(crate) fn max(values: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let chunks = values.chunks_exact(LANES);
    for (lane, &value) in lanes.iter_mut().zip(chunks.remainder()) {
        *lane = if value > *lane { value } else { *lane };
    }
    for chunk in chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane = if value > *lane { value } else { *lane };
        }
    }
    lanes.iter().fold(
        f32::NEG_INFINITY,
        |most, &value| if value > most { value } else { most },
    )
}

/// Folds running sums pairwise, the tree that the vector instructions use.
#[inline]
fn fold(mut lanes: [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] += lanes[i + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// Rows that [`add_rows`] adds up before it touches the running sums.
const ROW_BLOCK: usize = 4;

/// Adds `term(row)` of every row of `columns` values to `total`, column by column.
///
/// `term` maps a value and its column. Four rows at a time are summed as a tree: the running sums are read
/// and written once per block, and a block does not wait for the one before it.
#[inline(always)]
pub(crate) fn add_rows(total: &mut [f32], values: &[f32], term: impl Fn(f32, usize) -> f32) {
    let columns = total.len();
    if columns == 0 {
        return;
    }
    let blocks = values.chunks_exact(ROW_BLOCK * columns);
    let rest = blocks.remainder();
    for block in blocks {
        let (ab, cd) = block.split_at(2 * columns);
        let ((a, b), (c, d)) = (ab.split_at(columns), cd.split_at(columns));
        for j in 0..columns {
            total[j] += (term(a[j], j) + term(b[j], j)) + (term(c[j], j) + term(d[j], j));
        }
    }
    for row in rest.chunks_exact(columns) {
        for (j, (sum, value)) in total.iter_mut().zip(row).enumerate() {
            *sum += term(*value, j);
        }
    }
}

/// `$e^x$` within 3e-7 relative for x in [-87, 88]; x outside is clamped to it. NaN stays NaN.
///
/// `$x = n \ln 2 + f$` with integer `$n$` and `$|f| \le \ln(2) / 2$`; `$e^f$` by its Taylor series to degree 6. The
/// reduction is Cody and Waite's: ln 2 in two pieces, the first short enough for exact products with `$n$`.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    // 1.5 * 2^23: adding it rounds a small number to the nearest integer, which then stands in the lowest
    // bits.
    const ROUND: f32 = 12_582_912.0;
    const LN_2_HIGH: f32 = 355.0 / 512.0;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-87.0, 88.0);
    let rounded = x * std::f32::consts::LOG2_E + ROUND;
    let n = rounded - ROUND;
    let f = (x - n * LN_2_HIGH) - n * LN_2_LOW;
    let tail = 1.0 / 24.0 + f * (1.0 / 120.0 + f * (1.0 / 720.0));
    let series = 1.0 + f * (1.0 + f * (0.5 + f * (1.0 / 6.0 + f * tail)));
    // 2^n from its exponent bits: bias 127 above 23 bits of mantissa.
    let power = f32::from_bits((rounded.to_bits() << 23).wrapping_add(127 << 23));
    series * power
}

/// `$\ln(1 + z)$` within 3e-7 relative for z in [0, 1].
///
/// `$\ln(1+z) = 2\,\mathrm{artanh}(s)$`, `$s = z / (2 + z) \le 1/3$`, by its series to degree 13.
#[inline(always)]
pub(crate) fn ln_1p(z: f32) -> f32 {
    let s = z / (2.0 + z);
    let q = s * s;
    let tail = 1.0 / 9.0 + q * (1.0 / 11.0 + q * (1.0 / 13.0));
    2.0 * s * (1.0 + q * (1.0 / 3.0 + q * (1.0 / 5.0 + q * (1.0 / 7.0 + q * tail))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reductions_match_f64_at_every_length() {
        for len in [0, 1, 15, 16, 17, 100, 1000] {
            let a: Vec<f32> = (0..len).map(|i| (i as f32 * 0.7).sin()).collect();
            let b: Vec<f32> = (0..len).map(|i| (i as f32 * 0.3).cos()).collect();
            let exact: f64 = a.iter().map(|v| f64::from(*v)).sum();
            assert!((f64::from(sum(&a)) - exact).abs() < 1e-4, "sum of {len}");
            let exact: f64 = a
                .iter()
                .zip(&b)
                .map(|(x, y)| f64::from(*x) * f64::from(*y))
                .sum();
            assert!(
                (f64::from(dot(&a, &b)) - exact).abs() < 1e-4,
                "dot of {len}"
            );
            let exact = a.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert_eq!(max(&a), exact, "max of {len}");
        }
    }

    #[test]
    fn add_rows_sums_every_row_once() {
        for rows in 0..10 {
            let values: Vec<f32> = (0..rows * 3).map(|i| i as f32).collect();
            let mut total = vec![1.0, 2.0, 3.0];
            add_rows(&mut total, &values, |v, j| v * (j + 1) as f32);
            for (j, got) in total.iter().enumerate() {
                let sum: f32 = (0..rows).map(|r| (r * 3 + j) as f32).sum();
                assert_eq!(*got, (j + 1) as f32 * (1.0 + sum), "{rows} rows");
            }
        }
    }

    #[test]
    fn exp_is_accurate_and_clamped() {
        for i in -8_700..=8_800 {
            let x = i as f32 / 100.0;
            let exact = f64::from(x).exp();
            let error = (f64::from(exp(x)) - exact).abs() / exact;
            assert!(error < 3e-7, "exp({x}): relative error {error}");
        }
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(f32::NEG_INFINITY) < 1e-37 && exp(f32::NEG_INFINITY) >= 0.0);
        assert!(exp(1000.0).is_finite() && exp(f32::NAN).is_nan());
    }

    #[test]
    fn ln_1p_is_accurate_on_the_unit_interval() {
        for i in 1..=10_000 {
            let z = i as f32 / 10_000.0;
            let exact = f64::from(z).ln_1p();
            let error = (f64::from(ln_1p(z)) - exact).abs() / exact;
            assert!(error < 3e-7, "ln_1p({z}): relative error {error}");
        }
        assert_eq!(ln_1p(0.0), 0.0);
        assert!((f64::from(ln_1p(1e-20)) - 1e-20).abs() < 1e-26);
    }
}
