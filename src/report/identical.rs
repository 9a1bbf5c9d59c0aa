//! Tells rows whose trainings were the same: their setting never acted.
//!
//! The records decide, because they are what every table has. Two trials count as identical if each metric of
//! each of their models (the reported one, the student, the average) is equal to the last digit, and at least one
//! metric lies between 0 and 100. Numbers that are all 0 or all 100 say nothing: two different networks that find
//! nothing have them too.

use super::metric::finished;
use super::record::Record;
use super::statistics::{JudgedDifference, Verdict};
use crate::metrics::Metrics;

/// The words for a row whose training was that of the row that it is compared with.
pub const IDENTICAL: &str = "identical: the setting never acted";

/// Returns true if two finished trials have the same numbers, and these say that the trainings were the same.
pub(super) fn same(one: &Record, other: &Record) -> bool {
    let models = |record: &Record| {
        let Record {
            metrics,
            student,
            average,
            ..
        } = record;
        [metrics.clone(), student.clone(), average.clone()]
    };
    let (ones, others) = (models(one), models(other));
    let all = || ones.iter().flatten().flat_map(Metrics::iter);
    let measured = all().any(|(_, value)| value.is_some_and(|value| value > 0.0 && value < 100.0));
    ones == others && (measured || one.hash == other.hash)
}

/// Returns true if all `pairs` of trials, one for each seed, are identical as far as both succeeded, and at
/// least one pair did.
pub(super) fn all_same<'a>(
    pairs: impl Iterator<Item = (Option<&'a Record>, Option<&'a Record>)>,
) -> bool {
    let mut done = pairs
        .filter_map(|(one, other)| one.zip(other))
        .filter(|(one, other)| finished(one).is_some() && finished(other).is_some())
        .peekable();
    done.peek().is_some() && done.all(|(one, other)| same(one, other))
}

/// Replaces the verdict on a row that was identical to the one that it is compared with.
pub(super) fn mark(judged: &mut Option<JudgedDifference>, identical: bool) {
    if let Some(judged) = judged.as_mut().filter(|_| identical) {
        judged.verdict = Verdict::Identical;
    }
}

/// Returns true if any of the verdicts is that of an identical row.
pub(super) fn any<'a>(mut judged: impl Iterator<Item = Option<&'a JudgedDifference>>) -> bool {
    judged.any(|judged| judged.is_some_and(|judged| judged.verdict == Verdict::Identical))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::TrialStatus;

    fn record(hash: &str, values: [f64; 2]) -> Record {
        let metrics: Metrics = ["mAP", "AP50"].into_iter().zip(values.map(Some)).collect();
        Record {
            recipe: "r".into(),
            hash: hash.into(),
            label: "l".into(),
            seed: 0,
            steps: 9,
            status: TrialStatus::Ok,
            error: None,
            metrics: Some(metrics),
            student: None,
            average: None,
            commits: None,
            device: None,
            code_version: 1,
            findings: Vec::new(),
            split: None,
        }
    }

    #[test]
    fn equal_numbers_are_identical_unless_they_say_nothing() {
        let one = record("a", [1.1516207028672505, 2.0]);
        assert!(same(&one, &record("b", [1.1516207028672505, 2.0])));
        assert!(!same(&one, &record("b", [1.1516207028672507, 2.0])));
        let student = Record {
            student: record("b", [3.0, 4.0]).metrics,
            ..one.clone()
        };
        assert!(!same(&one, &student), "the students differ");
        let nothing = record("a", [0.0, 0.0]);
        assert!(
            !same(&nothing, &record("b", [0.0, 0.0])),
            "both found nothing"
        );
        assert!(same(&nothing, &nothing), "the same trial");
        let failed = Record {
            status: TrialStatus::Failed,
            ..one.clone()
        };
        assert!(!all_same([(Some(&failed), Some(&one))].into_iter()));
        let pairs = [(Some(&failed), Some(&one)), (Some(&one), Some(&one))];
        assert!(all_same(pairs.into_iter()), "a failed seed says nothing");
    }

    #[test]
    fn every_seed_that_both_finished_has_to_be_the_same() {
        let (one, twin, other) = (
            record("a", [1.5, 2.0]),
            record("b", [1.5, 2.0]),
            record("c", [1.5, 2.5]),
        );
        let pair = (Some(&one), Some(&twin));
        assert!(all_same([pair, (Some(&other), None)].into_iter()));
        assert!(!all_same([pair, (Some(&one), Some(&other))].into_iter()));
        assert!(!all_same([(None, Some(&one))].into_iter()), "no pair");
    }
}
