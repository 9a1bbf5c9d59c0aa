//! The description of a component's keys as a JSON Schema: names, types, texts, ranges.
//!
//! Names, types and texts come from the struct that reads the keys (`schemars`: the texts are its doc comments). Ranges
//! come from the component's own [`super::Check`]: [`describe`] makes the component from a table, and keeps every range
//! that is declared on the way. So a description cannot say anything else than the program does.

use super::errors::ComponentErrors;
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value, json};
use std::cell::RefCell;
use std::fmt::Display;
use std::ops::{Bound, RangeBounds};

/// One declaration of a component about its table.
enum Declared {
    /// The keys of the table at a path.
    Keys(String, Value),
    /// The range of the value at a path: keywords of JSON Schema.
    Range(String, Map<String, Value>),
    /// The words that the value at a path may be.
    Words(String, Vec<String>),
    /// A rule between keys, as text.
    Rule(String, String),
}

thread_local! {
    /// The declarations of the component that [`describe`] is making on this thread.
    static DECLARED: RefCell<Option<Vec<Declared>>> = const { RefCell::new(None) };
}

fn declare(declared: impl FnOnce() -> Declared) {
    DECLARED.with_borrow_mut(|list| {
        if let Some(list) = list {
            list.push(declared());
        }
    });
}

/// The table at `path` is read as a `K`.
pub(super) fn declare_keys<K: JsonSchema>(path: &str) {
    declare(|| Declared::Keys(path.to_string(), schema_of::<K>()));
}

/// The value at `path` is checked against `allowed`.
pub(super) fn declare_range<T: Display>(
    path: impl FnOnce() -> String,
    allowed: &impl RangeBounds<T>,
) {
    declare(|| Declared::Range(path(), keywords(allowed)));
}

/// The value at a path is one of the known words: `words` gives both.
pub(super) fn declare_words(words: impl FnOnce() -> (String, Vec<String>)) {
    declare(|| {
        let (path, known) = words();
        Declared::Words(path, known)
    });
}

/// The value at a path obeys a rule between keys: `rule` gives both.
pub(super) fn declare_rule(rule: impl FnOnce() -> (String, String)) {
    declare(|| {
        let (path, allowed) = rule();
        Declared::Rule(path, allowed)
    });
}

/// Runs `inner` without keeping its declarations: it makes another component.
pub(super) fn undeclared<R>(inner: impl FnOnce() -> R) -> R {
    let list = DECLARED.take();
    let result = inner();
    DECLARED.set(list);
    result
}

/// Makes a component with `build` and describes its table: a JSON Schema of an object whose properties have types,
/// texts, ranges, and as `rules` the rules between keys. If `build` refuses its table, ranges may be missing.
pub fn describe<T>(build: impl FnOnce() -> Result<T, ComponentErrors>) -> Value {
    let outer = DECLARED.replace(Some(Vec::new()));
    // A refused table has told its keys all the same.
    let _built = build();
    let declared = DECLARED.replace(outer).unwrap_or_default();
    let mut schema = json!({ "type": "object", "properties": {} });
    for one in declared {
        match one {
            Declared::Keys(path, keys) => put(&mut schema, &path, keys),
            Declared::Range(path, range) => {
                if let Some(value) = place(&mut schema, &path) {
                    value.extend(range);
                }
            }
            Declared::Words(path, known) => {
                if let Some(value) = place(&mut schema, &path) {
                    value.insert("enum".into(), known.into());
                }
            }
            Declared::Rule(path, allowed) => {
                if let Some(value) = place(&mut schema, &path) {
                    let rules = value.entry("rules").or_insert_with(|| json!([]));
                    let rules = rules.as_array_mut().expect("a list");
                    if !rules.iter().any(|rule| rule == &allowed) {
                        rules.push(allowed.into());
                    }
                }
            }
        }
    }
    // The component itself has a line about it in its registry.
    schema
        .as_object_mut()
        .map(|schema| schema.remove("description"));
    schema
}

/// The JSON Schema of a struct of keys, without references.
pub fn schema_of<K: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings
        .into_generator()
        .into_root_schema_for::<K>()
        .to_value();
    tidy(&mut schema);
    if let Some(root) = schema.as_object_mut() {
        root.remove("title");
    }
    schema
}

/// Removes what editors do not show, and the marks of Rust's documentation from the texts.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if map.get("format").is_some_and(Value::is_string) {
                map.remove("format");
            }
            if let Some(Value::String(text)) = map.get_mut("description") {
                let words: Vec<&str> = text.split_whitespace().collect();
                *text = words
                    .join(" ")
                    .replace("[`", "`")
                    .replace("`]", "`")
                    .replace("`$", "")
                    .replace("$`", "");
            }
            map.values_mut().for_each(tidy);
            without_null(map);
        }
        Value::Array(list) => list.iter_mut().for_each(tidy),
        _ => {}
    }
}

/// Takes the alternative `null` of a key that may be missing out of `schema`: TOML has no such value. What is left
/// alone stands in `schema` itself, whose own text stays.
fn without_null(schema: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = &types[..] {
            let only = only.clone();
            schema.insert("type".into(), only);
        }
    }
    let Some(Value::Array(ways)) = schema.get_mut("anyOf") else {
        return;
    };
    ways.retain(|way| way["type"] != "null");
    if let [Value::Object(only)] = &ways[..] {
        let only = only.clone();
        schema.remove("anyOf");
        for (keyword, value) in only {
            schema.entry(keyword).or_insert(value);
        }
    }
}

/// Puts the `keys` of the table at `path` into `schema`.
fn put(schema: &mut Value, path: &str, keys: Value) {
    let mut place = schema;
    for key in path.split('.').filter(|key| !key.is_empty()) {
        place = &mut place["properties"][key];
    }
    match (place.get_mut("properties"), &keys["properties"]) {
        // Several structs may share a table.
        (Some(Value::Object(known)), Value::Object(more)) => {
            known.extend(more.clone());
            for keyword in ["required", "additionalProperties"] {
                if let Some(value) = keys.get(keyword) {
                    place[keyword] = value.clone();
                }
            }
        }
        _ => *place = keys,
    }
}

/// The schema of the value at `path`, such as `cutout[0].area` or `effects.a`; for a list, that of its items.
fn place<'a>(schema: &'a mut Value, path: &str) -> Option<&'a mut Map<String, Value>> {
    let mut place = schema;
    for key in path.split('.') {
        let name = key.split('[').next()?;
        let named = place
            .get("properties")
            .is_some_and(|keys| keys.get(name).is_some());
        place = match named {
            true => &mut place["properties"][name],
            false => place
                .get_mut("additionalProperties")
                .filter(|inner| inner.is_object())?,
        };
        for _ in key.matches('[') {
            place = place.get_mut("items")?;
        }
    }
    let is_list = place.get("items").is_some_and(Value::is_object);
    let place = if is_list { &mut place["items"] } else { place };
    place.as_object_mut()
}

/// A range in keywords of JSON Schema.
fn keywords<T: Display>(allowed: &impl RangeBounds<T>) -> Map<String, Value> {
    let number = |bound: &T| serde_json::from_str::<Value>(&bound.to_string()).unwrap_or_default();
    let mut found = Map::new();
    match allowed.start_bound() {
        Bound::Included(low) => drop(found.insert("minimum".into(), number(low))),
        Bound::Excluded(low) => drop(found.insert("exclusiveMinimum".into(), number(low))),
        Bound::Unbounded => {}
    }
    match allowed.end_bound() {
        Bound::Included(high) => drop(found.insert("maximum".into(), number(high))),
        Bound::Excluded(high) => drop(found.insert("exclusiveMaximum".into(), number(high))),
        Bound::Unbounded => {}
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::words::in_words;

    #[derive(JsonSchema)]
    #[allow(dead_code)]
    struct Keys {
        /// A number.
        number: Option<f32>,
        /// A word.
        word: Option<Word>,
    }

    /// Some word.
    #[derive(JsonSchema)]
    #[serde(rename_all = "kebab-case")]
    #[allow(dead_code)]
    enum Word {
        /// One.
        One,
        /// Two.
        Two,
    }

    #[test]
    fn a_key_that_may_be_missing_is_never_null() {
        let keys = schema_of::<Keys>();
        assert!(!keys.to_string().contains("null"), "{keys}");
        let described = |key: &str| {
            let schema = &keys["properties"][key];
            (schema["description"].clone(), in_words(schema))
        };
        assert_eq!(described("number"), ("A number.".into(), "a number".into()));
        assert_eq!(
            described("word"),
            ("A word.".into(), "one of `one`, `two`".into())
        );
    }
}
