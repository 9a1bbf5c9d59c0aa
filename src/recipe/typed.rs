//! From the text of a typed setting (`--set`, a variable) to its value.
//!
//! The value is TOML. Text that is not TOML is taken as a string, so paths need no quotes. Where the recipe has a list,
//! the text may be the list's elements without brackets, `0,1,2`: shells such as zsh take brackets for a pattern. One
//! element alone is a list of one. Where the recipe has a string, a comma is a character like any other. Where a key
//! may be a list or something else, only a text with a comma is a list.

use super::either::other_type;
use super::overlay::{Layer, value_at};
use super::phases::common;
use toml::Value;

/// The keys of a recipe that are lists, and whether their elements are texts.
const LISTS: [(&str, bool); 2] = [("seeds", false), ("sweeps", true)];

/// The types of the values that the files of a recipe give.
#[derive(Clone, Copy)]
pub struct Expected<'a>(pub &'a [Layer]);

/// The type of the value of a key, as far as the reading of a text depends on it.
enum Kind {
    /// No list.
    Plain,
    /// A list, whose elements may be texts.
    List { texts: bool },
    /// A list of numbers, or one of them: `augment.size`.
    ListOrOne,
}

impl Expected<'_> {
    /// The type of the key at `path`.
    fn kind(&self, path: &[String]) -> Kind {
        let path = path.join(".");
        if let Some((_, texts)) = LISTS.iter().find(|(key, _)| *key == path) {
            return Kind::List { texts: *texts };
        }
        let mut layers = self.0.iter().rev();
        let known = layers.find_map(|layer| {
            let own = value_at(&layer.table, &path);
            own.or_else(|| value_at(&layer.table, common(&path)))
        });
        let elements = known.and_then(Value::as_array);
        match (elements, other_type(common(&path))) {
            (Some(_), Some(_)) | (None, Some(Value::Array(_))) => Kind::ListOrOne,
            (Some(elements), None) => Kind::List {
                texts: elements.first().is_some_and(Value::is_str),
            },
            (None, _) => Kind::Plain,
        }
    }
}

/// The value that `text` means for the key at `path`.
pub fn parse(text: &str, path: &[String], expected: Expected) -> Value {
    let value = parse_value(text);
    match (expected.kind(path), &value) {
        (Kind::Plain, _) | (_, Value::Array(_) | Value::Table(_)) => value,
        // An opening bracket is the beginning of a list in TOML, which has a mistake.
        _ if text.trim().is_empty() || text.trim_start().starts_with(['[', '{']) => value,
        (Kind::ListOrOne, _) if !text.contains(',') => value,
        (Kind::ListOrOne, _) => Value::Array(elements(text, false)),
        (Kind::List { texts }, _) => Value::Array(elements(text, texts)),
    }
}

/// The elements of a list that is written with commas and without brackets. As in TOML, a comma may follow the last.
fn elements(text: &str, texts: bool) -> Vec<Value> {
    // Quoted texts may hold commas.
    let list = parse_value(&format!("[{text}]"));
    if let Value::Array(elements) = list {
        let fits = |element: &Value| element.is_str() == texts;
        if elements.iter().all(fits) {
            return elements;
        }
    }
    let text = text.trim().strip_suffix(',').unwrap_or(text);
    let element = |part: &str| match texts {
        true => Value::String(part.trim().to_string()),
        false => parse_value(part.trim()),
    };
    text.split(',').map(element).collect()
}

/// Parses `text` as a TOML value, or else takes it as a string.
fn parse_value(text: &str) -> Value {
    let parsed = format!("value = {text}")
        .parse::<toml::Table>()
        .ok()
        .filter(|table| table.len() == 1);
    match parsed.and_then(|mut table| table.remove("value")) {
        Some(Value::Datetime(_)) | None => Value::String(text.to_string()),
        Some(value) => undated(value),
    }
}

/// Turns dates into text. No setting is a date, and as text it fails the type check with the usual message.
fn undated(value: Value) -> Value {
    match value {
        Value::Datetime(date) => Value::String(date.to_string()),
        Value::Array(items) => Value::Array(items.into_iter().map(undated).collect()),
        Value::Table(table) => {
            let entries = table.into_iter().map(|(key, value)| (key, undated(value)));
            Value::Table(entries.collect())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn values_are_toml_or_else_text() {
        for (text, expected) in [
            ("10", Value::Integer(10)),
            ("1e-4", Value::Float(1e-4)),
            ("true", Value::Boolean(true)),
            ("[0, 1]", Value::Array(vec![0.into(), 1.into()])),
            ("'10'", "10".into()),
            ("../data/coco", "../data/coco".into()),
            ("", "".into()),
            ("1\nother = 2", "1\nother = 2".into()),
        ] {
            assert_eq!(parse_value(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_list_needs_no_brackets_and_a_string_keeps_its_commas() {
        let table = "[data]\nroot = 'x'\nwidth = 1\n[train]\nbetas = [0.9, 0.98]\ndrop = 0.85\n[eval]\nmetrics = ['coco']\n\
                     [augment]\nsize = [192, 96]\n[split]\nseed = 'trial'";
        let layer = Layer {
            name: String::new(),
            table: table.parse().unwrap(),
            origins: BTreeMap::new(),
            note: None,
        };
        let layers = [layer];
        let parsed = |path: &str, text: &str| {
            let path: Vec<String> = path.split('.').map(str::to_string).collect();
            parse(text, &path, Expected(&layers)).to_string()
        };
        for (path, text, expected) in [
            ("seeds", "0,1,2", "[0, 1, 2]"),
            ("seeds", " 0, 1 ,2,", "[0, 1, 2]"),
            ("seeds", "3", "[3]"),
            ("seeds", "[3, 4]", "[3, 4]"),
            ("seeds", "0,a", "[0, \"a\"]"),
            ("seeds", "[0,1", "\"[0,1\""),
            ("seeds", "", "\"\""),
            (
                "sweeps",
                "modules,thresholds",
                "[\"modules\", \"thresholds\"]",
            ),
            ("sweeps", "modules", "[\"modules\"]"),
            ("sweeps", "'a,b', \"c\"", "[\"a,b\", \"c\"]"),
            ("sweeps", "2024,true", "[\"2024\", \"true\"]"),
            ("sweeps", "[]", "[]"),
            ("train.betas", "0.9,1e-1", "[0.9, 0.1]"),
            ("eval.metrics", "coco,lvis", "[\"coco\", \"lvis\"]"),
            ("data.root", "a,b", "\"a,b\""),
            ("data.width", "1,2", "\"1,2\""),
            ("data.other", "1,2", "\"1,2\""),
            ("augment.size", "192", "192"),
            ("augment.size", "512, 1024", "[512, 1024]"),
            ("augment.size", "[512, 1024]", "[512, 1024]"),
            ("train.drop", "0.9", "0.9"),
            ("train.drop", "0.6,0.8", "[0.6, 0.8]"),
            ("split.seed", "1,2", "\"1,2\""),
        ] {
            assert_eq!(parsed(path, text), expected, "{path}={text}");
        }
    }
}
