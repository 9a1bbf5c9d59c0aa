//! The statistics of a table. This module knows numbers only, neither records nor rows.
//!
//! It is checked against SciPy and statsmodels (`tests/golden/paired_statistics.py`) and, in `tests`, on
//! distributions with a known answer.

mod bootstrap;
mod e_value;
mod holm;
mod kendall;
mod paired;
mod power;
#[cfg(test)]
mod tests;
mod until_decided;
mod verdict;

pub use crate::metrics::Verdict;
pub use bootstrap::{Bootstrap, DRAWN, EXACT_UP_TO};
pub use e_value::{Paired, p_of};
pub use holm::holm;
pub use kendall::{Kendall, kendall};
pub use paired::{Difference, paired_difference};
pub use power::{Expected, fixed_number, from_here, power, until_decided};
pub use until_decided::{Compared, Decision, Seed, Standing, State};
pub use verdict::{JudgedDifference, Sequential, judge};

/// Two-sided confidence of every interval.
pub const CONFIDENCE: f64 = 0.95;

/// The accepted probability of any false verdict in a table.
pub const LEVEL: f64 = 0.05;

/// The mean; none if there are no values.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The sample standard deviation (n - 1); none for fewer than two values.
pub fn sample_deviation(values: &[f64]) -> Option<f64> {
    let centre = mean(values).filter(|_| values.len() >= 2)?;
    let squares: f64 = values.iter().map(|value| (value - centre).powi(2)).sum();
    Some((squares / (values.len() - 1) as f64).sqrt())
}
