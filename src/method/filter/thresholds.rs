//! The formulas of DF-ACAT's thresholds.
//!
//! `$$ T^{(k,0)} = T^{\min} + (T^{\max} - T^{\min}) \frac{n_k}{N} \qquad (5) $$`
//! `$$ T^{(k)} \leftarrow \alpha\, T^{(k)} + (1 - \alpha)\, \hat T^{(k)} \qquad (6) $$`
//!
//! `$n_k$` of the N labelled instances are of class k; `$\hat T$` is the mean quality of the class's candidates.

/// Eq. 5. `range` is [minimum, maximum]. Without any instance every class starts at the minimum.
pub fn initial_thresholds(counts: &[usize], range: [f32; 2]) -> Vec<f32> {
    let [low, high] = range.map(f64::from);
    let total = counts.iter().sum::<usize>().max(1) as f64;
    counts
        .iter()
        .map(|count| (low + (high - low) * *count as f64 / total) as f32)
        .collect()
}

/// Eq. 6 with bounds: the threshold after an update with the mean quality `mean`.
pub fn moved_threshold(threshold: f32, mean: f32, alpha: f32, bounds: [f32; 2]) -> f32 {
    let moved =
        f64::from(alpha) * f64::from(threshold) + (1.0 - f64::from(alpha)) * f64::from(mean);
    (moved as f32).clamp(bounds[0], bounds[1])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn eq_5_stays_in_range_and_follows_the_counts(
            (counts, order) in prop::collection::vec(0usize..1000, 1..12).prop_flat_map(|counts| {
                let order: Vec<usize> = (0..counts.len()).collect();
                (Just(counts), Just(order).prop_shuffle())
            }),
            low in 0.0f32..0.5, width in 0.0f32..0.5,
        ) {
            let range = [low, low + width];
            let start = initial_thresholds(&counts, range);
            for (i, a) in start.iter().enumerate() {
                prop_assert!((range[0]..=range[1]).contains(a), "{} outside {:?}", a, range);
                for (j, b) in start.iter().enumerate() {
                    prop_assert!(counts[i] < counts[j] || a >= b, "not monotone");
                }
            }
            let total: usize = counts.iter().sum();
            for (t, count) in start.iter().zip(&counts) {
                let share = *count as f32 / total.max(1) as f32;
                prop_assert!((t - (low + width * share)).abs() < 1e-6, "the share of all instances");
            }
            let permuted: Vec<usize> = order.iter().map(|i| counts[*i]).collect();
            let expected: Vec<f32> = order.iter().map(|i| start[*i]).collect();
            prop_assert_eq!(initial_thresholds(&permuted, range), expected);
        }

        #[test]
        fn eq_6_is_a_convex_contraction(t in 0.0f32..=1.0, s in 0.0f32..=1.0, mean in 0.0f32..=1.0, alpha in 0.0f32..=1.0) {
            let to = |t| moved_threshold(t, mean, alpha, [0.0, 1.0]);
            prop_assert!((to(mean) - mean).abs() <= 1e-7, "the mean is the fixed point");
            prop_assert!(to(t) >= t.min(mean) - 1e-7 && to(t) <= t.max(mean) + 1e-7);
            prop_assert!(((to(t) - to(s)).abs() - alpha * (t - s).abs()).abs() < 1e-6, "contraction by alpha");
            let bounded = moved_threshold(t, mean, alpha, [0.3, 0.4]);
            prop_assert!((0.3..=0.4).contains(&bounded));
        }
    }

    #[test]
    fn no_labelled_instance_starts_at_the_minimum() {
        assert_eq!(initial_thresholds(&[0, 0], [0.7, 0.85]), [0.7, 0.7]);
    }
}
