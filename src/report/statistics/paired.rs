//! The paired difference of two variants over their common seeds.
//!
//! `$$ \bar d \pm t_{n-1,\,0.975}\, \frac{s_d}{\sqrt n}, \qquad t = \frac{\bar d}{s_d / \sqrt n}, \qquad
//! d_i = x_i - y_i $$`
//!
//! The differences are paired because the spread between seeds (each with another labelled split) exceeds the
//! effects. Student's interval and test assume normal differences. The bootstrap's interval does not, but it
//! is unreliable for few seeds (see `bootstrap`).

use super::{Bootstrap, CONFIDENCE, mean, sample_deviation};
use statrs::distribution::{ContinuousCDF, StudentsT};

/// A mean difference, its intervals and its test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// The mean of the differences.
    pub mean: f64,
    /// The number of seeds that both sides finished.
    pub pairs: usize,
    /// Student's 95 % interval; none for a single pair.
    pub interval: Option<(f64, f64)>,
    /// The 95 % interval of the percentile bootstrap; none for a single pair.
    pub bootstrap: Option<(f64, f64)>,
    /// Two-sided p of Student's paired test; none for a single pair. If all differences are equal, p is 0, or
    /// 1 if they are 0.
    pub p: Option<f64>,
}

/// The statistics of `differences`, one per seed; none if there are no differences. Numbers too large to be
/// squared have a mean only.
pub fn paired_difference(differences: &[f64], bootstrap: &mut Bootstrap) -> Option<Difference> {
    let student = student(differences);
    Some(Difference {
        mean: mean(differences)?,
        pairs: differences.len(),
        interval: student.map(|(interval, _)| interval),
        bootstrap: student.map(|_| bootstrap.interval(differences)),
        p: student.map(|(_, p)| p),
    })
}

/// Student's interval and two-sided p; none for fewer than two differences.
pub(super) fn student(differences: &[f64]) -> Option<((f64, f64), f64)> {
    let count = differences.len() as f64;
    let mean = mean(differences)?;
    let error = sample_deviation(differences)? / count.sqrt();
    let student = StudentsT::new(0.0, 1.0, count - 1.0).ok()?;
    let reach = student.inverse_cdf(0.5 + CONFIDENCE / 2.0) * error;
    let p = match mean == 0.0 {
        true => 1.0,
        false => 2.0 * student.sf((mean / error).abs()),
    };
    reach
        .is_finite()
        .then_some(((mean - reach, mean + reach), p))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Student's original sleep data (Biometrika 1908): extra hours of sleep of ten patients. R's
    /// `t.test(..., paired = TRUE)` gives mean 1.58, the interval [0.7001142, 2.4598858] and p = 0.002833.
    #[test]
    fn the_interval_is_that_of_students_sleep_data() {
        let first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0];
        let second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4];
        let differences: Vec<f64> = second.iter().zip(first).map(|(x, y)| x - y).collect();
        let found = paired_difference(&differences, &mut Bootstrap::default()).unwrap();
        let (low, high) = found.interval.unwrap();
        assert!((found.mean - 1.58).abs() < 1e-12);
        assert!(
            (low - 0.7001142).abs() < 1e-6 && (high - 2.4598858).abs() < 1e-6,
            "[{low}, {high}]"
        );
        assert!((found.p.unwrap() - 0.002833).abs() < 5e-7);
    }

    #[test]
    fn few_or_equal_values() {
        let of = |differences: &[f64]| paired_difference(differences, &mut Bootstrap::default());
        let known = |mean, pairs, interval, p| {
            Some(Difference {
                mean,
                pairs,
                interval,
                bootstrap: interval,
                p,
            })
        };
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[2.0]), known(2.0, 1, None, None));
        assert_eq!(of(&[2.0, 2.0]), known(2.0, 2, Some((2.0, 2.0)), Some(0.0)));
        assert_eq!(of(&[0.0, 0.0]), known(0.0, 2, Some((0.0, 0.0)), Some(1.0)));
        assert_eq!(of(&[1e300, -1e300]), known(0.0, 2, None, None));
        assert_eq!(sample_deviation(&[1.0, 3.0]), Some(2f64.sqrt()));
    }
}
