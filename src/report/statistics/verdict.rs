//! What a row's differences allow to say, all rows of a table taken together.

use super::Difference;
use super::holm::holm;
use std::fmt;

/// The chance of any false verdict in a table that is taken.
const LEVEL: f64 = 0.05;

/// What the row does to the metric against the row it is compared with. A row that takes a module out and hurts says that the
/// module helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Holm-adjusted p below 0.05 and a difference above 0.
    Helps,
    /// Holm-adjusted p below 0.05 and a difference below 0.
    Hurts,
    /// Everything else, a single seed included.
    Inconclusive,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Helps => "helps",
            Self::Hurts => "hurts",
            Self::Inconclusive => "inconclusive",
        })
    }
}

/// A difference, seen beside the others of its table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judged {
    /// The difference itself.
    pub difference: Difference,
    /// Its p, adjusted by Holm over the differences of the table; none for a single pair.
    pub adjusted: Option<f64>,
    /// What it allows to say.
    pub verdict: Verdict,
}

/// Judges the differences of one table. The family of Holm's correction are those with a p: of at least two pairs.
pub fn judge(differences: &[Difference]) -> Vec<Judged> {
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
            Judged {
                difference,
                adjusted,
                verdict,
            }
        })
        .collect()
}
