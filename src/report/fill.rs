//! Adds the numbers of single trials to a table: those of the records, and those that the evaluations keep beside them,
//! such as the precision of each class.

use super::layout::TableLayout;
use super::metric::finished;
use super::record::Record;
use super::statistics::mean;
use super::table::Table;
use super::values::{REPORTED, TrialValues, Value};
use std::collections::BTreeMap;

/// All numbers of a finished trial: those of its record, then `more`.
fn values(record: &Record, more: &[Value]) -> Vec<Value> {
    let models = [
        (REPORTED, &record.metrics),
        ("student", &record.student),
        ("average", &record.average),
    ];
    let named = models
        .into_iter()
        .filter_map(|(name, metrics)| Some((name, metrics.as_ref()?)));
    let own = named.flat_map(|(name, metrics)| Value::all(name, metrics));
    own.chain(more.iter().cloned()).collect()
}

impl Table {
    /// Adds the numbers of the trials of `layout`, from which the table is made: `record` finds a trial's record by
    /// its hash, and `more` holds what the evaluations keep beside the records.
    pub fn add_values<'a>(
        &mut self,
        layout: &TableLayout,
        record: impl Fn(&str) -> Option<&'a Record>,
        more: &BTreeMap<String, Vec<Value>>,
    ) {
        for row in &layout.rows {
            let mut means: Vec<(String, Vec<f64>)> = Vec::new();
            for (hash, seed) in row.trials.iter().zip(&layout.seeds) {
                let found = record(hash);
                let done = found.filter(|record| finished(record).is_some());
                let more = more.get(hash).map_or(&[][..], Vec::as_slice);
                let values = done.map_or_else(Vec::new, |record| values(record, more));
                for value in &values {
                    let name = value.column();
                    let place = means.iter().position(|(known, _)| *known == name);
                    let place = place.unwrap_or_else(|| {
                        means.push((name, Vec::new()));
                        means.len() - 1
                    });
                    means[place].1.extend(value.value);
                }
                self.trials.push(TrialValues {
                    label: row.label.clone(),
                    seed: *seed,
                    hash: hash.clone(),
                    status: match (done, found) {
                        (Some(_), _) => "ok",
                        (None, Some(_)) => "failed",
                        (None, None) => "pending",
                    },
                    values,
                });
            }
            if let Some(own) = self.rows.iter_mut().find(|own| own.label == row.label) {
                let others = means
                    .into_iter()
                    .filter(|(name, _)| own.mean.get(name).is_none());
                own.more = others.map(|(name, values)| (name, mean(&values))).collect();
            }
        }
    }
}
