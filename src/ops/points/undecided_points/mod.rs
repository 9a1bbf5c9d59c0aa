//! Importance sampling: of many points those where a mask is least decided, and fresh ones (PointRend,
//! <https://arxiv.org/abs/1912.08193>).
//!
//! `$$ S_i = \{\text{the } c \text{ points } p \text{ of least } |x_{ip}|\} \cup F_i $$`
//!
//! x: logits at M points; of equal ones the first comes first. Shapes: pool `[n, 2M]`, x `[n, M]`, F
//! `[n, 2F]` -> `[n, 2(c + F)]`, the chosen points before the fresh ones, in no order that means anything. No
//! gradient.

#[allow(unsafe_code)]
mod cuda;

use crate::ops::cpu::unfilled;
use crate::tensor::Tensor2;
use rayon::prelude::*;

/// `chosen` points of each row of `pool` `[n, 2M]` by their `logits` `[n, M]`, then those of `fresh`
/// `[n, 2F]`.
///
/// Panics where the shapes disagree or `chosen` is more than M.
pub fn undecided_points(
    pool: &Tensor2,
    logits: &Tensor2,
    chosen: usize,
    fresh: &Tensor2,
) -> Tensor2 {
    let (rows, many) = (logits.rows(), logits.columns());
    assert_eq!((pool.rows(), pool.columns()), (rows, 2 * many), "the pool");
    assert_eq!(fresh.rows(), rows, "fresh points");
    assert!(chosen <= many, "{chosen} of {many} points");
    if let Some(gpu) = logits.gpu() {
        return cuda::undecided_points(gpu, pool, logits, chosen, fresh);
    }
    let columns = 2 * chosen + fresh.columns();
    let mut values = unfilled(rows * columns);
    values
        .par_chunks_exact_mut(columns.max(1))
        .enumerate()
        .for_each(|(row, out)| {
            let pool = &pool.values()[row * 2 * many..][..2 * many];
            let logits = &logits.values()[row * many..][..many];
            let (first, rest) = out.split_at_mut(2 * chosen);
            for (out, i) in first.chunks_exact_mut(2).zip(least(logits, chosen)) {
                out.copy_from_slice(&pool[2 * i..2 * i + 2]);
            }
            rest.copy_from_slice(&fresh.values()[row * rest.len()..][..rest.len()]);
        });
    Tensor2::constant(values, rows, columns)
}

/// The `chosen` places of least |logit|, in any order.
fn least(logits: &[f32], chosen: usize) -> Vec<usize> {
    // The bits of non-negative floats sort as the floats do; the index behind them decides ties.
    let mut order: Vec<u64> = (0u64..)
        .zip(logits)
        .map(|(i, logit)| u64::from(logit.abs().to_bits()) << 32 | i)
        .collect();
    if chosen > 0 && chosen < order.len() {
        order.select_nth_unstable(chosen - 1);
    }
    let place = |key: &u64| (*key as u32) as usize;
    order[..chosen].iter().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{on_every_place, parameter};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn none_that_is_left_is_less_decided(logits in prop::collection::vec(-9.0f32..9.0, 1..60), share in 0.0f64..=1.0) {
            let chosen = (share * logits.len() as f64) as usize;
            let mut places = least(&logits, chosen);
            places.sort_unstable();
            places.dedup();
            prop_assert_eq!(places.len(), chosen);
            let most = places.iter().map(|i| logits[*i].abs()).fold(0.0, f32::max);
            let left = (0..logits.len()).filter(|i| !places.contains(i));
            for i in left {
                prop_assert!(logits[i].abs() >= most);
            }
        }
    }

    on_every_place! {
        /// Ties over the border of the choice, no number, more points than a block of threads, all and none.
        fn the_choice_is_by_value_and_then_by_place(place) {
            let many = 3000;
            let mut logits = parameter(1, 3, many, 2.0).detach();
            let values = logits.values_mut();
            values[many..2 * many].iter_mut().for_each(|x| *x = (*x * 2.0).round());
            values[7] = f32::NAN;
            values[2 * many + 5] = -0.0;
            let at = |count: usize, of: f32| Tensor2::constant((0..3 * 2 * count).map(|i| of + i as f32).collect(), 3, 2 * count);
            let pool = at(many, 0.0);
            for (chosen, free) in [(0, 4), (1, 0), (700, 3), (2999, 1), (3000, 0)] {
                let fresh = at(free, -5e4);
                let found = undecided_points(&pool.to(place), &logits.to(place), chosen, &fresh.to(place));
                assert_eq!((found.rows(), found.columns()), (3, 2 * (chosen + free)));
                let rows = logits.values().chunks_exact(many);
                for ((row, logits), found) in rows.enumerate().zip(found.host_values().chunks_exact(2 * (chosen + free))) {
                    let mut expected: Vec<usize> = (0..many).collect();
                    expected.sort_by(|a, b| logits[*a].abs().total_cmp(&logits[*b].abs()));
                    expected.truncate(chosen);
                    expected.sort_unstable();
                    let mut places: Vec<usize> = found[..2 * chosen].chunks_exact(2).map(|point| {
                        assert_eq!(point[1], point[0] + 1.0, "x and y of one point");
                        point[0] as usize / 2 - row * many
                    }).collect();
                    places.sort_unstable();
                    assert_eq!(places, expected);
                    assert_eq!(&found[2 * chosen..], &fresh.values()[row * 2 * free..][..2 * free]);
                }
            }
        }
    }
}
