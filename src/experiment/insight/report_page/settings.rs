//! The settings in which the rows of a sweep differ.

use super::super::differing::flat;
use crate::experiment::store::root::settings_of;
use crate::report::TableLayout;
use crate::report::page::SettingsTable;
use std::collections::BTreeSet;
use std::path::Path;

/// The settings of the first trial of every row; none if the store lacks those of one of them.
pub fn table(folder: &Path, layout: &TableLayout) -> Option<SettingsTable> {
    let first: Vec<&str> = layout
        .rows
        .iter()
        .map(|row| row.trials.first().map(String::as_str))
        .collect::<Option<_>>()?;
    let rows = first.iter().map(|hash| flat(folder, hash));
    let rows = rows.collect::<Option<Vec<_>>>()?;
    let keys: BTreeSet<&String> = rows.iter().flat_map(|row| row.keys()).collect();
    let values = |key: &String| -> Vec<Option<String>> {
        let values = rows.iter().map(|row| row.get(key));
        values.map(|value| Some(value?.to_string())).collect()
    };
    let keys = keys.into_iter().map(|key| (key.clone(), values(key)));
    let differ =
        |(_, values): &(String, Vec<Option<String>>)| values.iter().any(|one| *one != values[0]);
    let text = |hash: &&str| std::fs::read_to_string(settings_of(folder, hash)).unwrap_or_default();
    Some(SettingsTable {
        references: layout.references(),
        labels: layout.rows.iter().map(|row| row.label.clone()).collect(),
        keys: keys.filter(differ).collect(),
        all: first.iter().map(text).collect(),
    })
}
