//! What a filter reads by class, such as its thresholds: the first and the last line of the journal that have it.

use super::journal::Line;
use crate::train::{Folded, JOURNAL_KEYS};
use serde_json::Value;

/// A reading with one value for each class.
#[derive(Clone, Debug, PartialEq)]
pub struct ByClass {
    /// Its name: the journal's key, and the name of the list if the key has several.
    pub name: String,
    /// The values of the first line, by class; none where a class has none.
    pub first: Vec<Option<f64>>,
    /// Those of the last line.
    pub last: Vec<Option<f64>>,
}

/// All readings by class in `lines`.
pub fn by_class(lines: &[Line]) -> Vec<ByClass> {
    let mut found: Vec<ByClass> = Vec::new();
    for line in lines {
        for (name, values) in lists_of(line) {
            match found.iter_mut().find(|known| known.name == name) {
                Some(known) => known.last = values,
                None => found.push(ByClass {
                    name,
                    first: values.clone(),
                    last: values,
                }),
            }
        }
    }
    found
}

/// The lists of a line that have the state at its end. Counts by class are sums over its window, and no such state.
pub fn lists_of(line: &Line) -> Vec<(String, Vec<Option<f64>>)> {
    let is_sum = |key: &str| {
        let known = JOURNAL_KEYS.iter().find(|known| known.name == key);
        known.is_some_and(|known| known.value == Folded::Sum)
    };
    let states = line.readings.iter().filter(|(key, _)| !is_sum(key));
    states.flat_map(|(key, value)| lists(key, value)).collect()
}

/// The lists of numbers of a reading: a list by itself, or every list of a table.
pub fn lists(key: &str, value: &Value) -> Vec<(String, Vec<Option<f64>>)> {
    let numbers = |value: &Value| -> Option<Vec<Option<f64>>> {
        let list = value.as_array().filter(|list| !list.is_empty())?;
        Some(list.iter().map(Value::as_f64).collect())
    };
    match value {
        Value::Object(table) => {
            let named = table.iter();
            named
                .filter_map(|(name, value)| Some((format!("{key}.{name}"), numbers(value)?)))
                .collect()
        }
        value => numbers(value)
            .map(|list| (key.to_string(), list))
            .into_iter()
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::journal::tests::line;
    use super::*;

    #[test]
    fn the_first_and_the_last_line_count() {
        let lines = [
            line(20, r#"{"loss":1.0}"#),
            line(40, r#"{"thresholds":{"class":[0.7,0.8],"mask":[0.9,0.9]}}"#),
            line(
                60,
                r#"{"thresholds":{"class":[0.6,0.8],"mask":[0.9,0.9]},"share-thresholds":[null,0.5],"kept-by-class":[7,0]}"#,
            ),
        ];
        let found = by_class(&lines);
        let names: Vec<&str> = found.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(
            names,
            ["thresholds.class", "thresholds.mask", "share-thresholds"],
            "counts are no thresholds"
        );
        assert_eq!(found[0].first, [Some(0.7), Some(0.8)]);
        assert_eq!(found[0].last, [Some(0.6), Some(0.8)]);
        assert_eq!(found[2].last, [None, Some(0.5)]);
    }
}
