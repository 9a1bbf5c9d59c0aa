//! The catalogue of all keys: every table of a recipe and every component that it can name, described by the
//! code that reads it ([`describe`]). The JSON Schemas, `recipes/reference.toml` and the messages about missing
//! keys are made of it.

use super::evaluation::EvalConfig;
use super::new_keys::NEW_KEYS;
use super::report::ReportConfig;
use crate::data::DATASETS;
use crate::data::augment::AugmentConfig;
use crate::data::loader::LoaderConfig;
use crate::data::split::SplitConfig;
use crate::detector::DETECTORS;
use crate::graph::clip::VISION_LANGUAGE_MODELS;
use crate::method::METHODS;
use crate::method::consistency::CONSISTENCIES;
use crate::method::correction::CORRECTIONS;
use crate::method::filter::FILTERS;
use crate::method::weighting::WEIGHTINGS;
use crate::recipe::{ComponentChoice, ComponentSlot, DEFAULTS, value_at};
use crate::registry::{self, Checked, ComponentError, Entry, describe, in_words, keys, schema_at};
use crate::train::TrainConfig;
use schemars::JsonSchema;
use serde_json::Value as Json;
use std::sync::LazyLock;
use toml::{Table, Value};

/// The keys without a default of the components that `recipes/pl-dc.toml` does not name, with values.
const EXAMPLES: &str = include_str!("examples.toml");

/// The settings of `recipes/pl-dc.toml`.
pub static DEFAULT_SETTINGS: LazyLock<Table> =
    LazyLock::new(|| DEFAULTS.parse().expect("the defaults are TOML"));

static EXAMPLE_TABLES: LazyLock<Table> =
    LazyLock::new(|| EXAMPLES.parse().expect("the examples are TOML"));

/// The tables of a recipe that are components.
pub static SLOTS: LazyLock<[ComponentSlot; 8]> = LazyLock::new(|| {
    [
        slot("data", DATASETS),
        slot("model", DETECTORS),
        slot("method", METHODS),
        slot("method.filter", FILTERS),
        slot("method.correction", CORRECTIONS),
        slot("method.correction.vlm", VISION_LANGUAGE_MODELS),
        slot("method.weighting", WEIGHTINGS),
        slot("method.consistency", CONSISTENCIES),
    ]
});

/// The other tables of a recipe, each with the JSON Schema of its keys.
pub static SECTIONS: LazyLock<[(&str, Json); 6]> = LazyLock::new(|| {
    [
        section::<SplitConfig>("split"),
        section::<AugmentConfig>("augment"),
        section::<LoaderConfig>("loader"),
        section::<TrainConfig>("train"),
        section::<EvalConfig>("eval"),
        section::<ReportConfig>("report"),
    ]
});

fn slot<T>(path: &'static str, entries: &[Entry<T>]) -> ComponentSlot {
    let choices = entries.iter().map(|entry| ComponentChoice {
        name: entry.name,
        about: entry.about,
        keys: keys(entry),
        schema: described(path, entry),
    });
    ComponentSlot {
        path,
        choices: choices.collect(),
    }
}

fn described<T>(path: &str, entry: &Entry<T>) -> Json {
    let mut table = example(path, entry.name);
    table.remove("name");
    describe(|| (entry.build)(table))
}

fn section<T: Checked + JsonSchema>(name: &'static str) -> (&'static str, Json) {
    let table = DEFAULT_SETTINGS[name].as_table().expect("a table").clone();
    (name, describe(|| registry::read::<T>(table)))
}

/// A table of the component `name` at the path of its slot, with its name and every key that has a default or
/// an example.
pub fn example(path: &str, name: &str) -> Table {
    let is_it = |table: &&Table| table["name"].as_str() == Some(name);
    let default = value_at(&DEFAULT_SETTINGS, path).and_then(Value::as_table);
    let more = EXAMPLE_TABLES.get(path).and_then(Value::as_array);
    let more = more.into_iter().flatten().filter_map(Value::as_table);
    let found = default.into_iter().chain(more).find(is_it).cloned();
    let named = || Table::from_iter([("name".to_string(), name.into())]);
    let mut settings = found.unwrap_or_else(named);
    for key in path.rsplit('.') {
        settings = Table::from_iter([(key.to_string(), settings.into())]);
    }
    NEW_KEYS.fill(&mut settings);
    let filled = value_at(&settings, path).and_then(Value::as_table);
    filled.expect("the component is there").clone()
}

/// The default of the key `key` of the component `name` at `path`, if a recipe may leave the key out.
pub fn default_of(path: &str, name: &str, key: &str) -> Option<&'static Value> {
    let path = registry::joined(path, key);
    let mut known = NEW_KEYS.iter();
    let is_it = |of: &[&str]| of.is_empty() || of.contains(&name);
    let found = known.find(|(key, _)| key.path == path && is_it(key.of));
    found.map(|(_, default)| default)
}

/// Adds to every error about a missing key its range and an example. `settings`: those that the errors are about.
pub fn with_examples(
    errors: impl IntoIterator<Item = ComponentError>,
    settings: &Table,
) -> Vec<ComponentError> {
    let more = |error: ComponentError| {
        let told = error.needed().zip(needed(settings, &error.key));
        match told {
            // The component says itself why the key is needed.
            Some((reason, needed)) if reason.starts_with("needed by ") => {
                let needed = format!("{needed}; {reason}");
                ComponentError::lacking(error.key, needed)
            }
            Some((_, needed)) => ComponentError::lacking(error.key, needed),
            None => error,
        }
    };
    errors.into_iter().map(more).collect()
}

/// The value at the key `path` in words, with an example; none if the catalogue has no such key.
fn needed(settings: &Table, path: &str) -> Option<String> {
    if let Some(slot) = SLOTS.iter().find(|slot| slot.path == path) {
        let names = slot
            .choices
            .iter()
            .map(|choice| format!("`{}`", choice.name));
        let names = names.collect::<Vec<_>>().join(", ");
        return Some(format!("a table with a `name`, one of {names}"));
    }
    let inside = |table: &str| {
        path.strip_prefix(table)?
            .strip_prefix('.')
            .map(str::to_string)
    };
    let slots = SLOTS
        .iter()
        .rev()
        .filter_map(|slot| Some((slot, inside(slot.path)?)));
    let (schema, example) = match { slots }.next() {
        Some((slot, key)) => {
            // A table that is missing as a whole is that of the defaults.
            let path = registry::joined(slot.path, "name");
            let name = value_at(settings, &path).or_else(|| value_at(&DEFAULT_SETTINGS, &path));
            let name = name?.as_str().unwrap_or_default();
            let choice = slot.choices.iter().find(|choice| choice.name == name)?;
            (
                schema_at(&choice.schema, &key)?,
                value_at(&example(slot.path, name), &key).cloned(),
            )
        }
        None => {
            let (name, schema) = SECTIONS.iter().find(|(name, _)| inside(name).is_some())?;
            let key = inside(name)?;
            (
                schema_at(schema, &key)?,
                value_at(&DEFAULT_SETTINGS, path).cloned(),
            )
        }
    };
    let example = example.map(|value| format!("; for example {value}"));
    Some(in_words(schema) + &example.unwrap_or_default())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::experiment::settings::sections::Settings;
    use crate::experiment::settings::sections::tests::{table, with};
    use crate::experiment::{identity, normalise};
    use crate::recipe::{content_hash, keys_of_two_types};

    /// The schemas with the path of their table and an example of it.
    fn all() -> Vec<(&'static str, &'static Json, Table)> {
        let slots = SLOTS.iter().flat_map(|slot| {
            let choices = slot.choices.iter();
            choices.map(|choice| (slot.path, &choice.schema, example(slot.path, choice.name)))
        });
        let sections = SECTIONS.iter().map(|(name, schema)| {
            (
                *name,
                schema,
                DEFAULT_SETTINGS[*name].as_table().unwrap().clone(),
            )
        });
        slots.chain(sections).collect()
    }

    #[test]
    fn every_key_has_a_type_and_a_text() {
        fn walk(path: &str, schema: &Json) {
            for (key, inner) in schema["properties"].as_object().into_iter().flatten() {
                let path = registry::joined(path, key);
                let text = inner["description"].as_str().unwrap_or_default();
                assert!(text.len() > 8, "{path} has no text: {inner}");
                let typed = ["type", "enum", "oneOf", "anyOf"];
                assert!(
                    typed.iter().any(|key| inner.get(key).is_some()),
                    "{path}: {inner}"
                );
                walk(&path, inner);
            }
        }
        for (path, schema, example) in all() {
            let keys = example.keys().filter(|key| *key != "name");
            for key in keys {
                assert!(schema["properties"].get(key).is_some(), "{path}.{key}");
            }
            walk(path, schema);
        }
    }

    #[test]
    fn recipes_take_both_types_of_the_keys_that_have_two() {
        fn walk(path: &str, schema: &Json, found: &mut Vec<String>) {
            for (key, inner) in schema["properties"].as_object().into_iter().flatten() {
                let is_written = written_at(path).is_some_and(|table| table.contains_key(key));
                let path = registry::joined(path, key);
                walk(&path, inner, found);
                if inner["anyOf"].is_array() && is_written {
                    found.push(path);
                }
            }
        }
        let mut found = Vec::new();
        for (path, schema, _) in all() {
            walk(path, schema, &mut found);
        }
        found.sort();
        // Both networks have a backbone.
        found.dedup();
        assert_eq!(found, keys_of_two_types());
    }

    /// The table at `path` in `recipes/pl-dc.toml`.
    fn written_at(path: &str) -> Option<Table> {
        let mut names = path.split('.');
        names.try_fold(table(), |outer, name| outer.get(name)?.as_table().cloned())
    }

    /// The settings of `recipes/pl-dc.toml` with the component `inner` at `path`. If the component around it has no
    /// such slot there, it is the first one that has.
    pub(in crate::experiment::settings) fn with_component(path: &str, inner: &Table) -> Table {
        let mut settings = table();
        let Some((outer, key)) = path.rsplit_once('.') else {
            settings.insert(path.into(), inner.clone().into());
            return settings;
        };
        if value_at(&settings, path).is_none() {
            let slot = SLOTS.iter().find(|slot| slot.path == outer);
            let mut choices = slot.expect("a slot").choices.iter();
            let has = |choice: &&ComponentChoice| choice.schema["properties"].get(key).is_some();
            let name = choices.find(has).expect("a component with the slot").name;
            settings.insert(outer.into(), example(outer, name).into());
        }
        with(settings, path, inner.clone())
    }

    /// The keys that the reader of trials refuses.
    fn refused(settings: &Table) -> Vec<String> {
        let errors = Settings::read(settings).err().into_iter().flatten();
        errors.map(|error| error.key).collect()
    }

    #[test]
    fn the_range_that_is_told_is_the_range_that_is_read() {
        let mut tried = 0;
        for (path, schema, example) in all() {
            for (key, inner) in schema["properties"].as_object().into_iter().flatten() {
                let inner = if inner["items"].is_object() {
                    &inner["items"]
                } else {
                    inner
                };
                let full = registry::joined(path, key);
                let Some(value) = example.get(key) else {
                    continue;
                };
                let outside = [
                    inner["minimum"].as_f64().map(|low| low - 1.0),
                    inner["exclusiveMinimum"].as_f64(),
                    inner["maximum"].as_f64().map(|high| high + 1.0),
                    inner["exclusiveMaximum"].as_f64(),
                ];
                for number in outside.into_iter().flatten() {
                    let number = match registry::kind(inner) {
                        "integer" => Value::Integer(number as i64),
                        _ => Value::Float(number),
                    };
                    let wrong = match value {
                        Value::Array(list) => Value::Array(vec![number; list.len()]),
                        _ => number,
                    };
                    let mut table = example.clone();
                    table.insert(key.clone(), wrong.clone());
                    let found = refused(&with_component(path, &table));
                    let told = found.iter().any(|found| found.starts_with(&full));
                    assert!(told, "{full} = {wrong} is not refused: {found:?}");
                    tried += 1;
                }
            }
        }
        assert!(tried > 150, "{tried}");
    }

    #[test]
    fn a_component_is_the_same_trial_with_and_without_its_defaults() {
        for slot in SLOTS.iter() {
            for choice in &slot.choices {
                let whole = example(slot.path, choice.name);
                let mut short = whole.clone();
                short.retain(|key, value| {
                    default_of(slot.path, choice.name, key).is_none_or(|default| default != value)
                });
                let hash = |table: &Table| {
                    let mut settings = with_component(slot.path, table);
                    normalise(&mut settings);
                    content_hash(&identity(&settings))
                };
                assert_eq!(hash(&short), hash(&whole), "{} {}", slot.path, choice.name);
            }
        }
        let named = Table::from_iter([("name".to_string(), "adaptive".into())]);
        assert_eq!(
            refused(&with_component("method.filter", &named)),
            Vec::<String>::new()
        );
    }

    #[test]
    fn all_missing_keys_of_all_tables_come_together_with_their_ranges() {
        let lacking = with(
            table(),
            "method.filter",
            Table::from_iter([("name".to_string(), "decoupled".into())]),
        );
        let mut lacking = with(lacking, "augment.jitter", Table::new());
        for (table, key) in [("train", "rate"), ("method", "burn-in"), ("model", "loss")] {
            lacking[table].as_table_mut().unwrap().remove(key);
        }
        lacking.remove("eval");
        let errors = Settings::read(&lacking).unwrap_err();
        let errors = with_examples(errors, &lacking);
        let told: Vec<String> = errors.iter().map(|e| format!("{}: {e}", e.key)).collect();
        for line in [
            "augment.jitter.hue: missing; needed: a number, 0 to 0.5; for example 0.03",
            "model.loss.points: missing; needed: a whole number, 1 to 1000000; for example 256",
            "method.burn-in: missing; needed: a whole number, 0 to 1000000000; for example 800",
            "method.filter.class: missing; needed: a number, 0 to 1; for example 0.7",
            "method.filter.mask: missing; needed: a number, 0 to 1; for example 0.8",
            "train.rate: missing; needed: a number, above 0, at most 1000000; for example 0.0015",
            "eval.model: missing; needed: one of `teacher`, `student`, `average`; for example \"teacher\"",
        ] {
            assert!(
                told.iter().any(|told| told == line),
                "{line} is not in\n{}",
                told.join("\n")
            );
        }
        // `eval.metrics` has a default; a table inside another that is missing lacks those with one, too.
        assert_eq!(told.len(), 5 + 12 + 1 + 2 + 1 + 4, "{}", told.join("\n"));
    }
}
