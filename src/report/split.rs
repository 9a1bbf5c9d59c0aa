//! The split of a trial: which images had labels, in numbers and as a hash.

use crate::screen::counted;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The split of a trial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitRecord {
    /// The rule or the list, and the seed, in words.
    pub origin: String,
    /// The SHA-256 of the indices of the chosen images.
    pub sha256: String,
    /// The number of training images.
    pub training_images: usize,
    /// The number of images that the rule or the list chose.
    pub chosen: usize,
    /// The number of those that have an object: the images that a training learns from.
    pub labelled: usize,
    /// The number of images that a teacher labels.
    pub unlabelled: usize,
    /// The classes in the order of the dataset, each with the number of its objects in the labelled images.
    pub instances: Vec<(String, usize)>,
}

impl SplitRecord {
    /// The number of labelled images in words, with their true share.
    pub fn labelled_words(&self) -> String {
        labelled_words(self.chosen, self.labelled, self.training_images)
    }
}

/// The number of `chosen` labelled images of `all` in words, with their true share. `labelled` of them have an object.
pub fn labelled_words(chosen: usize, labelled: usize, all: usize) -> String {
    let share = match chosen == all {
        true => "all of them".to_string(),
        false => percent(chosen, all),
    };
    let empty = match chosen - labelled.min(chosen) {
        0 => String::new(),
        empty => format!(", {empty} of them without an object"),
    };
    format!("{chosen} of {all} training images labelled ({share}){empty}")
}

/// `part` of `all` in percent, with more decimals for small shares: `9.95 %`, `0.099 %`.
fn percent(part: usize, all: usize) -> String {
    let share = 100.0 * part as f64 / all as f64;
    let decimals = match share {
        10.0.. => 1,
        1.0.. => 2,
        _ => 4,
    };
    let text = format!("{share:.decimals$}");
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

/// A split of a table, with the trials that have it.
struct Found<'a> {
    split: SplitRecord,
    /// The different numbers of unlabelled images.
    unlabelled: BTreeSet<usize>,
    rows: Vec<&'a str>,
    seeds: BTreeSet<u64>,
}

/// The lines about the splits of trials for the head of a table: two for each different one. `splits` has the label of
/// the row, the seed and the split of each trial, as far as its record tells it.
pub(super) fn lines<'a>(
    splits: impl Iterator<Item = (&'a str, u64, Option<&'a SplitRecord>)>,
) -> Vec<String> {
    let mut found: Vec<Found> = Vec::new();
    let mut untold = false;
    for (row, seed, split) in splits {
        let Some(split) = split else {
            untold = true;
            continue;
        };
        let is_same = |other: &&mut Found| {
            let unlabelled = other.split.unlabelled;
            let split = split.clone();
            other.split
                == SplitRecord {
                    unlabelled,
                    ..split
                }
        };
        match found.iter_mut().find(is_same) {
            Some(other) => {
                other.unlabelled.insert(split.unlabelled);
                other.seeds.insert(seed);
                if !other.rows.contains(&row) {
                    other.rows.push(row);
                }
            }
            None => found.push(Found {
                split: split.clone(),
                unlabelled: BTreeSet::from([split.unlabelled]),
                rows: vec![row],
                seeds: BTreeSet::from([seed]),
            }),
        }
    }
    let every: BTreeSet<u64> = found.iter().flat_map(|one| &one.seeds).copied().collect();
    let differ = every.iter().any(|seed| {
        let of_seed = found.iter().filter(|one| one.seeds.contains(seed));
        of_seed.count() > 1
    });
    let mut lines: Vec<String> = found
        .iter()
        .flat_map(|one| one.lines(&every, differ || untold))
        .collect();
    if differ {
        lines.push(
            "Rows of this table have different labelled images: a difference between such rows is not that of their \
             methods alone."
                .to_string(),
        );
    }
    lines
}

impl Found<'_> {
    /// The two lines of the split. `every` are the seeds of the table; `named` is true if the rows are to be named.
    fn lines(&self, every: &BTreeSet<u64>, named: bool) -> [String; 2] {
        let Self {
            split, rows, seeds, ..
        } = self;
        let mut of = Vec::new();
        if named {
            let labels: Vec<String> = rows.iter().map(|row| format!("`{row}`")).collect();
            of.push(labels.join(", "));
        }
        if every.len() > 1 {
            let numbers: Vec<String> = seeds.iter().map(u64::to_string).collect();
            of.push(match seeds.len() {
                count if count == every.len() => "every seed".to_string(),
                1 => format!("seed {}", numbers[0]),
                _ => format!("seeds {}", numbers.join(", ")),
            });
        }
        let of = match of.is_empty() {
            true => String::new(),
            false => format!(" of {}", of.join(", ")),
        };
        // A supervised trial has no use for unlabelled images.
        let used = self.unlabelled.iter().filter(|count| **count > 0);
        let unlabelled: Vec<String> = used.map(usize::to_string).collect();
        let unlabelled = match unlabelled.is_empty() {
            true => "0".to_string(),
            false => unlabelled.join(" or "),
        };
        let instances = split.instances.iter();
        let all: usize = instances.clone().map(|(_, count)| count).sum();
        let instances: Vec<String> = instances
            .map(|(class, count)| format!("`{class}` {count}"))
            .collect();
        [
            format!(
                "Split{of}: {}; {}, {unlabelled} unlabelled; SHA-256 {}",
                split.origin,
                split.labelled_words(),
                split.sha256
            ),
            format!(
                "Labelled instances{of}: {}: {}",
                counted(all, "object"),
                instances.join(", ")
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Record;
    use crate::report::tests::record;

    fn split(sha256: &str, unlabelled: usize) -> SplitRecord {
        SplitRecord {
            origin: "rule `numpy`, the trial's seed".into(),
            sha256: sha256.into(),
            training_images: 118_287,
            chosen: 1182,
            labelled: 1170,
            unlabelled,
            instances: vec![("person".into(), 2500), ("toaster".into(), 1)],
        }
    }

    fn with(seed: u64, split: Option<SplitRecord>) -> Record {
        Record {
            split,
            ..record("hash", seed, Some(20.0))
        }
    }

    #[test]
    fn the_same_split_of_all_seeds_is_told_once() {
        let told = lines(
            [
                ("supervised", 0, Some(&split("ab", 0))),
                ("method", 1, Some(&split("ab", 117_105))),
            ]
            .into_iter(),
        );
        assert_eq!(
            told,
            [
                "Split of every seed: rule `numpy`, the trial's seed; 1182 of 118287 training images labelled (0.9993 %), \
                 12 of them without an object, 117105 unlabelled; SHA-256 ab",
                "Labelled instances of every seed: 2501 objects: `person` 2500, `toaster` 1"
            ]
        );
        let one = lines([("method", 7, Some(&split("ab", 9)))].into_iter());
        assert!(one[0].starts_with("Split: rule"), "{one:?}");
    }

    #[test]
    fn splits_that_the_seeds_vary_are_told_each() {
        let told = lines(
            [
                ("method", 0, Some(&split("ab", 9))),
                ("method", 1, Some(&split("cd", 9))),
                ("method", 2, Some(&split("ab", 9))),
            ]
            .into_iter(),
        );
        assert_eq!(told.len(), 4);
        assert!(told[0].starts_with("Split of seeds 0, 2: "));
        assert!(told[2].starts_with("Split of seed 1: "));
        assert_eq!(lines([].into_iter()), [""; 0]);
    }

    #[test]
    fn rows_with_different_splits_are_named() {
        let told = lines(
            [
                ("nb", 0, Some(&split("ab", 9))),
                ("stac", 0, Some(&split("cd", 9))),
                ("ours", 0, Some(&split("ab", 9))),
            ]
            .into_iter(),
        );
        assert_eq!(told.len(), 5);
        assert!(told[0].starts_with("Split of `nb`, `ours`: "), "{told:?}");
        assert!(told[2].starts_with("Split of `stac`: "), "{told:?}");
        assert!(told[4].starts_with("Rows of this table have different labelled images"));
    }

    #[test]
    fn a_split_that_only_some_rows_tell_is_named_by_them() {
        let told = lines([("plain", 0, None), ("all", 0, Some(&split("ab", 9)))].into_iter());
        assert_eq!(told.len(), 2);
        assert!(told[0].starts_with("Split of `all`: "), "{told:?}");
    }

    #[test]
    fn different_numbers_of_unlabelled_images_are_told_both() {
        let told = lines(
            [
                ("rest", 0, Some(&split("ab", 30))),
                ("all", 0, Some(&split("ab", 40))),
                ("supervised", 0, Some(&split("ab", 0))),
            ]
            .into_iter(),
        );
        assert_eq!(told.len(), 2);
        assert!(told[0].contains(", 30 or 40 unlabelled; "), "{told:?}");
    }

    #[test]
    fn a_record_without_a_split_has_the_bytes_that_it_always_had() {
        let plain = serde_json::to_string(&with(0, None)).unwrap();
        assert!(!plain.contains("split"), "{plain}");
        let whole = with(0, Some(split("ab", 9)));
        let text = serde_json::to_string(&whole).unwrap();
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), whole);
    }

    #[test]
    fn shares_are_true_numbers() {
        assert_eq!(
            labelled_words(11_285, 11_285, 118_287),
            "11285 of 118287 training images labelled (9.54 %)"
        );
        assert_eq!(
            labelled_words(4, 3, 4),
            "4 of 4 training images labelled (all of them), 1 of them without an object"
        );
    }
}
