//! What may mislead the reader of a table: rows that were computed by other programs or on other devices, or learned
//! from other pictures, than the row that they are compared with; that lack a metric, whose reference has fewer seeds,
//! or that stopped at different numbers of seeds; verdicts by another metric than that of the sweep; rows that Holm's
//! adjustment does not count. Every table for people says it.

use super::given::RowRecords;
use super::metric::{finished, names};
use super::record::Record;
use super::table::Table;
use crate::screen::counted;
use std::collections::BTreeSet;

/// Number of digits of a commit that are shown.
const SHOWN_DIGITS: usize = 10;

/// The lines about `table`, whose rows have the records `rows` and are compared with `references`; none if nothing
/// misleads.
pub fn of(table: &Table, rows: &[RowRecords], references: &[Option<&RowRecords>]) -> Vec<String> {
    let pairs: Vec<(&RowRecords, &RowRecords)> = rows
        .iter()
        .zip(references)
        .filter_map(|(row, other)| Some((row, (*other)?)))
        .filter(|(row, other)| row.label != other.label)
        .collect();
    let lines = [
        commits(&pairs),
        devices(&pairs),
        splits(&pairs),
        lacking(rows),
        different_seeds(table),
    ];
    let lines = lines.into_iter().flatten();
    let lines = lines.chain(fewer_seeds(table, &pairs));
    lines
        .chain(other_metric(table, rows))
        .chain(not_counted(table))
        .collect()
}

/// The records of a row and of its reference in the seeds that both have.
fn both<'a>(
    (row, other): &(&RowRecords<'a>, &RowRecords<'a>),
) -> impl Iterator<Item = (&'a Record, &'a Record)> {
    let pairs = row.records.clone().into_iter().zip(other.records.clone());
    pairs.filter_map(|(one, other)| one.zip(other))
}

/// The rows that differ from their references, in a seed that both have, in what `of` says of their records; and all
/// that it says of these.
fn differing<'a>(
    pairs: &[(&RowRecords<'a>, &RowRecords<'a>)],
    of: impl Fn(&Record) -> Option<String>,
) -> (Vec<&'a str>, BTreeSet<String>) {
    let (mut rows, mut found) = (Vec::new(), BTreeSet::new());
    for pair in pairs {
        let both = both(pair).filter_map(|(one, other)| Some([of(one)?, of(other)?]));
        let differing: Vec<_> = both.filter(|[one, other]| one != other).collect();
        if !differing.is_empty() {
            rows.push(pair.0.label);
            found.extend(differing.into_iter().flatten());
        }
    }
    (rows, found)
}

/// Rows that were computed on other devices than their references.
fn devices(pairs: &[(&RowRecords, &RowRecords)]) -> Option<String> {
    let (rows, found) = differing(pairs, |record| record.device.clone());
    let found: Vec<String> = found.into_iter().collect();
    (!rows.is_empty()).then(|| {
        format!(
            "{} and the reference were computed, in the same seed, on different devices ({}): a difference may be one of the \
             devices",
            quoted(&rows),
            found.join("; ")
        )
    })
}

/// Rows that programs of other commits computed than their references.
fn commits(pairs: &[(&RowRecords, &RowRecords)]) -> Option<String> {
    let program = |record: &Record| Some(record.commits.as_ref()?.program.clone());
    let (rows, found) = differing(pairs, program);
    let shown = |commit: &String| commit.chars().take(SHOWN_DIGITS).collect::<String>();
    let found: Vec<String> = found.iter().map(shown).collect();
    (!rows.is_empty()).then(|| {
        format!(
            "{} and the reference were computed, in the same seed, by programs of different commits ({}): a difference may \
             be one of the programs",
            quoted(&rows),
            found.join(", ")
        )
    })
}

/// Rows that learned from other labelled pictures than their references.
fn splits(pairs: &[(&RowRecords, &RowRecords)]) -> Option<String> {
    let differs = |(one, other): (&Record, &Record)| {
        let digest = |record: &Record| record.split.as_ref().map(|split| split.sha256.clone());
        finished(one).is_some() && finished(other).is_some() && digest(one) != digest(other)
    };
    let rows = pairs.iter().filter(|pair| both(pair).any(differs));
    let rows: Vec<&str> = rows.map(|(row, _)| row.label).collect();
    (!rows.is_empty()).then(|| {
        format!(
            "{} and the reference had, in the same seed, different splits: a difference may be one of the labelled pictures",
            quoted(&rows)
        )
    })
}

/// The records that a row has.
fn records_of<'a>(row: &RowRecords<'a>) -> impl Iterator<Item = &'a Record> + use<'a> {
    row.records.clone().into_iter().flatten()
}

/// Rows without a metric that other rows have.
fn lacking(rows: &[RowRecords]) -> Option<String> {
    let all = names(rows.iter().flat_map(records_of));
    let (mut missing, mut labels) = (BTreeSet::new(), Vec::new());
    for row in rows {
        let own: Vec<_> = records_of(row).filter_map(finished).collect();
        let lacks = |name: &&String| {
            own.iter()
                .any(|metrics| metrics.iter().all(|(known, _)| known != name.as_str()))
        };
        let without: Vec<&str> = all.iter().filter(lacks).map(String::as_str).collect();
        if !without.is_empty() {
            labels.push(row.label);
            missing.extend(without);
        }
    }
    let missing: Vec<&str> = missing.into_iter().collect();
    let rows = labels;
    let [lack, their] = match rows.len() {
        1 => ["lacks", "its"],
        _ => ["lack", "their"],
    };
    (!rows.is_empty()).then(|| {
        format!(
            "{} {lack} {} in some seed, which other rows have: {their} means are over fewer seeds",
            quoted(&rows),
            quoted(&missing)
        )
    })
}

/// Rows of seeds until decided that have different numbers of seeds.
fn different_seeds(table: &Table) -> Option<String> {
    table.header.until?;
    let seeds = || table.rows.iter().map(|row| row.seeds);
    let (least, most) = (seeds().min()?, seeds().max()?);
    (least < most).then(|| {
        format!(
            "each row stopped at a number of seeds of its own, {least} to {most}: means are over different seeds; compare the \
             differences, which are over common ones"
        )
    })
}

/// References with fewer finished seeds than a row that is compared with them.
fn fewer_seeds(table: &Table, pairs: &[(&RowRecords, &RowRecords)]) -> Vec<String> {
    let seeds = |label: &str| {
        let mut rows = table.rows.iter();
        rows.find(|row| row.label == label)
            .map_or(0, |row| row.seeds)
    };
    let mut lines = Vec::new();
    let references: BTreeSet<&str> = pairs.iter().map(|(_, other)| other.label).collect();
    for label in references {
        let own = seeds(label);
        let more = pairs
            .iter()
            .filter(|(row, other)| other.label == label && seeds(row.label) > own);
        let more: Vec<&str> = more.map(|(row, _)| row.label).collect();
        if own > 0 && !more.is_empty() {
            lines.push(format!(
                "the reference `{label}` has {}, fewer than {}: means are over different seeds, differences over the \
                 common ones",
                counted(own, "finished seed"),
                quoted(&more)
            ));
        }
    }
    lines
}

/// Verdicts by a metric that is not the first of the records.
fn other_metric(table: &Table, rows: &[RowRecords]) -> Option<String> {
    let records = rows.iter().flat_map(|row| row.records.iter().flatten());
    let own = names(records.copied()).swap_remove(0);
    let has_verdicts = table.rows.iter().any(|row| row.judged.is_some());
    let seeds = match table.header.until {
        Some(_) => ", which also decided the numbers of seeds",
        None => "",
    };
    (has_verdicts && own != table.metric).then(|| {
        format!(
            "the verdicts are by {}, and the metric of the sweep is {own}{seeds}: who chooses the metric after a look finds \
             false verdicts more often than in 5 % of all tables",
            table.metric
        )
    })
}

/// Compared rows without a p, which Holm's adjustment does not count. That of seeds until decided counts all.
fn not_counted(table: &Table) -> Option<String> {
    if table.header.until.is_some() {
        return None;
    }
    let compared = table.rows.iter().filter(|row| table.is_compared(row));
    let compared: Vec<_> = compared.collect();
    let without = compared.iter().filter(|row| {
        let adjusted = row.judged.and_then(|judged| judged.adjusted);
        adjusted.is_none()
    });
    let without: Vec<&str> = without.map(|row| row.label.as_str()).collect();
    let [have, they] = match without.len() {
        1 => ["has", "it has"],
        _ => ["have", "they have"],
    };
    (!without.is_empty() && without.len() < compared.len()).then(|| {
        format!(
            "Holm's adjustment counts {} of {} compared rows: {} {have} fewer than two pairs, and a p will be larger when {they} \
             more",
            compared.len() - without.len(),
            compared.len(),
            quoted(&without)
        )
    })
}

/// The words in code quotes, with commas between them.
fn quoted(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::given::Header;
    use super::super::tests::record;
    use super::*;
    use crate::metrics::UntilDecided;
    use crate::report::{Commits, SplitRecord};

    /// The cautions of two rows, the first of which is the reference, with one record for each result.
    fn told(rows: [&[Option<f64>]; 3], change: impl Fn(&mut Vec<Vec<Record>>)) -> Vec<String> {
        let mut records: Vec<Vec<Record>> = rows
            .iter()
            .enumerate()
            .map(|(row, results)| {
                let seeds = results.iter().enumerate();
                let record = |(seed, map): (usize, &Option<f64>)| {
                    record(&format!("{row}-{seed}"), seed as u64, *map)
                };
                seeds.map(record).collect()
            })
            .collect();
        change(&mut records);
        of_metric(&records, None)
    }

    fn of_metric(records: &[Vec<Record>], metric: Option<&str>) -> Vec<String> {
        of_rule(records, metric, None)
    }

    fn of_rule(
        records: &[Vec<Record>],
        metric: Option<&str>,
        until: Option<UntilDecided>,
    ) -> Vec<String> {
        let seeds = records.iter().map(Vec::len).max().unwrap();
        let labels = ["all", "- a", "- b"];
        let rows: Vec<RowRecords> = labels
            .iter()
            .zip(records)
            .map(|(label, records)| RowRecords {
                label,
                paper: None,
                group: None,
                place: None,
                records: (0..seeds).map(|seed| records.get(seed)).collect(),
            })
            .collect();
        let header = Header {
            reference: Some("all".into()),
            until,
            ..Header::default()
        };
        let references: Vec<_> = rows.iter().map(|_| Some(&rows[0])).collect();
        of(&Table::new(header, &rows, metric), &rows, &references)
    }

    const DONE: [Option<f64>; 3] = [Some(20.0), Some(21.0), Some(22.5)];

    #[test]
    fn rows_of_the_same_kind_mislead_nobody() {
        assert_eq!(told([&DONE; 3], |_| {}), Vec::<String>::new());
        // Neither do other commits in other seeds, which both rows share.
        let same = told([&DONE; 3], |records| {
            for record in records.iter_mut().flatten() {
                let program = format!("commit of seed {}", record.seed);
                record.commits = Some(Commits {
                    program,
                    recipe: None,
                });
            }
        });
        assert_eq!(same, Vec::<String>::new());
    }

    #[test]
    fn other_commits_splits_and_metrics_are_told_with_their_rows() {
        let commits = |program: &str| {
            Some(Commits {
                program: program.into(),
                recipe: None,
            })
        };
        let lines = told([&DONE; 3], |records| {
            records[0][1].commits = commits("1234567890abc");
            records[1][1].commits = commits("ffff");
            records[2][2].split = Some(SplitRecord {
                origin: "a list".into(),
                sha256: "x".into(),
                training_images: 9,
                chosen: 3,
                labelled: 3,
                unlabelled: 6,
                instances: Vec::new(),
            });
            let metrics = records[1][0].metrics.as_mut().unwrap();
            metrics.extend([("AR100", Some(3.0))]);
        });
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(
            lines[0].starts_with("`- a` and the reference")
                && lines[0].contains("(1234567890, ffff)"),
            "{lines:?}"
        );
        assert!(
            lines[1].starts_with("`- b` and the reference had") && lines[1].contains("splits"),
            "{lines:?}"
        );
        assert!(
            lines[2].starts_with("`all`, `- a`, `- b` lack `AR100` in some seed"),
            "{lines:?}"
        );
    }

    #[test]
    fn other_devices_are_told_where_both_are_known() {
        let on = |device: &str| Some(device.to_string());
        let lines = told([&DONE; 3], |records| {
            records[0][1].device = on("cpu");
            records[1][1].device = on("NVIDIA H200");
            // The device of the reference in this seed is unknown.
            records[2][2].device = on("NVIDIA A100");
        });
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(
            lines[0].starts_with("`- a` and the reference were computed")
                && lines[0].contains("different devices (NVIDIA H200; cpu)"),
            "{lines:?}"
        );
        let same = told([&DONE; 3], |records| {
            let all = records.iter_mut().flatten();
            all.for_each(|record| record.device = on("cpu"));
        });
        assert_eq!(same, Vec::<String>::new());
    }

    #[test]
    fn one_row_and_several_rows_have_the_right_words() {
        let adds = |rows: &'static [usize]| {
            told([&DONE; 3], move |records| {
                for row in rows {
                    let metrics = records[*row][0].metrics.as_mut().unwrap();
                    metrics.extend([("AR100", Some(3.0))]);
                }
            })
        };
        // A row that has the metric in one seed lacks it in the others.
        let lines = adds(&[0, 1, 2]);
        assert!(lines[0].contains("their means are over fewer"), "{lines:?}");
        let whole = told([&DONE, &DONE, &DONE[..1]], |records| {
            for record in records[..2].iter_mut().flatten() {
                record
                    .metrics
                    .as_mut()
                    .unwrap()
                    .extend([("AR100", Some(3.0))]);
            }
        });
        assert!(
            whole[0].starts_with("`- b` lacks `AR100` in some seed")
                && whole[0].ends_with("its means are over fewer seeds"),
            "{whole:?}"
        );
        assert!(
            whole[1].ends_with(
                "`- b` has fewer than two pairs, and a p will be larger when it has more"
            ),
            "{whole:?}"
        );
        let two = told([&DONE, &DONE, &DONE], |records| {
            records[1].truncate(1);
            records[2].truncate(1);
        });
        // No row has two pairs, so nothing is adjusted.
        assert_eq!(two, Vec::<String>::new());
    }

    #[test]
    fn fewer_seeds_of_the_reference_and_rows_outside_of_holm_are_told() {
        let lines = told([&DONE[..2], &DONE, &DONE[..1]], |_| {});
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(
            lines[0].contains("`all` has 2 finished seeds, fewer than `- a`"),
            "{lines:?}"
        );
        assert!(
            lines[1].starts_with("Holm's adjustment counts 1 of 2 compared rows: `- b` has"),
            "{lines:?}"
        );
        // Where no row has two pairs, nothing is adjusted.
        assert_eq!(told([&DONE[..1]; 3], |_| {}), Vec::<String>::new());
    }

    #[test]
    fn rows_that_stopped_at_different_seeds_are_told() {
        let rule = UntilDecided {
            at_least: 2,
            at_most: 6,
            effect_scale: 1.0,
            negligible: None,
        };
        let row = |row: usize, shift: &[f64]| -> Vec<Record> {
            let results = shift.iter().enumerate().map(|(seed, shift)| {
                let map = 20.0 + [0.3, -1.2, 2.1][seed % 3] + shift;
                record(&format!("{row}-{seed}"), seed as u64, Some(map))
            });
            results.collect()
        };
        let clear = [-1.0, -1.1, -0.9, -1.0, -1.1, -0.9];
        let none = [0.5, -0.5, 0.4, -0.6, 0.5, -0.4];
        let records = [row(0, &[0.0; 6]), row(1, &clear[..5]), row(2, &none)];
        let lines = of_rule(&records, None, Some(rule));
        assert!(
            lines[0].starts_with("each row stopped at a number of seeds of its own, 5 to 6:"),
            "{lines:?}"
        );
        let same = of_rule(
            &[row(0, &[0.0; 6]), row(1, &none), row(2, &none)],
            None,
            Some(rule),
        );
        assert_eq!(same, Vec::<String>::new());
    }

    #[test]
    fn verdicts_by_another_metric_are_told() {
        let row = |row: usize| -> Vec<Record> {
            let seeds = DONE.iter().enumerate();
            seeds
                .map(|(seed, map)| record(&format!("{row}-{seed}"), seed as u64, *map))
                .collect()
        };
        let records = [row(0), row(1), row(2)];
        let lines = of_metric(&records, Some("AP50"));
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(
            lines[0].starts_with("the verdicts are by AP50, and the metric of the sweep is mAP:"),
            "{lines:?}"
        );
        assert_eq!(of_metric(&records, Some("mAP")), Vec::<String>::new());
    }
}
