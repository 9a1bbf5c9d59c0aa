//! How many seeds a question takes: for seeds until decided by simulation, and for a number of seeds that is fixed
//! beforehand by the distribution of Student's t.
//!
//! The paired t test with n seeds finds an effect `$\delta = \mu / \sigma$` with the probability
//!
//! `$$ P(|T| > c), \qquad T = \frac{Z + \delta \sqrt n}{\sqrt{W / \nu}}, \quad Z \sim N(0, 1),\;
//! W \sim \chi^2_\nu,\; \nu = n - 1 $$`
//!
//! where c is the two-sided critical value. It is integrated over the distribution of W.

use super::e_value::Paired;
use crate::metrics::UntilDecided;
use crate::rng::Stream;
use statrs::distribution::{ChiSquared, Continuous, ContinuousCDF, Normal, StudentsT};

/// The number of simulated rows. The standard error of a share of one half is then 1.1 %.
const RUNS: u64 = 2_000;
/// The number of steps of the integral over the distribution of W.
const STEPS: usize = 1_000;
/// The distance from its centre at which the root of W ends, in units of which its standard deviation is 0.7.
const REACH: f64 = 9.0;
/// The largest number of seeds that is looked for.
const MOST: usize = 2_000;

/// What a row takes until it is decided.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expected {
    /// The mean number of seeds at which it stops, with a verdict or without.
    pub seeds: f64,
    /// The probability that it then `helps` or `hurts`, 0 to 1.
    pub found: f64,
    /// The probability that it then is the `same`, 0 to 1.
    pub same: f64,
}

/// The number of seeds that rows take which have an effect of `mean` and paired differences of the standard
/// `deviation`. `level` is the accepted probability of a false verdict on the row: that of the table divided by its
/// compared rows is the first step of Holm's correction.
pub fn until_decided(rule: &UntilDecided, mean: f64, deviation: f64, level: f64) -> Expected {
    simulated(rule, Paired::default(), level, |_| (mean, deviation))
}

/// The number of seeds at which a row stops whose differences so far are `known`, at least two. The effect and the
/// deviation behind them are drawn from what these tell: `$\sigma^2 \sim S / \chi^2_{n-1}$` and `$\mu \sim N(m,
/// \sigma^2/n)$`.
pub fn from_here(rule: &UntilDecided, known: Paired, level: f64) -> Expected {
    simulated(rule, known, level, |stream| {
        let squares: f64 = (1..known.count).map(|_| stream.normal().powi(2)).sum();
        let deviation = (known.squares / squares).sqrt();
        let mean = known.mean + deviation / (known.count as f64).sqrt() * stream.normal();
        (mean, deviation)
    })
}

/// Simulates rows that begin with the differences `known`; `drawn` gives the mean and the deviation of each.
fn simulated(
    rule: &UntilDecided,
    known: Paired,
    level: f64,
    drawn: impl Fn(&mut Stream) -> (f64, f64),
) -> Expected {
    let (mut seeds, mut found, mut same) = (0, 0, 0);
    for run in 0..RUNS {
        let mut stream = Stream::at(0, "power", run);
        let (mean, deviation) = drawn(&mut stream);
        let mut paired = known;
        let [is_found, is_same] = loop {
            let looks = paired.count >= rule.at_least;
            let is_found = looks && rule.p(Some(paired)) <= level;
            let is_same = looks && !is_found && rule.is_negligible(&paired);
            if is_found || is_same || paired.count >= rule.at_most {
                break [is_found, is_same];
            }
            paired.push(mean + deviation * stream.normal());
        };
        seeds += paired.count;
        found += usize::from(is_found);
        same += usize::from(is_same);
    }
    let [seeds, found, same] = [seeds, found, same].map(|sum| sum as f64 / RUNS as f64);
    Expected { seeds, found, same }
}

/// The probability that the two-sided paired t test at `level` with `count` seeds, at least two, finds an effect of
/// `effect` standard deviations of the differences.
pub fn power(effect: f64, count: usize, level: f64) -> f64 {
    let freedom = (count - 1) as f64;
    let (Ok(student), Ok(spread)) = (StudentsT::new(0.0, 1.0, freedom), ChiSquared::new(freedom))
    else {
        return 0.0;
    };
    let critical = student.inverse_cdf(1.0 - level / 2.0);
    let shift = effect * (count as f64).sqrt();
    let normal = Normal::standard();
    // With W = r^2 the density is smooth at 0 for every number of seeds.
    let least = (freedom.sqrt() - REACH).max(0.0);
    let step = (freedom.sqrt() + REACH - least) / STEPS as f64;
    let value = |at: usize| {
        let root = least + at as f64 * step;
        let bound = critical * root / freedom.sqrt();
        let found = normal.sf(bound - shift) + normal.cdf(-bound - shift);
        let density = match root > 0.0 {
            true => 2.0 * root * spread.ln_pdf(root * root).exp(),
            false if freedom > 1.0 => 0.0,
            // The limit of 2 r f(r^2) for one degree of freedom.
            false => (2.0 / std::f64::consts::PI).sqrt(),
        };
        found * density
    };
    // Simpson's rule.
    let weighted = (1..STEPS).map(|at| value(at) * if at % 2 == 1 { 4.0 } else { 2.0 });
    let sum = value(0) + weighted.sum::<f64>() + value(STEPS);
    sum * step / 3.0
}

/// The smallest number of seeds, fixed beforehand, with which the paired t test at `level` finds the `effect` with the
/// probability `wanted`; none if it takes more than two thousand.
pub fn fixed_number(effect: f64, level: f64, wanted: f64) -> Option<usize> {
    (2..=MOST).find(|count| power(effect, *count, level) >= wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::statistics::LEVEL;

    /// Numbers of pairs that tables of the t test name for a power of 80 % at 5 %, two-sided (Cohen, Statistical Power
    /// Analysis, 1988; the same in R's `power.t.test`).
    #[test]
    fn the_fixed_numbers_are_those_of_tables() {
        for (effect, known) in [
            (0.2, 199),
            (0.5, 34),
            (0.8, 15),
            (1.0, 10),
            (1.5, 6),
            (2.0, 5),
        ] {
            assert_eq!(fixed_number(effect, LEVEL, 0.8), Some(known), "{effect}");
        }
        assert_eq!(fixed_number(0.01, LEVEL, 0.8), None);
        let powers: Vec<f64> = (2..600)
            .step_by(13)
            .map(|count| power(0.1, count, LEVEL))
            .collect();
        assert!(
            powers.is_sorted() && powers.iter().all(|one| *one < 0.8),
            "{powers:?}"
        );
    }

    #[test]
    fn without_an_effect_the_power_is_the_level() {
        for count in [2, 3, 5, 12, 40] {
            let found = power(0.0, count, LEVEL);
            assert!((found - LEVEL).abs() < 1e-6, "n = {count}: {found}");
            assert!((power(-0.7, count, LEVEL) - power(0.7, count, LEVEL)).abs() < 1e-12);
        }
        assert!((power(1.0, 12, LEVEL) - 0.88).abs() < 0.01);
    }

    const RULE: UntilDecided = UntilDecided {
        at_least: 2,
        at_most: 24,
        effect_scale: 1.0,
        negligible: None,
    };

    /// Share decided and mean number of seeds by effect, simulated with NumPy over 20,000 runs.
    #[test]
    fn seeds_until_decided_are_the_simulated_ones() {
        for (effect, share, seeds) in [
            (0.5, 0.32, 21.2),
            (0.8, 0.77, 16.4),
            (1.0, 0.94, 13.1),
            (1.5, 1.00, 8.6),
            (2.0, 1.00, 6.9),
        ] {
            let found = until_decided(&RULE, effect * 1.7, 1.7, LEVEL);
            // Four standard errors of 2,000 runs, and the rounding.
            let margin = 4.0 * (share * (1.0 - share) / RUNS as f64).sqrt() + 0.006;
            assert!(
                (found.found - share).abs() < margin && found.same == 0.0,
                "{effect}: {found:?}"
            );
            assert!((found.seeds - seeds).abs() < 0.6, "{effect}: {found:?}");
        }
    }

    #[test]
    fn what_is_known_shortens_the_way_and_a_decided_row_has_none() {
        let equal = Paired::of(&[1.0, 1.1, 0.9, 1.05, 0.95, 1.0]).unwrap();
        let found = from_here(&RULE, equal, LEVEL);
        assert_eq!((found.seeds, found.found), (6.0, 1.0));
        let weak = Paired::of(&[1.0, -1.0, 0.9, -0.8]).unwrap();
        let found = from_here(&RULE, weak, LEVEL);
        assert!(found.seeds > 15.0 && found.found < 0.6, "{found:?}");
        let same = UntilDecided {
            negligible: Some(0.5),
            ..RULE
        };
        let found = until_decided(&same, 0.0, 0.2, LEVEL);
        assert!(found.same > 0.95 && found.found < 0.05, "{found:?}");
        assert!((found.same + found.found - 1.0).abs() < 0.01, "{found:?}");
        assert!(until_decided(&RULE, 0.0, 0.2, LEVEL).found < 0.05);
    }
}
