//! The numbers of single trials as a long CSV, for statistics programs: one line per trial, model, metric and class.

use super::csv::text;
use super::look::Look;
use super::table::Table;
use super::values::TrialValues;
use anyhow::Result;

/// Writes the trials of the tables, with all digits of their numbers unless `look` says how many. A trial that has
/// failed or not finished has one line without a number.
pub fn render(tables: &[Table], look: &Look) -> Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record([
        "sweep", "label", "seed", "trial", "status", "model", "metric", "class", "value",
    ])?;
    for table in tables {
        for trial in &table.trials {
            let TrialValues {
                label,
                seed,
                hash,
                status,
                values,
            } = trial;
            let seed = seed.to_string();
            let own = [&table.header.name, label, &seed, hash, *status];
            if values.is_empty() {
                writer.write_record(own.into_iter().chain(["", "", "", ""]))?;
            }
            for value in values {
                let number = value
                    .value
                    .map_or(String::new(), |number| match look.digits {
                        Some(digits) => format!("{number:.digits$}"),
                        None => number.to_string(),
                    });
                let class = value.class.as_deref().unwrap_or_default();
                let rest = [&value.model, &value.metric, class, &number];
                writer.write_record(own.into_iter().chain(rest))?;
            }
        }
    }
    text(writer)
}
