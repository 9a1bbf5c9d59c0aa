//! The paired difference of two variants over their common seeds.
//!
//! $$ \bar d \pm t_{n-1,\,0.975}\, \frac{s_d}{\sqrt n}, \qquad d_i = x_i - y_i $$
//!
//! Paired, because the spread between seeds (another labelled split each) exceeds the effects.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// Two-sided confidence of the interval.
const CONFIDENCE: f64 = 0.95;

/// A mean difference and its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// Mean of the differences.
    pub mean: f64,
    /// 95 % interval; none for a single pair.
    pub interval: Option<(f64, f64)>,
}

/// The mean of `differences`, one per seed, with Student's interval; none without any.
pub fn paired_difference(differences: &[f64]) -> Option<Difference> {
    let mean = mean(differences)?;
    let interval = sample_deviation(differences).and_then(|deviation| {
        let count = differences.len() as f64;
        let student = StudentsT::new(0.0, 1.0, count - 1.0).ok()?;
        let reach = student.inverse_cdf(0.5 + CONFIDENCE / 2.0) * deviation / count.sqrt();
        Some((mean - reach, mean + reach))
    });
    Some(Difference { mean, interval })
}

/// The mean; none of nothing.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The sample standard deviation (n - 1); none of fewer than two.
pub fn sample_deviation(values: &[f64]) -> Option<f64> {
    let centre = mean(values).filter(|_| values.len() >= 2)?;
    let squares: f64 = values.iter().map(|value| (value - centre).powi(2)).sum();
    Some((squares / (values.len() - 1) as f64).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Student's original sleep data (Biometrika 1908): extra hours of sleep, ten patients. R's `t.test(..., paired = TRUE)`
    /// gives mean 1.58 and the interval [0.7001142, 2.4598858].
    #[test]
    fn the_interval_is_that_of_students_sleep_data() {
        let first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0];
        let second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4];
        let differences: Vec<f64> = second.iter().zip(first).map(|(x, y)| x - y).collect();
        let found = paired_difference(&differences).unwrap();
        let (low, high) = found.interval.unwrap();
        assert!((found.mean - 1.58).abs() < 1e-12);
        assert!(
            (low - 0.7001142).abs() < 1e-6 && (high - 2.4598858).abs() < 1e-6,
            "[{low}, {high}]"
        );
    }

    #[test]
    fn few_values() {
        assert_eq!(paired_difference(&[]), None);
        assert_eq!(
            paired_difference(&[2.0]),
            Some(Difference {
                mean: 2.0,
                interval: None
            })
        );
        assert_eq!(
            paired_difference(&[2.0, 2.0]),
            Some(Difference {
                mean: 2.0,
                interval: Some((2.0, 2.0))
            })
        );
        assert_eq!(sample_deviation(&[1.0, 3.0]), Some(2f64.sqrt()));
    }
}
