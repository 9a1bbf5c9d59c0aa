//! Settings from the command line and the environment: `HARNESS_TRAIN__STEPS=10` and `--set train.steps=10`.
//!
//! The value is TOML. Text that is not TOML is taken as a string, so paths need no quotes.

use super::error::Problem;
use super::moved::{move_path, note};
use super::origin::{Location, Origin};
use super::overlay::Layer;
use std::collections::BTreeMap;

/// Environment variables with this prefix are settings.
const PREFIX: &str = "HARNESS_";

/// Returns one layer for each variable that is a setting, sorted by name. `__` separates levels, `_` stands
/// for `-`.
pub fn environment(variables: &[(String, String)]) -> Vec<Layer> {
    let mut settings: Vec<&(String, String)> = variables
        .iter()
        .filter(|(name, _)| name.starts_with(PREFIX))
        .collect();
    settings.sort();
    settings
        .into_iter()
        .filter_map(|(name, value)| {
            let path: Vec<String> = name[PREFIX.len()..]
                .split("__")
                .map(|part| part.to_lowercase().replace('_', "-"))
                .collect();
            layer(&path, value, Origin::Environment(name.clone()))
        })
        .collect()
}

/// Returns one layer for each `key.path=value`, in the given order. A malformed argument is a problem.
pub fn arguments(arguments: &[String], problems: &mut Vec<Problem>) -> Vec<Layer> {
    let mut layers = Vec::new();
    for argument in arguments {
        let made = argument.split_once('=').and_then(|(key, value)| {
            let path: Vec<String> = key.split('.').map(|part| part.trim().to_string()).collect();
            let whole = path.iter().all(|part| !part.is_empty());
            whole
                .then(|| layer(&path, value, Origin::Argument(argument.clone())))
                .flatten()
        });
        match made {
            Some(layer) => layers.push(layer),
            None => problems.push(Problem::at(
                Location::named(format!("--set {argument}")),
                "expected `key.path=value`, like `train.steps=100`",
            )),
        }
    }
    layers
}

fn layer(path: &[String], text: &str, origin: Origin) -> Option<Layer> {
    let mut path = path.to_vec();
    let given = path.join(".");
    let moved = move_path(&mut path);
    let mut layer = Layer {
        name: origin.to_string(),
        table: toml::Table::new(),
        origins: BTreeMap::new(),
        note: moved.then(|| note(&given, &origin.to_string())),
    };
    layer
        .insert(&path, parse_value(text), origin.clone())
        .ok()?;
    record_inner(&mut layer, &path, &origin);
    Some(layer)
}

/// Gives the keys inside a table that was written as one value the origin of the whole value.
fn record_inner(layer: &mut Layer, path: &[String], origin: &Origin) {
    fn walk(
        value: &toml::Value,
        path: &str,
        origin: &Origin,
        origins: &mut BTreeMap<String, Origin>,
    ) {
        if let toml::Value::Table(table) = value {
            for (key, inner) in table {
                let path = format!("{path}.{key}");
                walk(inner, &path, origin, origins);
                origins.insert(path, origin.clone());
            }
        }
    }
    let value = path
        .iter()
        .try_fold(&toml::Value::Table(layer.table.clone()), |value, key| {
            value.get(key)
        })
        .cloned();
    if let Some(value) = value {
        walk(&value, &path.join("."), origin, &mut layer.origins);
    }
}

/// Parses `text` as a TOML value, or else takes it as a string.
fn parse_value(text: &str) -> toml::Value {
    let parsed = format!("value = {text}")
        .parse::<toml::Table>()
        .ok()
        .filter(|table| table.len() == 1);
    match parsed.and_then(|mut table| table.remove("value")) {
        Some(toml::Value::Datetime(_)) | None => toml::Value::String(text.to_string()),
        Some(value) => undated(value),
    }
}

/// Turns dates into text. No setting is a date, and as text it fails the type check with the usual message.
fn undated(value: toml::Value) -> toml::Value {
    match value {
        toml::Value::Datetime(date) => toml::Value::String(date.to_string()),
        toml::Value::Array(items) => toml::Value::Array(items.into_iter().map(undated).collect()),
        toml::Value::Table(table) => {
            let entries = table.into_iter().map(|(key, value)| (key, undated(value)));
            toml::Value::Table(entries.collect())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_toml_or_else_text() {
        for (text, expected) in [
            ("10", toml::Value::Integer(10)),
            ("1e-4", toml::Value::Float(1e-4)),
            ("true", toml::Value::Boolean(true)),
            ("[0, 1]", toml::Value::Array(vec![0.into(), 1.into()])),
            ("'10'", "10".into()),
            ("../data/coco", "../data/coco".into()),
            ("", "".into()),
            ("1\nother = 2", "1\nother = 2".into()),
        ] {
            assert_eq!(parse_value(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_variable_names_a_path() {
        let variables = [
            ("HARNESS_MODEL__BACKBONE__STRIDE_IN_1X1", "true"),
            ("PATH", "/bin"),
            ("HARNESS_DATA__ROOT", "../x"),
        ]
        .map(|(name, value)| (name.to_string(), value.to_string()));
        let layers = environment(&variables);
        let tables: Vec<String> = layers
            .iter()
            .map(|layer| serde_json::to_string(&layer.table).unwrap())
            .collect();
        assert_eq!(
            tables,
            [
                r#"{"data":{"root":"../x"}}"#,
                r#"{"model":{"backbone":{"stride-in-1x1":true}}}"#
            ]
        );
        assert_eq!(
            layers[0].origins["data.root"].to_string(),
            "environment variable HARNESS_DATA__ROOT"
        );
    }

    #[test]
    fn an_argument_without_value_is_a_problem_and_the_others_count() {
        let mut problems = Vec::new();
        let given = [
            "train.steps",
            "a..b=1",
            "=1",
            "method={ name = 'supervised' }",
        ]
        .map(str::to_string);
        let layers = arguments(&given, &mut problems);
        assert_eq!(problems.len(), 3);
        assert_eq!(
            problems[0].to_string(),
            "--set train.steps: expected `key.path=value`, like `train.steps=100`\n"
        );
        assert!(layers[0].origins.contains_key("method.name"));
    }
}
