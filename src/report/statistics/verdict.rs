//! The verdicts on the rows of a table, judged together.

use super::Difference;
use super::holm::holm;
use std::fmt;

/// The accepted probability of any false verdict in a table.
const LEVEL: f64 = 0.05;

/// The effect of the row on the metric, compared with another row. If a row without a module hurts, the
/// module helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The Holm-adjusted p is below 0.05 and the difference is above 0.
    Helps,
    /// The Holm-adjusted p is below 0.05 and the difference is below 0.
    Hurts,
    /// Everything else, including a single seed.
    Inconclusive,
    /// The two rows have the same numbers to the last digit, so nothing was compared. Only a table knows this:
    /// [`judge`] sees the differences of one metric and never gives this verdict.
    Identical,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Helps => "helps",
            Self::Hurts => "hurts",
            Self::Inconclusive => "inconclusive",
            Self::Identical => "identical",
        })
    }
}

/// A difference, judged together with the others of its table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct JudgedDifference {
    /// The difference itself.
    pub difference: Difference,
    /// Its p, adjusted by Holm over the differences of the table; none for a single pair.
    pub adjusted: Option<f64>,
    /// The verdict.
    pub verdict: Verdict,
}

/// Judges the differences of one table. The family of Holm's correction consists of the differences with a p,
/// which have at least two pairs.
pub fn judge(differences: &[Difference]) -> Vec<JudgedDifference> {
    let family: Vec<f64> = differences.iter().filter_map(|one| one.p).collect();
    let mut adjusted = holm(&family).into_iter();
    differences
        .iter()
        .map(|&difference| {
            let adjusted = difference.p.and_then(|_| adjusted.next());
            let verdict = match adjusted.is_some_and(|p| p < LEVEL) {
                true if difference.mean > 0.0 => Verdict::Helps,
                true if difference.mean < 0.0 => Verdict::Hurts,
                _ => Verdict::Inconclusive,
            };
            JudgedDifference {
                difference,
                adjusted,
                verdict,
            }
        })
        .collect()
}
