//! The result of a row in one sentence.

use super::choice::Row;
use super::classes::ClassScore;
use super::evidence::Evidence;
use super::reason::Case;
use super::trial::KeptTrial;
use super::twin::Twin;
use crate::report::IDENTICAL;
use crate::report::statistics::{JudgedDifference, Verdict};

/// A row with what is known about its result.
pub struct Finding<'a> {
    /// The row.
    pub row: Row<'a>,
    /// Its trials, whether or not they have ended.
    pub chosen: &'a [KeptTrial<'a>],
    /// Those of them that finished here and in the reference; all of them if none did.
    pub own: &'a Evidence<'a>,
    /// The same trials of the reference.
    pub other: Option<&'a Evidence<'a>>,
    /// The difference with its verdict.
    pub judged: Option<&'a JudgedDifference>,
    /// The metric of the table.
    pub metric: &'a str,
    /// The classes, sorted by their difference.
    pub classes: &'a [ClassScore],
}

impl Finding<'_> {
    /// The largest reason for the result of the row.
    pub fn sentence(&self) -> String {
        let Some(value) = self.own.metric(self.metric) else {
            let failed = self.chosen.iter().any(|trial| trial.failure().is_some());
            return match failed {
                true => "The row has no result, because its trials failed.".into(),
                false => "The row has no result yet.".into(),
            };
        };
        let metric = self.metric;
        let Some(other) = self.other else {
            let is_reference =
                self.row.table.reference_of(self.row.row) == Some(&self.row.row.label);
            return match is_reference {
                true => {
                    format!("{metric} is {value:.2}. The other rows are compared with this one.")
                }
                false => format!("{metric} is {value:.2}. Its sweep compares no rows."),
            };
        };
        let label = other.label;
        if self
            .judged
            .is_some_and(|judged| judged.verdict == Verdict::Identical)
        {
            return match Twin::of(&self.own.trials, &other.trials) {
                Twin::Shared => format!(
                    "{IDENTICAL}. The row and `{label}` share their trainings ({metric} {value:.2})."
                ),
                Twin::SameBytes => format!(
                    "{IDENTICAL}. Its journals have the same bytes as those of `{label}`, and its weights the same values \
                     ({metric} {value:.2})."
                ),
                Twin::SameResult => format!(
                    "{IDENTICAL} on the result. Readings of the trainings differ, but the row ends with the weights of \
                     `{label}` ({metric} {value:.2})."
                ),
                Twin::Different => format!(
                    "{metric} is {value:.2}, to the last digit that of `{label}`, but the trainings differ."
                ),
            };
        }
        let case = Case {
            metric,
            own: self.own,
            other,
            judged: self.judged,
            classes: self.classes,
        };
        let none =
            || format!("{metric} is {value:.2}. `{label}` has no result to compare it with.");
        case.sentence().unwrap_or_else(none)
    }
}
