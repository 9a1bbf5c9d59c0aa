//! The evidence of paired differences that may be looked at after every seed: e-values and confidence sequences of a
//! mean with unknown variance.
//!
//! For n differences with the mean m, the sum S of squared deviations from it, `$\nu = n - 1$` and `$t^2 = n m^2 \nu /
//! S$`, the effect `$\mu / \sigma$` has the prior N(0, g) and `$\sigma$` the right Haar prior. The e-value against
//! `$\mu = 0$` is
//!
//! `$$ E_n = (1 + n g)^{-1/2} \left[ \frac{1 + t^2/\nu}{1 + t^2 / (\nu (1 + n g))} \right]^{n/2}, \qquad E_1 = 1 $$`
//!
//! Under that hypothesis the probability that any of `$E_1, E_2, \ldots$` reaches `$1/\alpha$` is at most `$\alpha$`,
//! whatever `$\sigma$` is. So one may look after every seed and stop at any time. The confidence sequence holds the
//! means `$\mu_0$` against which the e-value is below `$1/\alpha$`. With `$x = n h^2 / S$` and `$K = (\sqrt{1 + n g} /
//! \alpha)^{2/n}$` its bounds are `$m \pm h$`:
//!
//! `$$ x = \frac{K - 1}{1 - K / (1 + n g)} $$`
//!
//! If `$K \ge 1 + n g$`, no mean can be excluded: at g = 1 and `$\alpha$` = 0.05 that is so up to n = 4.
//!
//! Sources: Perez-Ortiz, Lardy, de Heide, Grünwald, "E-statistics, group invariance and anytime-valid testing" (Annals
//! of Statistics 2024); Wang and Ramdas, "Anytime-valid t-tests and confidence sequences for Gaussian means with
//! unknown variance" (2023).

/// What the e-value reads of the differences: their number, mean and spread.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Paired {
    /// The number of differences, n.
    pub count: usize,
    /// Their mean, m.
    pub mean: f64,
    /// The sum of the squared deviations from the mean, S.
    pub squares: f64,
}

impl Paired {
    /// The summary of `differences`; none if there are no differences, or if they are too large to be squared.
    pub fn of(differences: &[f64]) -> Option<Self> {
        let mean = super::mean(differences)?;
        let squares: f64 = differences.iter().map(|one| (one - mean).powi(2)).sum();
        let finite = mean.is_finite() && squares.is_finite();
        finite.then_some(Self {
            count: differences.len(),
            mean,
            squares,
        })
    }

    /// Adds a difference (Welford 1962).
    pub fn push(&mut self, difference: f64) {
        self.count += 1;
        let before = difference - self.mean;
        self.mean += before / self.count as f64;
        self.squares += before * (difference - self.mean);
    }

    /// The sample standard deviation; none for fewer than two differences.
    pub fn deviation(&self) -> Option<f64> {
        (self.count >= 2).then(|| (self.squares / (self.count - 1) as f64).sqrt())
    }

    /// The e-value against the hypothesis that the mean is `null`. `scale` is g, the variance of the prior of the
    /// effect; it is above 0.
    pub fn e_value(&self, null: f64, scale: f64) -> f64 {
        if self.count < 2 {
            return 1.0;
        }
        let count = self.count as f64;
        let widened = 1.0 + count * scale;
        let off = self.mean - null;
        // t^2 / nu. Without any spread it is infinite, unless the mean is the hypothesis.
        let ratio = match off == 0.0 {
            true => 0.0,
            false => count * off * off / self.squares,
        };
        let gain = match ratio.is_finite() {
            true => ratio.ln_1p() - (ratio / widened).ln_1p(),
            false => widened.ln(),
        };
        (0.5 * (count * gain - widened.ln())).exp()
    }

    /// The half-width of the confidence sequence with the confidence 1 - `level`; none while it is the whole line.
    /// `scale` is that of [`Self::e_value`].
    pub fn half_width(&self, scale: f64, level: f64) -> Option<f64> {
        if self.count < 2 {
            return None;
        }
        let count = self.count as f64;
        let widened = 1.0 + count * scale;
        let bound = (widened.sqrt() / level).powf(2.0 / count);
        let ratio = (bound - 1.0) / (1.0 - bound / widened);
        (bound < widened).then(|| (ratio * self.squares / count).sqrt())
    }

    /// The bounds of the confidence sequence, as for [`Self::half_width`].
    pub fn sequence(&self, scale: f64, level: f64) -> Option<(f64, f64)> {
        let reach = self.half_width(scale, level)?;
        Some((self.mean - reach, self.mean + reach))
    }
}

/// The p-value of an e-value, which is valid at any time at which one stops: `$\min(1, 1/E)$`.
pub fn p_of(e: f64) -> f64 {
    (1.0 / e).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::statistics::LEVEL;
    use proptest::prelude::*;

    /// The summary of n differences with this mean and sample deviation.
    fn paired(count: usize, mean: f64, deviation: f64) -> Paired {
        let squares = deviation * deviation * (count - 1) as f64;
        Paired {
            count,
            mean,
            squares,
        }
    }

    /// n, m, s, E and the confidence sequence at g = 1, computed with NumPy.
    type Known = (usize, f64, f64, f64, Option<(f64, f64)>);
    const KNOWN: [Known; 7] = [
        (2, 1.0, 1.0, 1.0392304845413265, None),
        (3, 1.1, 0.6, 2.1848538631123056, None),
        (5, 1.0, 1.0, 1.9315848018702138, Some((-2.780380, 4.780380))),
        (8, 1.0, 1.0, 4.35692841414151, Some((-0.502918, 2.502918))),
        (
            12,
            1.0,
            1.0,
            14.291087055295213,
            Some((-0.063477, 2.063477)),
        ),
        (
            12,
            0.13,
            1.9,
            0.2852848486544048,
            Some((-1.890607, 2.150607)),
        ),
        (
            24,
            0.5,
            1.2,
            1.3523952771936878,
            Some((-0.328148, 1.328148)),
        ),
    ];

    #[test]
    fn e_values_and_sequences_are_the_known_ones() {
        for (count, mean, deviation, e, interval) in KNOWN {
            let paired = paired(count, mean, deviation);
            let found = paired.e_value(0.0, 1.0);
            assert!((found - e).abs() < 1e-12, "n = {count}: {found}, not {e}");
            let found = paired.sequence(1.0, LEVEL);
            assert_eq!(found.is_some(), interval.is_some(), "n = {count}");
            if let (Some((low, high)), Some((known_low, known_high))) = (found, interval) {
                let near = |one: f64, other: f64| (one - other).abs() < 5.1e-7;
                assert!(
                    near(low, known_low) && near(high, known_high),
                    "n = {count}: [{low}, {high}]"
                );
            }
        }
    }

    #[test]
    fn equal_differences_have_the_largest_e_value_and_zeros_the_smallest() {
        for (count, largest) in [(2, 3f64.sqrt()), (3, 4.0), (5, 36.0), (8, 2187.0)] {
            let equal = Paired::of(&vec![0.25; count]).unwrap();
            let found = equal.e_value(0.0, 1.0);
            assert!((found / largest - 1.0).abs() < 1e-12, "{found}");
            let zeros = Paired::of(&vec![0.0; count]).unwrap();
            let smallest = (1.0 + count as f64).powf(-0.5);
            assert!((zeros.e_value(0.0, 1.0) - smallest).abs() < 1e-15);
        }
        let equal = Paired::of(&[0.25; 5]).unwrap();
        assert_eq!(equal.sequence(1.0, LEVEL), Some((0.25, 0.25)));
        assert_eq!(Paired::of(&[0.25; 4]).unwrap().sequence(1.0, LEVEL), None);
    }

    #[test]
    fn one_difference_says_nothing_and_absurd_ones_are_refused() {
        let one = Paired::of(&[3.0]).unwrap();
        assert_eq!(
            (one.e_value(0.0, 1.0), one.sequence(1.0, LEVEL)),
            (1.0, None)
        );
        assert_eq!(Paired::of(&[]), None);
        assert_eq!(Paired::of(&[1e300, -1e300]), None);
        assert_eq!(
            (p_of(0.5), p_of(4.0), p_of(f64::INFINITY)),
            (1.0, 0.25, 0.0)
        );
    }

    /// The expectation of E under the hypothesis is 1: the integral of `E` over the distribution of t. At n = 2, t is
    /// Cauchy, and `$t = \tan(\pi (u - 1/2))$` for a uniform u.
    #[test]
    fn the_mean_e_value_without_an_effect_is_1() {
        let steps = 1_000_000;
        let of = |step: usize| {
            let u = (step as f64 + 0.5) / f64::from(steps);
            let t = (std::f64::consts::PI * (u - 0.5)).tan();
            // m = t and s = sqrt 2, so that sqrt(n) m / s = t.
            paired(2, t, 2f64.sqrt()).e_value(0.0, 1.0)
        };
        let mean = (0..steps as usize).map(of).sum::<f64>() / f64::from(steps);
        assert!((mean - 1.0).abs() < 1e-4, "{mean}");
    }

    proptest! {
        #[test]
        fn scaling_and_reversing_all_differences_changes_no_e_value(
            differences in prop::collection::vec(-5.0f64..5.0, 2..30),
            factor in 0.01f64..100.0,
        ) {
            let e = |factor: f64| {
                let scaled: Vec<f64> = differences.iter().map(|one| factor * one).collect();
                Paired::of(&scaled).unwrap().e_value(0.0, 1.0)
            };
            let own = e(1.0);
            prop_assert!((e(factor) / own - 1.0).abs() < 1e-9);
            prop_assert!((e(-1.0) / own - 1.0).abs() < 1e-12);
        }

        #[test]
        fn the_sequence_ends_where_the_e_value_reaches_the_level(
            differences in prop::collection::vec(-5.0f64..5.0, 5..40),
            scale in 0.3f64..3.0,
        ) {
            let paired = Paired::of(&differences).unwrap();
            if let Some((low, high)) = paired.sequence(scale, LEVEL) {
                prop_assert!(low <= paired.mean && paired.mean <= high);
                for bound in [low, high] {
                    let e = paired.e_value(bound, scale);
                    prop_assert!((e * LEVEL - 1.0).abs() < 1e-6, "E = {e} at the bound {bound}");
                }
                let width = high - low;
                prop_assert!(paired.e_value(low + 0.01 * width, scale) * LEVEL < 1.0);
                prop_assert!(paired.e_value(low - 0.01 * width, scale) * LEVEL > 1.0);
            } else {
                let most = (1.0 + differences.len() as f64 * scale).powf((differences.len() - 1) as f64 / 2.0);
                prop_assert!(most <= 1.0 / LEVEL * (1.0 + 1e-9));
            }
        }

        #[test]
        fn differences_that_come_one_by_one_have_the_same_summary(
            differences in prop::collection::vec(-5.0f64..5.0, 1..30),
        ) {
            let mut grown = Paired::default();
            differences.iter().for_each(|one| grown.push(*one));
            let whole = Paired::of(&differences).unwrap();
            prop_assert_eq!(grown.count, whole.count);
            prop_assert!((grown.mean - whole.mean).abs() < 1e-12);
            prop_assert!((grown.squares - whole.squares).abs() < 1e-9);
        }
    }

    /// At the same deviation, a hundred times as many differences have a tenth of the width, but for a logarithm: the
    /// width times the root of n grows slowly.
    #[test]
    fn the_sequence_shrinks_as_the_root_of_the_number() {
        let width = |count: usize| paired(count, 0.3, 1.2).half_width(1.0, LEVEL).unwrap();
        let rooted = |count: usize| width(count) * (count as f64).sqrt();
        assert!(width(5) > width(6) && width(24) > width(40));
        let growth = rooted(10_000) / rooted(100);
        assert!((1.0..1.5).contains(&growth), "{growth}");
        // The half-widths that the documentation names.
        assert!((width(24) - 0.83).abs() < 0.005, "{}", width(24));
        let of = |count, deviation| {
            paired(count, 0.0, deviation)
                .half_width(1.0, LEVEL)
                .unwrap()
        };
        assert!((of(24, 0.84) - 0.58).abs() < 0.005 && (of(40, 0.84) - 0.44).abs() < 0.005);
    }
}
