//! Readings by class over the steps.

use super::super::evidence::Evidence;
use super::super::thresholds::lists_of;
use super::super::trial::KeptTrial;
use super::class_order::ClassOrder;
use crate::report::page::HeatMap;
use toml::Value;

/// The readings by class of the first trial of a row that has any. `name` names a class by its index, and `order` is
/// that of so many classes.
pub fn maps(
    row: &Evidence,
    name: &dyn Fn(usize) -> String,
    order: &dyn Fn(usize) -> ClassOrder,
) -> Vec<HeatMap> {
    for (trial, lines) in row.trials.iter().zip(&row.lines) {
        let mut found: Vec<HeatMap> = Vec::new();
        for line in lines {
            for (key, values) in lists_of(line) {
                let known = found.iter().position(|map| map.name == key);
                let place = known.unwrap_or_else(|| {
                    let marks = marks(trial, &key);
                    found.push(HeatMap {
                        marks,
                        label: row.label.to_string(),
                        name: key,
                        seeds: format!("seed {}", trial.seed),
                        classes: Vec::new(),
                        steps: Vec::new(),
                        values: Vec::new(),
                    });
                    found.len() - 1
                });
                found[place].steps.push(line.step);
                found[place].values.push(values);
            }
        }
        for map in &mut found {
            let count = map.values.iter().map(Vec::len).max().unwrap_or(0);
            let order = order(count).classes;
            map.classes = order.iter().map(|class| name(*class)).collect();
            for values in &mut map.values {
                let at = |class: &usize| values.get(*class).copied().flatten();
                *values = order.iter().map(at).collect();
            }
        }
        if !found.is_empty() {
            return found;
        }
    }
    Vec::new()
}

/// The numbers of a key of the filter of a trial.
fn numbers(trial: &KeptTrial, key: &str) -> Vec<f64> {
    let filter = || trial.settings.as_ref()?.get("method")?.get("filter");
    let value = filter().and_then(|filter| filter.get(key));
    let list = value.and_then(Value::as_array).map(|list| list.iter());
    list.into_iter()
        .flatten()
        .filter_map(Value::as_float)
        .collect()
}

/// The range in which the thresholds `key` begin, and the bounds within which they move, as the settings have them.
fn marks(trial: &KeptTrial, key: &str) -> Vec<(&'static str, f64)> {
    let Some(quality) = key.strip_prefix("thresholds.") else {
        return Vec::new();
    };
    let mut marks = Vec::new();
    if let [low, high] = numbers(trial, quality)[..] {
        marks.extend([
            ("lower end of the start", low),
            ("upper end of the start", high),
        ]);
    }
    if let [low, high] = numbers(trial, "clamp")[..] {
        marks.extend([("lower bound", low), ("upper bound", high)]);
    }
    marks
}

/// The filter of a row that has pseudo-labels and no readings by class, with its numbers: label and words.
pub fn fixed(row: &Evidence) -> Option<(String, String)> {
    let mut lines = row.lines.iter().flatten();
    if row.labels.is_none() || lines.any(|line| !lists_of(line).is_empty()) {
        return None;
    }
    let settings = row.trials.first()?.settings.as_ref()?;
    let filter = settings.get("method")?.get("filter")?.as_table()?;
    Some((row.label.to_string(), words(filter)))
}

/// A filter in words: `coupled 0.765`, or its keys with their values if it has several.
fn words(filter: &toml::Table) -> String {
    let name = filter.get("name").and_then(Value::as_str).unwrap_or("?");
    let others = filter.iter().filter(|(key, _)| *key != "name");
    let keys: Vec<(&String, &Value)> = others.collect();
    match keys[..] {
        [(_, value)] => format!("{name} {value}"),
        _ => {
            let keys: Vec<String> = keys
                .iter()
                .map(|(key, value)| format!("{key} {value}"))
                .collect();
            format!("{name}, {}", keys.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_filter_is_named_with_its_thresholds() {
        let of = |text: &str| words(&text.parse().unwrap());
        assert_eq!(of("name = 'coupled'\nthreshold = 0.765"), "coupled 0.765");
        assert_eq!(
            of("name = 'decoupled'\nclass = 0.7\nmask = 0.8"),
            "decoupled, class 0.7, mask 0.8"
        );
    }
}
