//! Tables of seeds until decided: how their rows stand by the records, and the decisions that are kept.

use super::given::{Header, RowRecords};
use super::identical::same;
use super::metric::{names, reached};
use super::record::Record;
use super::statistics::{Compared, Decision, Paired, Seed, Standing, State};
use crate::metrics::{RowDecision, UntilDecided};

/// How the rows of a table stand.
#[derive(Clone, Debug, PartialEq)]
pub struct Rounds {
    /// The metric that decides.
    pub metric: String,
    /// How each row stands; none for a row that is not compared.
    pub standings: Vec<Option<Standing>>,
    /// The number of seeds that each row needs so far.
    pub seeds: Vec<usize>,
    /// The differences of each compared row over its seeds up to one that has none.
    pub paired: Vec<Option<Paired>>,
}

impl Rounds {
    /// How `rows` stand by `rule`. `references` are the places of their references.
    pub fn new(
        rule: &UntilDecided,
        header: &Header,
        rows: &[RowRecords],
        references: &[Option<usize>],
    ) -> Self {
        let records = rows.iter().flat_map(|row| row.records.iter().flatten());
        let metric = names(records.copied()).swap_remove(0);
        let is_compared = |row: usize| references[row].filter(|other| *other != row);
        let compared: Vec<(usize, usize)> = (0..rows.len())
            .filter_map(|row| Some((row, is_compared(row)?)))
            .collect();
        let given = compared.iter().map(|(row, other)| {
            let own = &rows[*row];
            let kept = header.decisions.iter().find(|one| one.row == own.label);
            let seeds = own.records.len().min(rows[*other].records.len());
            Compared {
                seeds: (0..seeds)
                    .map(|at| seed(own.records[at], rows[*other].records[at], &metric))
                    .collect(),
                kept: kept.map(|kept| Decision {
                    seeds: kept.seeds,
                    verdict: kept.verdict,
                }),
            }
        });
        let given: Vec<Compared> = given.collect();
        let found = rule.standings(&given);
        let mut standings = vec![None; rows.len()];
        let mut seeds = vec![rule.at_least; rows.len()];
        let mut paired = vec![None; rows.len()];
        for (((row, other), standing), given) in compared.into_iter().zip(found).zip(&given) {
            standings[row] = Some(standing);
            paired[row] = given.paired(standing.seeds);
            seeds[row] = standing.seeds;
            seeds[other] = seeds[other].max(standing.seeds);
        }
        Self {
            metric,
            standings,
            seeds,
            paired,
        }
    }

    /// The number of compared rows that are open.
    pub fn open(&self) -> usize {
        let standings = self.standings.iter().flatten();
        standings.filter(|one| one.state == State::Open).count()
    }

    /// Returns true if no compared row gets another seed, unless a failed trial is done again.
    pub fn are_over(&self) -> bool {
        self.open() == 0
    }

    /// The decisions on the rows with these labels.
    pub fn decisions<'a>(&self, labels: impl Iterator<Item = &'a str>) -> Vec<RowDecision> {
        let found = labels.zip(&self.standings).filter_map(|(label, standing)| {
            let standing = (*standing)?;
            match standing.state {
                State::Decided(verdict) => Some(RowDecision {
                    row: label.to_string(),
                    seeds: standing.seeds,
                    verdict,
                }),
                _ => None,
            }
        });
        found.collect()
    }

    /// The number of records that the table reads of each row: those that its verdict is of. Seeds that came for
    /// another table do not count. A row that is open counts what it has.
    pub fn read(&self, references: &[Option<usize>]) -> Vec<usize> {
        let stopped = |row: usize| {
            let standing: Option<Standing> = self.standings[row];
            standing.filter(|one| one.state != State::Open)
        };
        let is_open = |row: usize| self.standings[row].is_some() && stopped(row).is_none();
        let read = |row: usize| {
            let mut users = (0..references.len()).filter(|one| references[*one] == Some(row));
            match self.standings[row].is_some() && stopped(row).is_none() || users.any(is_open) {
                true => usize::MAX,
                false => self.seeds[row],
            }
        };
        (0..references.len()).map(read).collect()
    }
}

/// What a seed of a row says beside that of its reference.
fn seed(own: Option<&Record>, other: Option<&Record>, metric: &str) -> Seed {
    let has_failed =
        |record: Option<&Record>| record.is_some_and(|record| reached(record, metric).is_none());
    if has_failed(own) || has_failed(other) {
        return Seed::Failed;
    }
    let Some((own, other)) = own.zip(other) else {
        return Seed::Pending;
    };
    let difference = reached(own, metric).zip(reached(other, metric));
    let difference = difference.map(|(own, other)| own - other);
    match difference {
        _ if same(own, other) => Seed::Identical,
        Some(difference) => Seed::Difference(difference),
        None => Seed::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::record;
    use super::super::{Table, layout::TableLayout};
    use super::*;
    use crate::metrics::Verdict;
    use crate::report::layout::RowLayout;
    use std::collections::BTreeMap;

    const RULE: UntilDecided = UntilDecided {
        at_least: 2,
        at_most: 12,
        effect_scale: 1.0,
        negligible: None,
    };

    /// A table with rows of these differences to the reference `all`, whose results go up and down.
    fn folder(rows: &[(&str, &[f64])]) -> (TableLayout, BTreeMap<String, Record>) {
        let hash = |label: &str, seed: usize| format!("{label}-{seed}");
        let mut records = BTreeMap::new();
        let base = |seed: usize| 20.0 + [0.3, -1.2, 2.1][seed % 3];
        let seeds = rows.iter().map(|(_, row)| row.len()).max().unwrap();
        let none = vec![0.0; seeds];
        for (label, differences) in rows.iter().copied().chain([("all", &none[..])]) {
            for (seed, difference) in differences.iter().enumerate() {
                let hash = hash(label, seed);
                let found = record(&hash, seed as u64, Some(base(seed) + difference));
                records.insert(hash, found);
            }
        }
        let labels = ["all"]
            .into_iter()
            .chain(rows.iter().map(|(label, _)| *label));
        let layout = TableLayout {
            name: "t".into(),
            recipe: "r".into(),
            question: "Which?".into(),
            reference: Some("all".into()),
            paper: None,
            columns: Vec::new(),
            provenance: Vec::new(),
            seeds: (0..RULE.at_most as u64).collect(),
            until: Some(RULE),
            decisions: Vec::new(),
            rows: labels
                .map(|label| RowLayout {
                    label: label.into(),
                    paper: None,
                    trials: (0..RULE.at_most).map(|seed| hash(label, seed)).collect(),
                    group: None,
                    place: None,
                })
                .collect(),
        };
        (layout, records)
    }

    const CLEAR: [f64; 9] = [-1.0, -1.1, -0.9, -1.0, -1.1, -0.9, -1.0, 7.0, 7.0];
    const NONE: [f64; 9] = [0.5, -0.5, 0.4, -0.6, 0.5, -0.4, 0.6, -0.5, 0.4];

    fn made(
        layout: &TableLayout,
        records: &BTreeMap<String, Record>,
        metric: Option<&str>,
    ) -> Table {
        layout.table(|hash| records.get(hash), metric)
    }

    #[test]
    fn a_decided_row_shows_the_seeds_of_its_verdict_alone() {
        let (layout, records) = folder(&[("- a", &CLEAR), ("- b", &NONE)]);
        let rounds = layout.rounds(|hash| records.get(hash)).unwrap();
        assert_eq!(
            (&*rounds.metric, &rounds.seeds[..]),
            ("mAP", &[10, 6, 10][..])
        );
        let decided = rounds.decisions(["all", "- a", "- b"].into_iter());
        let known = RowDecision {
            row: "- a".into(),
            seeds: 6,
            verdict: Verdict::Hurts,
        };
        assert_eq!(decided, [known]);
        let table = made(&layout, &records, None);
        let seeds: Vec<usize> = table.rows.iter().map(|row| row.seeds).collect();
        assert_eq!(seeds, [9, 6, 9]);
        let judged = table.rows[1].judged.unwrap();
        assert_eq!(
            (judged.verdict, judged.difference.pairs),
            (Verdict::Hurts, 6)
        );
        assert_eq!(table.rows[1].status, "ok");
        assert_eq!(table.rows[2].status, "open (9 of at most 12)");
        // The e-value of the six differences, adjusted as the smaller of two.
        let paired = crate::report::statistics::Paired::of(&CLEAR[..6]).unwrap();
        let evidence = judged.sequential.unwrap();
        assert!((evidence.e / paired.e_value(0.0, 1.0) - 1.0).abs() < 1e-9);
        assert!((evidence.adjusted * evidence.e - 2.0).abs() < 1e-9);
        assert_eq!(table.rows[2].judged.unwrap().verdict, Verdict::Inconclusive);
    }

    #[test]
    fn what_is_kept_stands_and_another_metric_has_verdicts_of_the_same_seeds() {
        let (mut layout, records) = folder(&[("- a", &CLEAR), ("- b", &NONE)]);
        layout.decisions = vec![RowDecision {
            row: "- a".into(),
            seeds: 5,
            verdict: Verdict::Hurts,
        }];
        let table = made(&layout, &records, None);
        let row = &table.rows[1];
        assert_eq!(
            (row.seeds, row.judged.unwrap().verdict),
            (5, Verdict::Hurts)
        );
        let other = made(&layout, &records, Some("AP50"));
        assert_eq!(other.rows[1].seeds, 5);
        // AP50 is twice the mAP here, so its e-value is the same, which is not enough for two rows at five seeds.
        assert_eq!(other.rows[1].judged.unwrap().verdict, Verdict::Inconclusive);
    }

    #[test]
    fn a_failed_reference_stops_its_rows_and_one_alone_is_no_rule() {
        let (mut layout, mut records) = folder(&[("- a", &NONE)]);
        let failed = record("all-3", 3, None);
        records.insert(failed.hash.clone(), failed);
        let rounds = layout.rounds(|hash| records.get(hash)).unwrap();
        assert!(rounds.are_over());
        assert_eq!(rounds.seeds, [4, 4]);
        // That it is to be done again opens the row.
        records.remove("all-3");
        let rounds = layout.rounds(|hash| records.get(hash)).unwrap();
        assert!(!rounds.are_over());
        layout.until = None;
        assert_eq!(layout.rounds(|hash| records.get(hash)), None);
        let table = made(&layout, &records, None);
        assert_eq!(table.rows[1].judged.unwrap().sequential, None);
    }
}
