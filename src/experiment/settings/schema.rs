//! The JSON Schemas of recipes and sweeps, with the components of all registries.

use super::catalogue::{SECTIONS, SLOTS};
use super::new_keys::NEW_KEYS;
use crate::recipe::{DEFAULTS, recipe_schema, sweep_schema};

/// The schema of a recipe, or of a sweep file, as JSON text.
pub fn schema(sweep: bool) -> String {
    let schema = match sweep {
        true => sweep_schema(DEFAULTS, &*SLOTS, &*SECTIONS, &NEW_KEYS),
        false => recipe_schema(DEFAULTS, &*SLOTS, &*SECTIONS, &NEW_KEYS),
    };
    format!("{schema:#}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::{ComponentSlot, value_at};
    use std::collections::BTreeSet;
    use std::path::Path;
    use toml::{Table, Value};

    #[test]
    fn every_component_tells_its_keys_and_the_defaults_have_them_all() {
        let defaults: Table = DEFAULTS.parse().unwrap();
        for slot in SLOTS.iter() {
            let table = value_at(&defaults, slot.path).and_then(Value::as_table);
            for choice in &slot.choices {
                let mut keys = choice
                    .keys
                    .clone()
                    .unwrap_or_else(|| panic!("{}", choice.name));
                if let Some(table) =
                    table.filter(|table| table["name"].as_str() == Some(choice.name))
                {
                    keys.push("name".into());
                    keys.sort();
                    let expected: Vec<&String> = table.keys().collect();
                    assert_eq!(keys.iter().collect::<Vec<_>>(), expected, "{}", slot.path);
                }
            }
        }
    }

    /// The key of every table that has a name, without the keys around it, with the name.
    fn named(key: &str, value: &Value, found: &mut BTreeSet<(String, String)>) {
        match value {
            Value::Array(list) => list.iter().for_each(|value| named(key, value, found)),
            Value::Table(table) => {
                if let Some(name) = table.get("name").and_then(Value::as_str) {
                    // A sweep has the whole path as one key.
                    let last = key.rsplit('.').next().unwrap();
                    found.insert((last.to_string(), name.to_string()));
                }
                table
                    .iter()
                    .for_each(|(key, value)| named(key, value, found));
            }
            _ => {}
        }
    }

    #[test]
    fn every_component_is_named_by_a_recipe_or_a_sweep() {
        let mut found = BTreeSet::new();
        for folder in ["recipes", "recipes/bodies", "sweeps"] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
            for file in std::fs::read_dir(folder).unwrap() {
                let path = file.unwrap().path();
                if path
                    .extension()
                    .is_some_and(|extension| extension == "toml")
                {
                    let text = std::fs::read_to_string(path).unwrap();
                    named("", &Value::Table(text.parse().unwrap()), &mut found);
                }
            }
        }
        for ComponentSlot { path, choices } in SLOTS.iter() {
            let key = path.rsplit('.').next().unwrap().to_string();
            for choice in choices {
                let name = choice.name;
                let used = found.contains(&(key.clone(), name.to_string()));
                assert!(used, "no recipe and no sweep has {path}.name = \"{name}\"");
            }
        }
    }
}
