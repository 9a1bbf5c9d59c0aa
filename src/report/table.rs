//! Turns records into rows: mean and deviation over the finished seeds, the paired difference to the
//! reference row, and its verdict.

use super::given::{Header, RowRecords};
use super::identical;
use super::metric::{finished, names, reached};
use super::record::Record;
use super::rounds::Rounds;
use super::split;
use super::statistics::{
    Bootstrap, Difference, JudgedDifference, Kendall, LEVEL, Paired, Sequential, State, Verdict,
    holm, judge, kendall, mean, paired_difference, sample_deviation,
};
use super::values::TrialValues;
use crate::metrics::{MatrixPlace, Metrics, RowGroup, UntilDecided};
use std::ops::Range;

/// A table: the results of a sweep so far.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// The parts besides the rows.
    pub header: Header,
    /// The metric of the deviations, differences and verdicts.
    pub metric: String,
    /// The metrics that have a column; at least one.
    pub metrics: Vec<String>,
    /// How the rows stand by the rule of seeds until decided; none if the number of seeds is fixed.
    pub rounds: Option<Rounds>,
    /// The rows, in the order of the sweep until they are sorted.
    pub rows: Vec<TableRow>,
    /// The agreement between the order of its means and that of the paper's numbers; none with seeds until decided,
    /// whose rows have different seeds.
    pub agreement: Option<Kendall>,
    /// The oddities of the datasets of its trials, one line each, each once.
    pub findings: Vec<String>,
    /// The labels of rows that are identical to each other, although their settings differ.
    pub twins: Vec<Vec<String>>,
    /// What may mislead its reader, one line each; empty in a table that was made of no layout.
    pub cautions: Vec<String>,
    /// The lines about the splits of its trials, each once; none if the program drew them by its own rule.
    pub splits: Vec<String>,
    /// Its trials with all their numbers; empty unless somebody asked for them.
    pub trials: Vec<TrialValues>,
}

/// One row. Numbers are in percent, and none if undefined.
#[derive(Clone, Debug, PartialEq)]
pub struct TableRow {
    /// The variant.
    pub label: String,
    /// The group that the row is compared in; none if the table has one reference or none.
    pub group: Option<RowGroup>,
    /// The place in the matrix of the rows; none if the table has no such matrix.
    pub place: Option<MatrixPlace>,
    /// The number of seeds that finished.
    pub seeds: usize,
    /// Means over the finished seeds.
    pub mean: Metrics,
    /// Means of other numbers that a column may show, by the names of these columns: those of single classes, those
    /// of the student. Empty unless somebody asked for them.
    pub more: Metrics,
    /// Sample standard deviation of the table's metric, for two or more seeds.
    pub deviation: Option<f64>,
    /// Means of the paired differences to the reference row, over the seeds that both finished.
    pub deltas: Metrics,
    /// The difference to the reference row in the table's metric.
    pub difference: Option<Difference>,
    /// The verdict on that difference; none for the reference row itself.
    pub judged: Option<JudgedDifference>,
    /// The number in the paper, if it belongs to the table's metric.
    pub paper: Option<f64>,
    /// The number in the paper minus that of the reference row.
    pub paper_delta: Option<f64>,
    /// `ok`, `failed: <reason>` or `pending (<finished>/<seeds>)`; with seeds until decided also `open (<finished> of
    /// at most <seeds>)`.
    pub status: String,
}

/// An order of rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The order of the sweep.
    #[default]
    Table,
    /// The highest mean of the table's metric first.
    Metric,
    /// The highest difference to the reference first.
    Delta,
    /// Alphabetical by label.
    Label,
}

impl Order {
    /// All orders, with their names.
    pub const ALL: [(&str, Self); 4] = [
        ("table", Self::Table),
        ("metric", Self::Metric),
        ("delta", Self::Delta),
        ("label", Self::Label),
    ];
}

impl Table {
    /// Makes the table of `rows`, with the differences and verdicts of `metric`, or of the first metric of
    /// the records. The order of the seeds must be the same in all rows.
    pub fn new(header: Header, rows: &[RowRecords], metric: Option<&str>) -> Self {
        let reference = |row: &RowRecords| {
            let own = row.group.map(|group| &group.reference);
            let label = own.or(header.reference.as_ref())?;
            rows.iter().position(|row| row.label == label)
        };
        let places: Vec<Option<usize>> = rows.iter().map(reference).collect();
        let rule = header.until;
        let rounds = rule.map(|rule| Rounds::new(&rule, &header, rows, &places));
        let read = rounds.as_ref().map(|rounds| rounds.read(&places));
        let read = read.map(|read| rows.iter().zip(read).map(|(row, most)| row.first(most)));
        let read: Option<Vec<RowRecords>> = read.map(Iterator::collect);
        let rows = read.as_deref().unwrap_or(rows);
        let references: Vec<Option<&RowRecords>> =
            places.iter().map(|place| Some(&rows[(*place)?])).collect();
        let metrics = names(
            rows.iter()
                .flat_map(|row| row.records.iter().flatten().copied()),
        );
        let metric = metric.unwrap_or(&metrics[0]);
        let paper = header.paper_metric(&metrics) == metric;
        let mut bootstrap = Bootstrap::default();
        let mut found: Vec<TableRow> = rows
            .iter()
            .zip(&references)
            .map(|(row, reference)| {
                TableRow::new(row, *reference, metric, &metrics, &mut bootstrap)
            })
            .collect();
        if !paper {
            for row in &mut found {
                (row.paper, row.paper_delta) = (None, None);
            }
        }
        let columns: Vec<(f64, f64)> = found
            .iter()
            .filter_map(|row| row.mean.get(metric).zip(row.paper))
            .collect();
        let mut table = Self {
            header,
            metric: metric.to_string(),
            metrics: metrics.clone(),
            rounds,
            rows: found,
            // Rows of seeds until decided have different seeds, so their means have no order.
            agreement: kendall(&columns).filter(|_| rule.is_none()),
            findings: findings(rows),
            twins: twins(rows),
            cautions: Vec::new(),
            splits: splits(rows),
            trials: Vec::new(),
        };
        table.judge();
        if let Some(rule) = rule {
            table.judge_until_decided(&rule, rows, &references);
        }
        table.mark_identical(rows, &references);
        table
    }

    /// Gives the rows the evidence and the verdicts of seeds until decided, which are of the seeds up to the first that
    /// has no difference. A verdict by the metric that decides falls at the end of a round and stands; those by others
    /// are of the same seeds.
    fn judge_until_decided(
        &mut self,
        rule: &UntilDecided,
        rows: &[RowRecords],
        references: &[Option<&RowRecords>],
    ) {
        let Some(rounds) = &self.rounds else {
            return;
        };
        let decides = rounds.metric == self.metric;
        let compared: Vec<(usize, State, Option<Paired>)> = (0..rows.len())
            .filter_map(|row| {
                let state = rounds.standings[row]?.state;
                let own = rounds.paired[row];
                let paired = match decides {
                    true => own,
                    false => own.and_then(|own| {
                        let first = rows[row].first(own.count);
                        Paired::of(&differences(&first, references[row], &self.metric))
                    }),
                };
                Some((row, state, paired))
            })
            .collect();
        let p: Vec<f64> = compared.iter().map(|(.., one)| rule.p(*one)).collect();
        for ((row, state, paired), adjusted) in compared.into_iter().zip(holm(&p)) {
            let row = &mut self.rows[row];
            if state == State::Open && !row.status.starts_with("failed") {
                row.status = format!("open ({} of at most {})", row.seeds, rule.at_most);
            }
            let Some(judged) = row.judged.as_mut() else {
                continue;
            };
            judged.sequential = paired.map(|paired| Sequential {
                e: paired.e_value(0.0, rule.effect_scale),
                sequence: paired.sequence(rule.effect_scale, LEVEL),
                adjusted,
            });
            judged.verdict = match (state, paired) {
                (State::Decided(verdict), _) if decides => verdict,
                (_, Some(paired)) if !decides => rule.verdict(&paired, adjusted),
                _ => Verdict::Inconclusive,
            };
        }
    }

    /// Marks the rows whose trainings were those of their references.
    fn mark_identical(&mut self, rows: &[RowRecords], references: &[Option<&RowRecords>]) {
        for ((row, given), reference) in self.rows.iter_mut().zip(rows).zip(references) {
            let Some(reference) = reference else {
                continue;
            };
            let pairs = given.records.iter().zip(&reference.records);
            let identical = identical::all_same(pairs.map(|(one, other)| (*one, *other)));
            identical::mark(&mut row.judged, identical);
        }
    }

    /// Judges every row except the references. The p-values are adjusted over all rows of the table, whatever their
    /// groups, because a reader chooses among all of them.
    fn judge(&mut self) {
        let compared: Vec<(usize, Difference)> = self
            .rows
            .iter()
            .enumerate()
            .filter(|(_, row)| !self.is_reference(row))
            .filter_map(|(index, row)| Some((index, row.difference?)))
            .collect();
        let differences: Vec<Difference> = compared.iter().map(|(_, one)| *one).collect();
        for ((index, _), judged) in compared.into_iter().zip(judge(&differences)) {
            self.rows[index].judged = Some(judged);
        }
    }

    /// Returns true if the differences are computed against `row`.
    pub fn is_reference(&self, row: &TableRow) -> bool {
        let own = row.group.as_ref().map(|group| &group.reference);
        own.or(self.header.reference.as_ref()) == Some(&row.label)
    }

    /// Returns true if `row` is compared with another one.
    pub fn is_compared(&self, row: &TableRow) -> bool {
        let has_reference = row.group.is_some() || self.header.reference.is_some();
        has_reference && !self.is_reference(row)
    }

    /// Returns true if the means of the rows may be ranked. With seeds until decided, each row stops at a number of
    /// seeds of its own, and a mean over other seeds is no better one.
    pub fn ranks_means(&self) -> bool {
        self.header.until.is_none()
    }

    /// Returns true if every group of rows has its own reference.
    pub fn has_groups(&self) -> bool {
        self.rows.iter().any(|row| row.group.is_some())
    }

    /// The groups with the indices of their rows; a table without groups is one block of all rows.
    pub fn blocks(&self) -> Vec<(Option<&RowGroup>, Range<usize>)> {
        let mut blocks = Vec::new();
        let mut start = 0;
        for rows in self.rows.chunk_by(|x, y| x.group == y.group) {
            let end = start + rows.len();
            blocks.push((rows[0].group.as_ref(), start..end));
            start = end;
        }
        blocks
    }

    /// The words for the row that differences are to; none if the table compares nothing.
    pub fn reference_words(&self) -> Option<String> {
        match &self.header.reference {
            _ if self.has_groups() => Some("the reference row of its group".to_string()),
            Some(label) => Some(format!("`{label}`")),
            None => None,
        }
    }

    /// Sorts the rows within their groups. Rows without the number come last, and equal rows keep their order.
    pub fn sort(&mut self, order: Order) {
        for rows in self.rows.chunk_by_mut(|x, y| x.group == y.group) {
            sort(rows, order, &self.metric);
        }
    }
}

/// Sorts `rows` by their numbers of `metric`.
fn sort(rows: &mut [TableRow], order: Order, metric: &str) {
    let falling = |rows: &mut [TableRow], metrics: fn(&TableRow) -> &Metrics| {
        let key = |row: &TableRow| metrics(row).get(metric).unwrap_or(f64::NEG_INFINITY);
        rows.sort_by(|x, y| key(y).total_cmp(&key(x)));
    };
    match order {
        Order::Table => {}
        Order::Metric => falling(rows, |row| &row.mean),
        Order::Delta => falling(rows, |row| &row.deltas),
        Order::Label => rows.sort_by(|x, y| x.label.cmp(&y.label)),
    }
}

impl TableRow {
    /// The mean that the column `name` shows.
    pub fn value(&self, name: &str) -> Option<f64> {
        self.mean.get(name).or_else(|| self.more.get(name))
    }

    fn new(
        row: &RowRecords,
        reference: Option<&RowRecords>,
        metric: &str,
        metrics: &[String],
        bootstrap: &mut Bootstrap,
    ) -> Self {
        let finished: Vec<&Metrics> = row
            .records
            .iter()
            .flatten()
            .filter_map(|record| finished(record))
            .collect();
        let values = |metric: &str| -> Vec<f64> {
            finished.iter().filter_map(|one| one.get(metric)).collect()
        };
        let differences = |metric: &str| differences(row, reference, metric);
        let each = |value: &dyn Fn(&str) -> Option<f64>| -> Metrics {
            let named = metrics.iter().map(|name| (name.as_str(), value(name)));
            named.collect()
        };
        let reference_paper = reference.and_then(|reference| reference.paper);
        Self {
            label: row.label.to_string(),
            group: row.group.cloned(),
            place: row.place.cloned(),
            seeds: finished.len(),
            mean: each(&|metric| mean(&values(metric))),
            more: Metrics::default(),
            deviation: sample_deviation(&values(metric)),
            deltas: each(&|metric| mean(&differences(metric))),
            difference: paired_difference(&differences(metric), bootstrap),
            judged: None,
            paper: row.paper,
            paper_delta: row.paper.zip(reference_paper).map(|(x, y)| x - y),
            status: status(&row.records, finished.len()),
        }
    }
}

/// The differences of `row` to its reference in `metric`, over the seeds that both finished, in their order.
pub(super) fn differences(
    row: &RowRecords,
    reference: Option<&RowRecords>,
    metric: &str,
) -> Vec<f64> {
    let reached = |record: Option<&Record>| reached(record?, metric);
    let others = reference.map_or(&[][..], |reference| &reference.records);
    let pairs = row.records.iter().zip(others);
    pairs
        .filter_map(|(x, y)| Some(reached(*x)? - reached(*y)?))
        .collect()
}

/// The oddities that the records of `rows` tell, each once.
fn findings(rows: &[RowRecords]) -> Vec<String> {
    let records = rows.iter().flat_map(|row| row.records.iter().flatten());
    let mut found: Vec<String> = Vec::new();
    for finding in records.flat_map(|record| &record.findings) {
        if !found.contains(finding) {
            found.push(finding.clone());
        }
    }
    found
}

/// The labels of rows with different trials and identical results in every seed, each set of rows once.
fn twins(rows: &[RowRecords]) -> Vec<Vec<String>> {
    let same = |one: &RowRecords, other: &RowRecords| {
        let pairs = one
            .records
            .iter()
            .copied()
            .zip(other.records.iter().copied());
        let pairs: Vec<_> = pairs.collect();
        let differ = pairs.iter().any(|(one, other)| {
            one.zip(*other)
                .is_some_and(|(one, other)| one.hash != other.hash)
        });
        differ && identical::all_same(pairs.into_iter())
    };
    let mut sets: Vec<Vec<&RowRecords>> = Vec::new();
    for row in rows {
        match sets.iter_mut().find(|set| same(set[0], row)) {
            Some(set) => set.push(row),
            None => sets.push(vec![row]),
        }
    }
    let several = sets.into_iter().filter(|set| set.len() > 1);
    let labels = several.map(|set| set.iter().map(|row| row.label.to_string()).collect());
    labels.collect()
}

/// The lines about the splits that the records of `rows` tell.
fn splits(rows: &[RowRecords]) -> Vec<String> {
    let splits = rows.iter().flat_map(|row| {
        let records = row.records.iter().flatten();
        records.map(|record| (row.label, record.seed, record.split.as_ref()))
    });
    split::lines(splits)
}

fn status(records: &[Option<&Record>], finished: usize) -> String {
    let mut ended = records.iter().flatten();
    match ended.find_map(|record| Some((record, record.failure()?))) {
        Some((failed, reason)) => {
            let line = reason.split_whitespace().collect::<Vec<_>>().join(" ");
            let which = if records.len() > 1 {
                format!(" (seed {})", failed.seed)
            } else {
                String::new()
            };
            format!("failed: {line}{which}")
        }
        None if finished < records.len() => format!("pending ({finished}/{})", records.len()),
        None => "ok".to_string(),
    }
}
