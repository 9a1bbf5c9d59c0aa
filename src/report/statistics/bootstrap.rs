//! The percentile bootstrap of a mean (Efron 1979): it takes the mean of every resample with replacement, and
//! the bounds between which 95 % of these means lie.
//!
//! Up to [`EXACT_UP_TO`] values, all n^n resamples are counted instead of drawn (823,543 at n = 7). Resamples
//! differ only in how often each value occurs, so 1,716 counts with their multiplicities are enough. For more
//! values, [`DRAWN`] resamples are drawn from a stream of random numbers that depends on n only. So the same
//! values have the same interval in every table and on every machine.
//!
//! Limits: resamples never leave the range of the values, so the interval is too narrow for few values. At n
//! = 3 the resample of three times the smallest value has a probability of 1/27 > 2.5 %: the interval runs
//! from the smallest to the largest difference and contains the true mean of a symmetric distribution in 1 -
//! 2/8 = 75 % of all cases, not in 95 %. For normal differences the coverage is about 85 % at n = 5 and 90 %
//! at n = 10 (measured in `tests`). The verdicts use Student's test.

use super::CONFIDENCE;
use crate::rng::Stream;
use std::collections::BTreeMap;

/// The largest number of values for which all resamples are counted.
pub const EXACT_UP_TO: usize = 7;

/// The number of resamples drawn for more values. With one more, 2.5 % of them would be a whole number and
/// the interval would not be symmetric.
pub const DRAWN: usize = 9_999;

/// The resamples for every number of values, each computed once.
#[derive(Clone, Debug, Default)]
pub struct Bootstrap(BTreeMap<usize, Resamples>);

/// The resamples of `size` values.
#[derive(Clone, Debug)]
struct Resamples {
    size: usize,
    /// The number of times that each value occurs in a resample; `size` counts for each resample.
    counts: Vec<u32>,
    /// The number of resamples that have these counts.
    weights: Vec<u64>,
}

impl Bootstrap {
    /// The interval of the mean of `values`. Panics if there are no values.
    pub fn interval(&mut self, values: &[f64]) -> (f64, f64) {
        assert!(!values.is_empty(), "a resample of nothing");
        let resamples =
            self.0
                .entry(values.len())
                .or_insert_with_key(|&size| match size <= EXACT_UP_TO {
                    true => counted(size),
                    false => drawn(size),
                });
        let mut means = resamples.means(values);
        means.sort_unstable_by(|(x, _), (y, _)| x.total_cmp(y));
        let tail = (1.0 - CONFIDENCE) / 2.0;
        (quantile(&means, tail), quantile(&means, 1.0 - tail))
    }
}

impl Resamples {
    /// The mean of each resample and its multiplicity.
    fn means(&self, values: &[f64]) -> Vec<(f64, u64)> {
        let mean = |counts: &[u32]| {
            let terms = counts.iter().zip(values);
            let sum: f64 = terms.map(|(&count, value)| f64::from(count) * value).sum();
            sum / self.size as f64
        };
        let means = self.counts.chunks_exact(self.size).map(mean);
        means.zip(self.weights.iter().copied()).collect()
    }
}

/// The smallest of the sorted `means` that `share` of all resamples do not exceed.
fn quantile(means: &[(f64, u64)], share: f64) -> f64 {
    let total: u64 = means.iter().map(|(_, weight)| weight).sum();
    let wanted = (share * total as f64).ceil() as u64;
    let mut below = 0;
    let reached = means.iter().find(|(_, weight)| {
        below += weight;
        below >= wanted
    });
    reached.or(means.last()).map_or(f64::NAN, |(mean, _)| *mean)
}

/// All ways to distribute `size` draws over as many values, with the number of resamples of each:
/// `$n! / \prod_i k_i!$`.
fn counted(size: usize) -> Resamples {
    let factorial = |n: usize| (1..=n as u64).product::<u64>();
    let mut ways: Vec<(Vec<u32>, u64)> = vec![(Vec::new(), factorial(size))];
    for place in 1..=size {
        let mut longer = Vec::new();
        for (counts, weight) in &ways {
            let left = size - counts.iter().sum::<u32>() as usize;
            // The last value takes all remaining draws.
            let least = if place == size { left } else { 0 };
            for count in least..=left {
                let counts = counts.iter().copied().chain([count as u32]);
                longer.push((counts.collect(), weight / factorial(count)));
            }
        }
        ways = longer;
    }
    Resamples {
        size,
        weights: ways.iter().map(|(_, weight)| *weight).collect(),
        counts: ways.into_iter().flat_map(|(counts, _)| counts).collect(),
    }
}

fn drawn(size: usize) -> Resamples {
    let mut stream = Stream::at(0, "bootstrap", size as u64);
    let mut counts = vec![0; size * DRAWN];
    for resample in counts.chunks_exact_mut(size) {
        (0..size).for_each(|_| resample[stream.below(size)] += 1);
    }
    Resamples {
        size,
        counts,
        weights: vec![1; DRAWN],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_resample_is_counted_once() {
        for size in 1..=EXACT_UP_TO {
            let resamples = counted(size);
            let total: u64 = resamples.weights.iter().sum();
            assert_eq!(total, (size as u64).pow(size as u32), "n^n at n = {size}");
            let mut sizes = resamples
                .counts
                .chunks_exact(size)
                .map(|counts| counts.iter().sum::<u32>());
            assert!(sizes.all(|sum| sum as usize == size));
        }
        assert_eq!(counted(7).weights.len(), 1716, "C(13, 7)");
    }

    #[test]
    fn three_values_span_their_range_and_many_less() {
        let mut bootstrap = Bootstrap::default();
        assert_eq!(bootstrap.interval(&[2.0, -1.0, 0.5]), (-1.0, 2.0));
        let values: Vec<f64> = (0..40).map(f64::from).collect();
        // Mean 19.5, standard error sqrt((40^2 - 1) / 12 / 40) = 1.825: about 19.5 -+ 1.96 * 1.825.
        let (low, high) = bootstrap.interval(&values);
        assert!((low - 15.92).abs() < 0.2 && (high - 23.08).abs() < 0.2);
        assert_eq!(bootstrap.interval(&values), (low, high));
        assert_eq!(Bootstrap::default().interval(&values), (low, high));
    }
}
