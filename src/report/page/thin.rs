//! Fewer points of a curve, with every extreme kept.

use super::content::Point;

/// The largest number of points of a drawn curve.
pub const POINTS: usize = 100;

/// At most [`POINTS`] of the points, by rising step: the first and the last one, and of every stretch between them the
/// point with the lowest and the one with the highest value of a seed.
pub fn thinned(points: &[Point]) -> Vec<Point> {
    if points.len() <= POINTS {
        return points.to_vec();
    }
    let inner = &points[1..points.len() - 1];
    let stretches = POINTS / 2 - 1;
    let mut kept = vec![points[0]];
    for stretch in 0..stretches {
        let bounds = [stretch, stretch + 1].map(|at| at * inner.len() / stretches);
        let part = &inner[bounds[0]..bounds[1]];
        let low = (0..part.len()).min_by(|a, b| part[*a].low.total_cmp(&part[*b].low));
        let high = (0..part.len()).max_by(|a, b| part[*a].high.total_cmp(&part[*b].high));
        let mut chosen: Vec<usize> = low.into_iter().chain(high).collect();
        chosen.sort_unstable();
        chosen.dedup();
        kept.extend(chosen.into_iter().map(|place| part[place]));
    }
    kept.push(points[points.len() - 1]);
    kept
}

/// The means of at most half of [`POINTS`] stretches of points: mean step and mean value of each, by rising step. Few
/// points are stretches of their own. The means of neighbouring stretches tell the mean of all their points, which the
/// extremes of [`thinned`] do not.
pub fn stretches(points: &[Point]) -> Vec<(f64, f64)> {
    let count = match points.len() {
        few if few <= POINTS => few,
        _ => POINTS / 2,
    };
    let stretch = |at: usize| {
        let part = &points[at * points.len() / count..(at + 1) * points.len() / count];
        let mean =
            |value: &dyn Fn(&Point) -> f64| part.iter().map(value).sum::<f64>() / part.len() as f64;
        (mean(&|point| point.step as f64), mean(&|point| point.mean))
    };
    (0..count).map(stretch).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn extremes_ends_and_order_stay(values in proptest::collection::vec(-1e3..1e3f64, 1..700)) {
            let points: Vec<Point> = (1..).zip(&values).map(|(step, mean)| {
                Point { step: step * 20, mean: *mean, low: mean - 1.0, high: mean + 1.0 }
            }).collect();
            let thin = thinned(&points);
            prop_assert!(thin.len() <= POINTS);
            prop_assert_eq!((thin[0], thin.last()), (points[0], points.last()));
            prop_assert!(thin.windows(2).all(|pair| pair[0].step < pair[1].step));
            let bounds = |points: &[Point]| {
                let low = points.iter().map(|point| point.low).fold(f64::INFINITY, f64::min);
                let high = points.iter().map(|point| point.high).fold(f64::NEG_INFINITY, f64::max);
                (low, high)
            };
            prop_assert_eq!(bounds(&thin), bounds(&points));
        }

        #[test]
        fn stretches_keep_the_mean_of_a_long_curve_and_every_point_of_a_short_one(
            values in proptest::collection::vec(-1e3..1e3f64, 1..7),
        ) {
            // Stretches of equal length have the mean of all points.
            for repeats in [1, 150] {
                let points: Vec<Point> = (1..).zip(values.repeat(repeats)).map(|(step, mean)| {
                    Point { step, mean, low: mean, high: mean }
                }).collect();
                let found = stretches(&points);
                let expected = if points.len() <= POINTS { points.len() } else { POINTS / 2 };
                prop_assert_eq!(found.len(), expected);
                prop_assert!(found.windows(2).all(|pair| pair[0].0 < pair[1].0));
                let mean = |values: Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
                let all = mean(points.iter().map(|point| point.mean).collect());
                let own = mean(found.iter().map(|(_, value)| *value).collect());
                prop_assert!((all - own).abs() < 1e-6, "{} {}", all, own);
                if repeats == 1 {
                    prop_assert!(found.iter().zip(&points).all(|(one, point)| *one == (point.step as f64, point.mean)));
                }
            }
        }
    }
}
