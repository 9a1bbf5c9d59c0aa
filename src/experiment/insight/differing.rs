//! The differences between the settings of two trials, as their stores have them.

use crate::experiment::settings::stored::stored;
use crate::experiment::store::root::settings_of;
use std::collections::BTreeMap;
use std::path::Path;
use toml::Value;

/// The line of a key with its values in two trials.
fn line((key, values): (&String, &[Option<Value>; 2])) -> String {
    let shown = |value: &Option<Value>| value.as_ref().map_or("not set".into(), Value::to_string);
    let [from, to] = values.each_ref().map(shown);
    format!("{key}: {from} -> {to}")
}

/// The differences between the settings of a trial in each of two results folders, as `key: A -> B`; none if the
/// store of a folder no longer has the settings.
pub fn settings(folders: [&Path; 2], hashes: [&str; 2]) -> Option<Vec<String>> {
    Some(both(folders, hashes)?.iter().map(line).collect())
}

/// The same without the keys that only one of two components has, where the `name` beside them already says that the
/// components differ.
pub fn main_settings(folders: [&Path; 2], hashes: [&str; 2]) -> Option<Vec<String>> {
    let mut differing = both(folders, hashes)?;
    let names = differing.keys().filter_map(|key| key.strip_suffix(".name"));
    let replaced: Vec<String> = names.map(|component| format!("{component}.")).collect();
    differing.retain(|key, values| {
        let below = |component: &String| key.starts_with(component.as_str());
        let has_both = values.iter().all(Option::is_some);
        has_both || !replaced.iter().any(below)
    });
    Some(differing.iter().map(line).collect())
}

/// The keys with different values, each with the value in the first and in the second trial.
fn both(folders: [&Path; 2], hashes: [&str; 2]) -> Option<BTreeMap<String, [Option<Value>; 2]>> {
    if hashes[0] == hashes[1] {
        return Some(BTreeMap::new());
    }
    let (one, other) = (flat(folders[0], hashes[0])?, flat(folders[1], hashes[1])?);
    let keys = one.keys().chain(other.keys());
    let values = |key: &String| [one.get(key).cloned(), other.get(key).cloned()];
    let pairs = keys.map(|key| (key.clone(), values(key)));
    Some(pairs.filter(|(_, [from, to])| from != to).collect())
}

/// The settings of the trial `hash` by their key paths; none if the store of `folder` no longer has them.
pub fn flat(folder: &Path, hash: &str) -> Option<BTreeMap<String, Value>> {
    let text = std::fs::read_to_string(settings_of(folder, hash)).ok()?;
    let mut flat = BTreeMap::new();
    flatten("", &Value::Table(stored(&text)?), &mut flat);
    Some(flat)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A results folder with the settings of the trials `a` and `b`.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let common = "[method]\nname = 'mock'\n";
        for (hash, more) in [
            (
                "a",
                "lambda = 1.0\n[method.filter]\nname = 'x'\nonly = 3\nkept = 1",
            ),
            (
                "b",
                "lambda = 2.0\n[method.filter]\nname = 'y'\nown = 4\nkept = 2",
            ),
        ] {
            let path = settings_of(folder.path(), hash);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, format!("{common}{more}")).unwrap();
        }
        folder
    }

    #[test]
    fn the_keys_of_a_replaced_component_are_told_by_its_name() {
        let folder = folder();
        let folders = [folder.path(), folder.path()];
        let all = settings(folders, ["a", "b"]).unwrap();
        assert_eq!(all.len(), 5, "{all:?}");
        assert!(all.contains(&"method.filter.own: not set -> 4".to_string()));
        assert_eq!(
            main_settings(folders, ["a", "b"]).unwrap(),
            [
                "method.filter.kept: 1 -> 2",
                "method.filter.name: \"x\" -> \"y\"",
                "method.lambda: 1.0 -> 2.0"
            ]
        );
        assert_eq!(settings(folders, ["a", "a"]), Some(Vec::new()));
        assert_eq!(settings(folders, ["a", "absent"]), None);
    }
}
