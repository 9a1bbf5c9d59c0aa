//! The JSON Schemas of recipes and sweeps, with the components of all registries.

use super::new_keys::NEW_KEYS;
use crate::data::DATASETS;
use crate::detector::DETECTORS;
use crate::graph::clip::VISION_LANGUAGE_MODELS;
use crate::method::METHODS;
use crate::method::correction::CORRECTIONS;
use crate::method::filter::FILTERS;
use crate::method::weighting::WEIGHTINGS;
use crate::recipe::{Choice, DEFAULTS, Slot, recipe_schema, sweep_schema};
use crate::registry::{Entry, keys};

/// The schema of a recipe, or of a sweep file, as JSON text.
pub fn schema(sweep: bool) -> String {
    let slots = slots();
    let schema = match sweep {
        true => sweep_schema(DEFAULTS, &slots, &NEW_KEYS),
        false => recipe_schema(DEFAULTS, &slots, &NEW_KEYS),
    };
    format!("{schema:#}")
}

/// The tables of a recipe that are components.
pub(super) fn slots() -> [Slot; 7] {
    [
        slot("data", DATASETS),
        slot("model", DETECTORS),
        slot("method", METHODS),
        slot("method.filter", FILTERS),
        slot("method.correction", CORRECTIONS),
        slot("method.correction.vlm", VISION_LANGUAGE_MODELS),
        slot("method.weighting", WEIGHTINGS),
    ]
}

fn slot<T>(path: &'static str, entries: &[Entry<T>]) -> Slot {
    let choices = entries.iter().map(|entry| Choice {
        name: entry.name,
        about: entry.about,
        keys: keys(entry),
    });
    Slot {
        path,
        choices: choices.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::value_at;
    use toml::Table;

    #[test]
    fn every_component_tells_its_keys_and_the_defaults_have_them_all() {
        let defaults: Table = DEFAULTS.parse().unwrap();
        for slot in slots() {
            let table = value_at(&defaults, slot.path).unwrap().as_table().unwrap();
            for choice in &slot.choices {
                let mut keys = choice
                    .keys
                    .clone()
                    .unwrap_or_else(|| panic!("{}", choice.name));
                if table["name"].as_str() == Some(choice.name) {
                    keys.push("name".into());
                    keys.sort();
                    let expected: Vec<&String> = table.keys().collect();
                    assert_eq!(keys.iter().collect::<Vec<_>>(), expected, "{}", slot.path);
                }
            }
        }
    }
}
