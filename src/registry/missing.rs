//! Finds all keys that a table lacks, before its struct is read: serde tells the first one alone.

use super::joined;
use super::words::{choices, kind};
use serde_json::Value;
use toml::{Table, Value as Toml};

/// A value of the type that `schema` describes. It need not be in range.
fn placeholder(schema: &Value) -> Toml {
    if let Some(word) = choices(schema).first() {
        return Toml::from(*word);
    }
    if let Some(way) = schema["anyOf"].get(0) {
        return placeholder(way);
    }
    match kind(schema) {
        "integer" => Toml::Integer(1),
        "number" => Toml::Float(0.5),
        "boolean" => Toml::Boolean(false),
        "array" => {
            let count = schema["minItems"].as_u64().unwrap_or(0);
            (0..count)
                .map(|_| placeholder(&schema["items"]))
                .collect::<Vec<_>>()
                .into()
        }
        "object" => {
            let keys = schema["properties"].as_object().into_iter().flatten();
            let keys = keys.map(|(key, inner)| (key.clone(), placeholder(inner)));
            Toml::Table(keys.collect())
        }
        _ => Toml::from(""),
    }
}

/// A key that a table has to have and has not.
pub(super) struct MissingKey {
    path: Vec<Step>,
    /// Its description.
    pub schema: Value,
}

/// A step into a value.
#[derive(Clone)]
enum Step {
    Key(String),
    Index(usize),
}

/// All keys that `schema` demands and `table` lacks, also in the tables inside it.
pub(super) fn missing(schema: &Value, table: &Table) -> Vec<MissingKey> {
    let mut found = Vec::new();
    walk(schema, table, &mut Vec::new(), &mut found);
    found
}

fn walk(schema: &Value, table: &Table, path: &mut Vec<Step>, found: &mut Vec<MissingKey>) {
    let required = schema["required"].as_array();
    let is_required = |name: &str| required.is_some_and(|all| all.iter().any(|one| one == name));
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        let value = table.get(name);
        if value.is_none() && !is_required(name) {
            continue;
        }
        path.push(Step::Key(name.clone()));
        match value {
            Some(value) => inside(inner, value, path, found),
            // A table that is missing lacks all its keys.
            None if inner["properties"].is_object() => walk(inner, &Table::new(), path, found),
            None => found.push(MissingKey {
                path: path.clone(),
                schema: inner.clone(),
            }),
        }
        path.pop();
    }
}

fn inside(schema: &Value, value: &Toml, path: &mut Vec<Step>, found: &mut Vec<MissingKey>) {
    match value {
        Toml::Table(table) => walk(schema, table, path, found),
        Toml::Array(list) => {
            for (index, item) in list.iter().enumerate() {
                path.push(Step::Index(index));
                inside(&schema["items"], item, path, found);
                path.pop();
            }
        }
        _ => {}
    }
}

impl MissingKey {
    /// Its path as text, such as `cutout[1].area`.
    pub fn path(&self) -> String {
        let mut path = String::new();
        for step in &self.path {
            match step {
                Step::Key(key) => path = joined(&path, key),
                Step::Index(index) => path += &format!("[{index}]"),
            }
        }
        path
    }

    /// Its name.
    pub fn name(&self) -> &str {
        match self.path.last() {
            Some(Step::Key(name)) => name,
            _ => "",
        }
    }

    /// Puts a value of its type into `table`, so that the rest of it can be read.
    pub fn fill(&self, table: &mut Table) {
        let whole = std::mem::take(table);
        let mut root = Toml::Table(whole);
        let mut place = Some(&mut root);
        for step in &self.path {
            place = match (step, place) {
                (Step::Key(key), Some(Toml::Table(table))) => {
                    let missing = || Toml::Table(Table::new());
                    Some(table.entry(key.clone()).or_insert_with(missing))
                }
                (Step::Index(index), Some(list)) => list.get_mut(*index),
                _ => None,
            };
        }
        if let Some(place) = place {
            *place = placeholder(&self.schema);
        }
        if let Toml::Table(filled) = root {
            *table = filled;
        }
    }
}
