//! The settings in which the rows of a sweep differ, and all settings of each row, with their origins.

use super::super::differing::flat;
use crate::experiment::store::root::settings_of;
use crate::recipe::SweepOrigins;
use crate::report::TableLayout;
use crate::report::page::{Setting, SettingsTable};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use toml::Value;

/// The columns before the comments at most.
const BEFORE: usize = 64;
/// The origin of what no file, argument or variable sets.
const DEFAULT: &str = "built-in default";

/// The settings of the first trial of every row; none if the store lacks those of one of them. `origins`: where they
/// come from, if the folder tells it.
pub fn table(
    folder: &Path,
    layout: &TableLayout,
    origins: Option<&SweepOrigins>,
) -> Option<SettingsTable> {
    let first: Vec<&str> = layout
        .rows
        .iter()
        .map(|row| row.trials.first().map(String::as_str))
        .collect::<Option<_>>()?;
    let rows = first.iter().map(|hash| flat(folder, hash));
    let rows = rows.collect::<Option<Vec<_>>>()?;
    let keys: BTreeSet<&String> = rows.iter().flat_map(|row| row.keys()).collect();
    let differ = |key: &&String| rows.iter().any(|row| row.get(*key) != rows[0].get(*key));
    let settings = |key: &String| -> Vec<Option<Setting>> {
        let rows = layout.rows.iter().zip(&rows);
        let setting = rows.map(|(row, values)| {
            Some(Setting {
                value: values.get(key)?.to_string(),
                origin: origins.map(|origins| origin(origins, &row.label, key).to_string()),
            })
        });
        setting.collect()
    };
    let keys = keys.into_iter().filter(differ);
    let stored =
        |hash: &&str| std::fs::read_to_string(settings_of(folder, hash)).unwrap_or_default();
    let all = match origins {
        Some(origins) => {
            let rows = layout.rows.iter().zip(&rows);
            rows.map(|(row, values)| commented(values, origins, &row.label))
                .collect()
        }
        None => first.iter().map(stored).collect(),
    };
    Some(SettingsTable {
        references: layout.references(),
        labels: layout.rows.iter().map(|row| row.label.clone()).collect(),
        keys: keys.map(|key| (key.clone(), settings(key))).collect(),
        all,
    })
}

fn origin<'a>(origins: &'a SweepOrigins, label: &str, key: &str) -> &'a str {
    origins.of(label, key).unwrap_or(DEFAULT)
}

/// The settings as TOML, a key a line, each with its origin in a comment.
fn commented(values: &BTreeMap<String, Value>, origins: &SweepOrigins, label: &str) -> String {
    let lines: Vec<(String, &str)> = values
        .iter()
        .map(|(key, value)| (format!("{key} = {value}"), origin(origins, label, key)))
        .collect();
    let width = |(line, _): &(String, &str)| line.chars().count();
    let fitting = lines.iter().map(width).filter(|width| *width <= BEFORE);
    let width = fitting.max().unwrap_or(0);
    let line = |(line, origin): &(String, &str)| {
        // An argument may hold a line break.
        let origin = origin.replace(char::is_control, " ");
        format!("{line:<width$}  # {origin}\n")
    };
    lines.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_with_origins_are_still_the_same_settings() {
        let table: toml::Table = "a = 1\nlong = 'x#y'\nlist = [1, 2]".parse().unwrap();
        let values: BTreeMap<String, Value> = table.clone().into_iter().collect();
        let origins = SweepOrigins {
            sweep: "s".into(),
            shared: [("a".to_string(), "r.toml:3".to_string())].into(),
            rows: [(
                "row".to_string(),
                [("list".to_string(), "--set list=[1,\n2]".to_string())].into(),
            )]
            .into(),
        };
        let text = commented(&values, &origins, "row");
        assert_eq!(
            text,
            "a = 1          # r.toml:3\nlist = [1, 2]  # --set list=[1, 2]\nlong = \"x#y\"   # built-in default\n"
        );
        assert_eq!(text.parse::<toml::Table>().unwrap(), table);
        let other = commented(&values, &origins, "other");
        assert!(
            other.contains("list = [1, 2]  # built-in default"),
            "{other}"
        );
    }
}
