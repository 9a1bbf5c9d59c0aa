//! Readings by class over the steps.

use super::super::evidence::Evidence;
use super::super::thresholds::lists;
use crate::report::page::HeatMap;

/// The readings by class of the first trial of a row that has any. `name` names a class by its index.
pub fn maps(row: &Evidence, name: &dyn Fn(usize) -> String) -> Vec<HeatMap> {
    for (trial, lines) in row.trials.iter().zip(&row.lines) {
        let mut found: Vec<HeatMap> = Vec::new();
        for line in lines {
            let read = line
                .readings
                .iter()
                .flat_map(|(key, value)| lists(key, value));
            for (key, values) in read {
                let known = found.iter().position(|map| map.name == key);
                let place = known.unwrap_or_else(|| {
                    found.push(HeatMap {
                        label: row.label.to_string(),
                        name: key,
                        seed: trial.seed,
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
            map.classes = (0..count).map(name).collect();
        }
        if !found.is_empty() {
            return found;
        }
    }
    Vec::new()
}
