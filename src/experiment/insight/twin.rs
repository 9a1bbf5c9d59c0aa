//! Tells whether two rows were the same training, by the bytes of their journals or the values of their weights.

use super::trial::{KeptStage, KeptTrial};
use crate::train::Checkpoint;

/// What the stores of two rows say about their trainings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Twin {
    /// They share every training: the same settings, or settings that only the evaluation reads.
    Shared,
    /// Every journal has the same bytes, and all weights have the same values.
    SameBytes,
    /// All weights have the same values, or all journals the same bytes, but not both. A setting that changes a
    /// reading, such as a threshold, and no pseudo-label leaves the weights as they are.
    SameResult,
    /// They are different, or there is nothing to compare.
    Different,
}

impl Twin {
    /// Compares the trainings of two rows seed by seed. Seeds without a finished training on both sides are left
    /// out.
    pub fn of(own: &[KeptTrial], other: &[KeptTrial]) -> Self {
        let mut found: Option<Self> = None;
        for one in own {
            let Some(other) = other.iter().find(|other| other.seed == one.seed) else {
                continue;
            };
            match trial(one, other) {
                None => {}
                Some(Self::Different) => return Self::Different,
                Some(Self::Shared) => found = found.or(Some(Self::Shared)),
                Some(Self::SameResult) => found = Some(Self::SameResult),
                Some(Self::SameBytes) if found != Some(Self::SameResult) => {
                    found = Some(Self::SameBytes);
                }
                Some(Self::SameBytes) => {}
            }
        }
        found.unwrap_or(Self::Different)
    }
}

/// Compares two trials; none if either has not trained to its end.
fn trial(one: &KeptTrial, other: &KeptTrial) -> Option<Twin> {
    let (ones, others): (Vec<_>, Vec<_>) = (one.trainings().collect(), other.trainings().collect());
    let done = |stages: &[&KeptStage]| {
        !stages.is_empty() && stages.iter().all(|stage| stage.state.is_done())
    };
    if !done(&ones) || !done(&others) {
        return None;
    }
    if ones.len() != others.len() {
        return Some(Twin::Different);
    }
    let own = ones.iter().zip(&others);
    let own = own.filter(|(one, other)| one.entry.key != other.entry.key);
    let own: Vec<_> = own.collect();
    if own.is_empty() {
        return Some(Twin::Shared);
    }
    let all =
        |same: fn(&KeptStage, &KeptStage) -> bool| own.iter().all(|(one, other)| same(one, other));
    Some(match (all(same_journal), all(same_weights)) {
        (true, true) => Twin::SameBytes,
        (false, false) => Twin::Different,
        _ => Twin::SameResult,
    })
}

/// Returns true if two stages wrote the same journal.
fn same_journal(one: &KeptStage, other: &KeptStage) -> bool {
    let journal = |stage: &KeptStage| std::fs::read(stage.folder.journal()).ok();
    journal(one).is_some_and(|text| Some(text) == journal(other))
}

/// Returns true if two stages wrote the same weights, or the same pseudo-labels.
fn same_weights(one: &KeptStage, other: &KeptStage) -> bool {
    if one.entry.key.labels() && other.entry.key.labels() {
        let labels = |stage: &KeptStage| std::fs::read(stage.folder.labels()).ok();
        return labels(one).is_some_and(|labels_of_one| Some(labels_of_one) == labels(other));
    }
    Checkpoint::same_values(&one.folder.result(), &other.folder.result())
}
