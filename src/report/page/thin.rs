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
    }
}
