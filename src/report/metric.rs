//! The metrics of records by their names.

use super::record::Record;
use crate::metrics::Metrics;

/// COCO's metrics of masks: every CSV file has their columns, and so has a table without any record.
pub(super) const USUAL: [&str; 6] = ["mAP", "AP50", "AP75", "APs", "APm", "APl"];

/// The names of the metrics that finished `records` have, in the order in which they are met; the usual ones
/// if there are none.
pub(super) fn names<'a>(records: impl IntoIterator<Item = &'a Record>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for metrics in records.into_iter().filter_map(finished) {
        for (name, _) in metrics.iter() {
            if !names.iter().any(|known| known == name) {
                names.push(name.to_string());
            }
        }
    }
    match names.is_empty() {
        true => USUAL.map(String::from).to_vec(),
        false => names,
    }
}

/// The metrics of a trial that did not fail.
pub(super) fn finished(record: &Record) -> Option<&Metrics> {
    let metrics = record.metrics.as_ref();
    metrics.filter(|_| record.failure().is_none())
}

/// The value of `metric` that a finished trial reached; none of a failed one.
pub(super) fn reached(record: &Record, metric: &str) -> Option<f64> {
    finished(record)?.get(metric)
}
