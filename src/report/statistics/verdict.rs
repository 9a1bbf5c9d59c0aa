//! The verdicts on the rows of a table, judged together.

use super::holm::holm;
use super::{Difference, LEVEL};
use crate::metrics::Verdict;

/// A difference, judged together with the others of its table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct JudgedDifference {
    /// The difference itself.
    pub difference: Difference,
    /// Its p, adjusted by Holm over the differences of the table; none for a single pair.
    pub adjusted: Option<f64>,
    /// What a table of seeds until decided goes by; none if the number of seeds was fixed beforehand.
    pub sequential: Option<Sequential>,
    /// The verdict.
    pub verdict: Verdict,
}

/// The evidence of a difference that may be looked at after every seed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sequential {
    /// The e-value against no difference.
    pub e: f64,
    /// The bounds of the 95 % confidence sequence; none while it is the whole line.
    pub sequence: Option<(f64, f64)>,
    /// The p that is valid whenever one stops, adjusted by Holm over all compared rows of the table.
    pub adjusted: f64,
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
                sequential: None,
                verdict,
            }
        })
        .collect()
}
