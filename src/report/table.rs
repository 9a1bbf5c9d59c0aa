//! Records to rows: mean and deviation over the finished seeds, and the paired difference to the reference row.

use super::delta::{mean, paired_difference, sample_deviation};
use super::record::{Metrics, Record, Status};

/// The columns of every table, in order.
pub(super) const COLUMNS: [&str; 15] = [
    "variant",
    "seeds",
    "mAP",
    "mAP_std",
    "AP50",
    "AP75",
    "APs",
    "APm",
    "APl",
    "delta_mAP",
    "paper_mAP",
    "delta_low",
    "delta_high",
    "paper_delta",
    "status",
];

/// What a table says besides its rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Header {
    /// What the table answers.
    pub question: String,
    /// Label of the row that differences are taken to.
    pub reference: Option<String>,
    /// Where the paper's numbers stand, like `Table 3, mAP`.
    pub paper: Option<String>,
    /// Lines about the run: commit, seeds, machine. Written into formats that have a place for them.
    pub provenance: Vec<String>,
}

/// The records of one row, one place per seed; none: not finished.
#[derive(Clone, Debug)]
pub struct RowRecords<'a> {
    /// The variant.
    pub label: &'a str,
    /// The paper's number.
    pub paper: Option<f64>,
    /// In the order of the seeds.
    pub records: Vec<Option<&'a Record>>,
}

/// A table: what a sweep found so far.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// What it says besides its rows.
    pub header: Header,
    /// In the order of the sweep.
    pub rows: Vec<Row>,
}

/// One row; numbers in percent mAP, none where undefined.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The variant.
    pub label: String,
    /// Seeds that finished.
    pub seeds: usize,
    /// Means over the finished seeds.
    pub mean: Metrics,
    /// Sample standard deviation of the mAP, from two seeds on.
    pub deviation: Option<f64>,
    /// Mean of the paired differences to the reference row, over the seeds that both finished.
    pub delta: Option<f64>,
    /// Its 95 % interval, from two seeds on.
    pub interval: Option<(f64, f64)>,
    /// The paper's number.
    pub paper: Option<f64>,
    /// The paper's number less that of the reference row.
    pub paper_delta: Option<f64>,
    /// `ok`, `failed: <reason>` or `pending (<finished>/<seeds>)`.
    pub status: String,
}

/// The text of a row, in the order of the columns.
pub type Cells = [String; COLUMNS.len()];

impl Table {
    /// Makes the table of `rows`. The order of the seeds must be the same in all rows.
    pub fn new(header: Header, rows: &[RowRecords]) -> Self {
        let reference = header
            .reference
            .as_deref()
            .and_then(|label| rows.iter().find(|row| row.label == label));
        let rows = rows.iter().map(|row| Row::new(row, reference)).collect();
        Self { header, rows }
    }
}

impl Row {
    fn new(row: &RowRecords, reference: Option<&RowRecords>) -> Self {
        let finished: Vec<&Metrics> = row
            .records
            .iter()
            .flatten()
            .filter_map(|record| metrics(record))
            .collect();
        let values = |pick: fn(&Metrics) -> Option<f64>| {
            finished
                .iter()
                .filter_map(|&one| pick(one))
                .collect::<Vec<_>>()
        };
        let average = |pick: fn(&Metrics) -> Option<f64>| mean(&values(pick));
        let delta = reference.and_then(|reference| {
            let pairs = row.records.iter().zip(&reference.records);
            let differences: Vec<f64> = pairs
                .filter_map(|(x, y)| Some(mean_ap(*x)? - mean_ap(*y)?))
                .collect();
            paired_difference(&differences)
        });
        Self {
            label: row.label.to_string(),
            seeds: finished.len(),
            mean: Metrics {
                mean_ap: average(|one| one.mean_ap),
                ap50: average(|one| one.ap50),
                ap75: average(|one| one.ap75),
                ap_small: average(|one| one.ap_small),
                ap_medium: average(|one| one.ap_medium),
                ap_large: average(|one| one.ap_large),
            },
            deviation: sample_deviation(&values(|one| one.mean_ap)),
            delta: delta.map(|delta| delta.mean),
            interval: delta.and_then(|delta| delta.interval),
            paper: row.paper,
            paper_delta: row
                .paper
                .zip(reference.and_then(|reference| reference.paper))
                .map(|(x, y)| x - y),
            status: status(&row.records, finished.len()),
        }
    }

    /// The row as text: two decimals, empty where undefined.
    pub fn cells(&self) -> Cells {
        let number = |value: Option<f64>| value.map_or(String::new(), two_decimals);
        [
            self.label.clone(),
            self.seeds.to_string(),
            number(self.mean.mean_ap),
            number(self.deviation),
            number(self.mean.ap50),
            number(self.mean.ap75),
            number(self.mean.ap_small),
            number(self.mean.ap_medium),
            number(self.mean.ap_large),
            number(self.delta),
            number(self.paper),
            number(self.interval.map(|(low, _)| low)),
            number(self.interval.map(|(_, high)| high)),
            number(self.paper_delta),
            self.status.clone(),
        ]
    }
}

fn metrics(record: &Record) -> Option<&Metrics> {
    record
        .metrics
        .as_ref()
        .filter(|_| record.status == Status::Ok)
}

fn mean_ap(record: Option<&Record>) -> Option<f64> {
    metrics(record?)?.mean_ap
}

fn status(records: &[Option<&Record>], finished: usize) -> String {
    match records
        .iter()
        .flatten()
        .find(|record| record.status == Status::Failed)
    {
        Some(failed) => {
            let reason = failed.error.as_deref().unwrap_or("no reason given");
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

/// `-0.00` would tell a sign that is not there.
fn two_decimals(value: f64) -> String {
    let text = format!("{value:.2}");
    if text == "-0.00" {
        "0.00".to_string()
    } else {
        text
    }
}
