//! Kendall's rank correlation with ties (tau-b): do two columns order the rows the same way?
//!
//! `$$ \tau_b = \frac{C - D}{\sqrt{(n_0 - n_1)(n_0 - n_2)}}, \qquad
//! n_0 = \tfrac{n(n-1)}{2},\; n_i = \sum_g \tfrac{t_g (t_g - 1)}{2} $$`
//!
//! C and D are the numbers of pairs of rows in the same and in the opposite order; t is the number of rows in
//! each group of equal values of a column.
//!
//! p is two-sided. Without ties and for up to [`EXACT_UP_TO`] rows it is exact: it counts the permutations
//! with at most D inversions. Otherwise it uses the normal approximation with the variance corrected for ties
//! (Kendall, Rank Correlation Methods, 1970, ch. 4), which is rough below ten rows.

use statrs::distribution::{ContinuousCDF, Normal};
use std::cmp::Ordering;

/// The largest number of rows for which p is exact; the bound is SciPy's.
const EXACT_UP_TO: usize = 33;

/// The agreement of two orders.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kendall {
    /// From -1 (reversed) to 1 (the same order).
    pub tau: f64,
    /// Two-sided p for the hypothesis of no relation.
    pub p: f64,
    /// The number of rows that were compared.
    pub rows: usize,
}

/// The agreement of two columns, with one `(x, y)` for each row. Returns none for fewer than two rows, or if
/// all values of a column are equal.
pub fn kendall(pairs: &[(f64, f64)]) -> Option<Kendall> {
    let (mut concordant, mut discordant) = (0u64, 0u64);
    for (index, (x, y)) in pairs.iter().enumerate() {
        for (other_x, other_y) in &pairs[..index] {
            match (x.total_cmp(other_x), y.total_cmp(other_y)) {
                (Ordering::Equal, _) | (_, Ordering::Equal) => {}
                (along_x, along_y) if along_x == along_y => concordant += 1,
                _ => discordant += 1,
            }
        }
    }
    let count = pairs.len() as f64;
    let all = count * (count - 1.0) / 2.0;
    let ties = |values: Vec<f64>| groups(values).filter(|group| *group > 1.0);
    let x = Ties::new(ties(pairs.iter().map(|(x, _)| *x).collect()));
    let y = Ties::new(ties(pairs.iter().map(|(_, y)| *y).collect()));
    let scale = ((all - x.pairs) * (all - y.pairs)).sqrt();
    if pairs.len() < 2 || scale == 0.0 {
        return None;
    }
    let surplus = concordant as f64 - discordant as f64;
    let p = if x.pairs + y.pairs == 0.0 && pairs.len() <= EXACT_UP_TO {
        exact(pairs.len(), concordant.min(discordant) as usize)
    } else {
        let whole = 2.0 * all;
        let variance = (whole * (2.0 * count + 5.0) - x.weighted - y.weighted) / 18.0
            + 2.0 * x.pairs * y.pairs / whole
            + x.triples * y.triples / (9.0 * whole * (count - 2.0));
        2.0 * Normal::standard().sf(surplus.abs() / variance.sqrt())
    };
    Some(Kendall {
        tau: (surplus / scale).clamp(-1.0, 1.0),
        p: p.min(1.0),
        rows: pairs.len(),
    })
}

/// The correction terms for the ties of a column, with t rows in each group.
struct Ties {
    /// Sum of t (t - 1) / 2.
    pairs: f64,
    /// Sum of t (t - 1) (t - 2).
    triples: f64,
    /// Sum of t (t - 1) (2 t + 5).
    weighted: f64,
}

impl Ties {
    fn new(groups: impl Iterator<Item = f64>) -> Self {
        let mut ties = Self {
            pairs: 0.0,
            triples: 0.0,
            weighted: 0.0,
        };
        for t in groups {
            ties.pairs += t * (t - 1.0) / 2.0;
            ties.triples += t * (t - 1.0) * (t - 2.0);
            ties.weighted += t * (t - 1.0) * (2.0 * t + 5.0);
        }
        ties
    }
}

/// The size of each group of equal values.
fn groups(mut values: Vec<f64>) -> impl Iterator<Item = f64> {
    values.sort_by(f64::total_cmp);
    let sizes: Vec<f64> = values
        .chunk_by(|x, y| x.total_cmp(y).is_eq())
        .map(|group| group.len() as f64)
        .collect();
    sizes.into_iter()
}

/// Twice the share of the permutations of `count` elements with at most `fewer` inversions.
fn exact(count: usize, fewer: usize) -> f64 {
    // shares[k]: the share of the permutations of the first `size` elements that have k inversions. The next
    // element adds 0 to `size` inversions.
    let mut shares = vec![1.0];
    for size in 1..count {
        let mut next = vec![0.0; shares.len() + size];
        for (inversions, share) in shares.iter().enumerate() {
            for more in 0..=size {
                next[inversions + more] += share / (size + 1) as f64;
            }
        }
        shares = next;
    }
    2.0 * shares[..=fewer].iter().sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_that_are_known() {
        let of = |y: &[f64]| {
            kendall(
                &(0..)
                    .map(f64::from)
                    .zip(y.iter().copied())
                    .collect::<Vec<_>>(),
            )
        };
        let same = of(&[1.0, 2.0, 3.0, 4.0]).unwrap();
        assert_eq!((same.tau, same.rows), (1.0, 4));
        assert!((same.p - 2.0 / 24.0).abs() < 1e-15, "two of 4! orders");
        assert_eq!(of(&[4.0, 3.0, 2.0, 1.0]).unwrap().tau, -1.0);
        assert_eq!(of(&[1.0, 2.0]).unwrap().p, 1.0);
        assert_eq!(of(&[5.0, 5.0, 5.0]), None, "a column without an order");
        assert_eq!(of(&[5.0]), None);
        assert_eq!(of(&[]), None);
    }
}
