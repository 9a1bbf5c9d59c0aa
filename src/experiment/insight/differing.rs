//! The differences between the settings of two trials, as their stores have them.

use crate::experiment::settings::stored::stored;
use crate::experiment::store::root::settings_of;
use std::collections::BTreeMap;
use std::path::Path;
use toml::Value;

/// The differences between the settings of a trial in each of two results folders, as `key: A -> B`; none if the
/// store of a folder no longer has the settings.
pub fn settings(folders: [&Path; 2], hashes: [&str; 2]) -> Option<Vec<String>> {
    if hashes[0] == hashes[1] {
        return Some(Vec::new());
    }
    let read = |index: usize| -> Option<BTreeMap<String, Value>> {
        let text = std::fs::read_to_string(settings_of(folders[index], hashes[index])).ok()?;
        let mut flat = BTreeMap::new();
        flatten("", &Value::Table(stored(&text)?), &mut flat);
        Some(flat)
    };
    let (one, other) = (read(0)?, read(1)?);
    let shown = |value: Option<&Value>| value.map_or("not set".to_string(), Value::to_string);
    let keys = one
        .keys()
        .chain(other.keys().filter(|key| !one.contains_key(*key)));
    let mut differing: Vec<String> = keys
        .filter(|key| one.get(*key) != other.get(*key))
        .map(|key| {
            let (from, to) = (shown(one.get(key)), shown(other.get(key)));
            format!("{key}: {from} -> {to}")
        })
        .collect();
    differing.sort();
    Some(differing)
}

/// The values of a table by their key paths.
fn flatten(path: &str, value: &Value, flat: &mut BTreeMap<String, Value>) {
    match value {
        Value::Table(table) => {
            for (key, value) in table {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                flatten(&path, value, flat);
            }
        }
        value => drop(flat.insert(path.to_string(), value.clone())),
    }
}
