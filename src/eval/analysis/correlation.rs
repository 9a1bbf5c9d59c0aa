//! The correlation of a quality with the IoU (Fig. 2 of PL-DC).
//!
//! Pearson's r of the values and Spearman's rho, which is Pearson's r of their ranks; values that are equal share
//! the mean of their ranks. The intervals are percentiles of a bootstrap over images, because the detections of one
//! image are not independent.

use crate::rng::Stream;

/// The resamples of the bootstrap.
const DRAWN: usize = 999;
/// The confidence of an interval.
const CONFIDENCE: f64 = 0.95;

/// A correlation with its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The correlation.
    pub value: f64,
    /// The 95 % interval.
    pub interval: (f64, f64),
}

/// Two correlations of the same pairs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Correlation {
    /// Pearson's r.
    pub pearson: Estimate,
    /// Spearman's rho.
    pub spearman: Estimate,
    /// The number of pairs.
    pub pairs: usize,
}

/// The correlation of pairs (x, y), image by image. None if there are fewer than two images with pairs, or if all x
/// or all y are equal.
pub fn correlation(images: &[Vec<(f64, f64)>]) -> Option<Correlation> {
    let images: Vec<&Vec<(f64, f64)>> = images.iter().filter(|pairs| !pairs.is_empty()).collect();
    let all: Vec<(f64, f64)> = images
        .iter()
        .flat_map(|pairs| pairs.iter().copied())
        .collect();
    let ranked = ranked(&all);
    // The ranks of the whole are kept in the resamples: ranks of a resample would be another measure's.
    let mut rest = ranked.iter().copied();
    let of_ranks: Vec<Vec<(f64, f64)>> = images
        .iter()
        .map(|pairs| rest.by_ref().take(pairs.len()).collect())
        .collect();
    let (value, of_order) = (
        pearson(all.iter().copied())?,
        pearson(ranked.iter().copied())?,
    );
    if images.len() < 2 {
        return None;
    }
    let mut rng = Stream::new(images.len() as u64, "bootstrap/correlation");
    let mut drawn: [Vec<f64>; 2] = Default::default();
    for _ in 0..DRAWN {
        let chosen: Vec<usize> = images.iter().map(|_| rng.below(images.len())).collect();
        drawn[0].extend(pearson(
            chosen.iter().flat_map(|at| images[*at].iter().copied()),
        ));
        drawn[1].extend(pearson(
            chosen.iter().flat_map(|at| of_ranks[*at].iter().copied()),
        ));
    }
    let [of_values, of_orders] = drawn.map(interval);
    Some(Correlation {
        pearson: Estimate {
            value,
            interval: of_values?,
        },
        spearman: Estimate {
            value: of_order,
            interval: of_orders?,
        },
        pairs: all.len(),
    })
}

/// Pearson's correlation; none if there are fewer than two pairs or one side is constant.
fn pearson(pairs: impl Iterator<Item = (f64, f64)> + Clone) -> Option<f64> {
    let count = pairs.clone().count() as f64;
    let (x, y) = pairs
        .clone()
        .fold((0.0, 0.0), |(x, y), pair| (x + pair.0, y + pair.1));
    let (x, y) = (x / count, y / count);
    let mut sums = [0.0; 3];
    for (a, b) in pairs {
        let (a, b) = (a - x, b - y);
        sums[0] += a * b;
        sums[1] += a * a;
        sums[2] += b * b;
    }
    let scale = (sums[1] * sums[2]).sqrt();
    (scale > 0.0).then(|| (sums[0] / scale).clamp(-1.0, 1.0))
}

/// The ranks of both sides of the pairs, in their order.
fn ranked(pairs: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let x = ranks(&pairs.iter().map(|pair| pair.0).collect::<Vec<_>>());
    let y = ranks(&pairs.iter().map(|pair| pair.1).collect::<Vec<_>>());
    x.into_iter().zip(y).collect()
}

/// The rank of every value, from 1 on. Equal values share the mean of their ranks.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut done = 0;
    for group in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let rank = done as f64 + (group.len() as f64 + 1.0) / 2.0;
        group.iter().for_each(|at| ranks[*at] = rank);
        done += group.len();
    }
    ranks
}

/// The bounds between which 95 % of the values lie.
fn interval(mut values: Vec<f64>) -> Option<(f64, f64)> {
    values.sort_by(f64::total_cmp);
    let tail = (1.0 - CONFIDENCE) / 2.0;
    let at = |share: f64| {
        let place = (share * values.len() as f64).ceil() as usize;
        values.get(place.saturating_sub(1)).copied()
    };
    Some((at(tail)?, at(1.0 - tail)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn images(pairs: &[(f64, f64)], size: usize) -> Vec<Vec<(f64, f64)>> {
        pairs.chunks(size).map(<[_]>::to_vec).collect()
    }

    /// NumPy's `corrcoef` of the values and of their mean ranks. Both sides have ties.
    #[test]
    fn numbers_are_numpys() {
        let x = [0.1, 0.4, 0.4, 0.9, 0.7, 0.2];
        let y = [1.0, 3.0, 2.0, 3.0, 5.0, 0.5];
        let pairs: Vec<(f64, f64)> = x.into_iter().zip(y).collect();
        let found = correlation(&images(&pairs, 2)).unwrap();
        assert!(
            (found.pearson.value - 0.764_841_709_442_774_2).abs() < 1e-9,
            "{found:?}"
        );
        assert!(
            (found.spearman.value - 0.808_823_529_411_764_7).abs() < 1e-9,
            "{found:?}"
        );
        assert_eq!(found.pairs, 6);
    }

    #[test]
    fn what_has_no_correlation_has_none() {
        assert_eq!(correlation(&[]), None);
        assert_eq!(
            correlation(&images(&[(0.0, 1.0), (1.0, 2.0)], 2)),
            None,
            "one image"
        );
        assert_eq!(
            correlation(&images(&[(0.0, 1.0), (1.0, 1.0)], 1)),
            None,
            "y is constant"
        );
    }

    #[test]
    fn the_interval_is_that_of_resampled_images() {
        // Of two images with opposite slopes, a resample has the first twice, the second twice, or both.
        let found =
            correlation(&[vec![(0.0, 0.0), (1.0, 1.0)], vec![(0.0, 1.0), (1.0, 0.0)]]).unwrap();
        assert_eq!(
            (found.pearson.value, found.pearson.interval),
            (0.0, (-1.0, 1.0))
        );
        assert_eq!(
            (found.spearman.value, found.spearman.interval),
            (0.0, (-1.0, 1.0))
        );
    }

    proptest! {
        #[test]
        fn ranks_ignore_every_rising_change_and_a_line_is_perfect(
            values in proptest::collection::vec((-50..50i32, -50..50i32), 8..40),
        ) {
            let pairs: Vec<(f64, f64)> = values.iter().map(|(x, y)| (f64::from(*x), f64::from(*y))).collect();
            let bent: Vec<(f64, f64)> = pairs.iter().map(|(x, y)| (x.powi(3), y / 7.0 + 2.0)).collect();
            let (one, other) = (correlation(&images(&pairs, 2)), correlation(&images(&bent, 2)));
            if let (Some(one), Some(other)) = (one, other) {
                prop_assert!((one.spearman.value - other.spearman.value).abs() < 1e-9);
                let (low, high) = one.pearson.interval;
                prop_assert!(low <= high && one.pearson.value.abs() <= 1.0);
            }
            let line: Vec<(f64, f64)> = pairs.iter().map(|(x, _)| (*x, 3.0 - 2.0 * x)).collect();
            if let Some(found) = correlation(&images(&line, 2)) {
                prop_assert!((found.pearson.value + 1.0).abs() < 1e-9 && (found.spearman.value + 1.0).abs() < 1e-9);
            }
        }
    }
}
