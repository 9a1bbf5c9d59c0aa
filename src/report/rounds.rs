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
    /// The number of seeds that each row needs so far. A row that is open keeps those that it has, even if it waits for
    /// another row at an earlier round.
    pub seeds: Vec<usize>,
    /// The differences of each compared row over these seeds, up to the first that has none.
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
            seeds[row] = match standing.state {
                State::Open => standing.seeds.max(ended(&given.seeds).min(rule.at_most)),
                _ => standing.seeds,
            };
            paired[row] = given.paired(seeds[row]);
            seeds[other] = seeds[other].max(seeds[row]);
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

/// The number of seeds from the first on that have ended in the row and in its reference.
fn ended(seeds: &[Seed]) -> usize {
    let ended = seeds.iter().take_while(|seed| **seed != Seed::Pending);
    ended.count()
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
pub(super) mod tests;
#[cfg(test)]
mod texts;
