//! The places of a training at which the learning rate falls to a tenth.

use crate::registry::real;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error};
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use toml::Value;

/// Fractions of the steps, in the order of the recipe.
#[derive(Clone, Debug, PartialEq)]
pub struct Drops(pub Vec<f64>);

impl Drops {
    /// The number of drops before step `step` of `steps`, counted from 0.
    pub fn before(&self, step: usize, steps: usize) -> usize {
        let passed = |fraction: &&f64| step as f64 >= **fraction * steps as f64;
        self.0.iter().filter(passed).count()
    }
}

impl From<f64> for Drops {
    fn from(one: f64) -> Self {
        Self(vec![one])
    }
}

impl<'de> Deserialize<'de> for Drops {
    /// A number is one drop; a list holds one number for each.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let drops = match &value {
            Value::Array(numbers) => numbers.iter().map(real).collect(),
            one => real(one).map(|one| vec![one]),
        };
        let allowed = "a fraction of the steps, or a list of fractions";
        drops
            .map(Self)
            .ok_or_else(|| D::Error::custom(format!("expected {allowed}, found {value}")))
    }
}

impl Serialize for Drops {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0[..] {
            [one] => one.serialize(serializer),
            several => several.serialize(serializer),
        }
    }
}

impl JsonSchema for Drops {
    fn schema_name() -> Cow<'static, str> {
        "Drops".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let fraction = json_schema!({ "type": "number", "minimum": 0, "maximum": 1 });
        let several = json_schema!({ "type": "array", "items": fraction });
        json_schema!({ "anyOf": [fraction, several] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Drops, String> {
        let mut table: toml::Table = format!("drop = {text}").parse().unwrap();
        let drops = Drops::deserialize(table.remove("drop").unwrap());
        drops.map_err(|error| error.to_string())
    }

    #[test]
    fn a_drop_is_a_fraction_or_a_list() {
        assert_eq!(read("0.85"), Ok(0.85.into()));
        assert_eq!(read("1"), Ok(1.0.into()));
        assert_eq!(read("[0.5, 0.75]"), Ok(Drops(vec![0.5, 0.75])));
        assert_eq!(read("[]"), Ok(Drops(Vec::new())));
        for wrong in ["'late'", "[0.5, 'late']", "true"] {
            let message = read(wrong).unwrap_err();
            assert!(
                message.contains("or a list of fractions, found"),
                "{message}"
            );
        }
    }

    #[test]
    fn drops_are_counted_from_their_step_on() {
        let drops = Drops(vec![0.75, 0.5]);
        let counts = [0, 49, 50, 74, 75, 99].map(|step| drops.before(step, 100));
        assert_eq!(counts, [0, 0, 1, 1, 2, 2]);
    }

    #[test]
    fn the_fractions_of_mask_rcnn_are_exactly_its_steps() {
        let recipe = include_str!("../../recipes/mask-rcnn-r50.toml");
        let recipe: toml::Table = recipe.parse().unwrap();
        let drops = Drops::deserialize(recipe["train"]["drop"].clone()).unwrap();
        let steps = recipe["train"]["steps"].as_integer().unwrap();
        assert_eq!(steps, 90_000);
        let counts = [0, 59_999, 60_000, 79_999, 80_000, 89_999];
        let counts = counts.map(|step| drops.before(step, steps as usize));
        assert_eq!(counts, [0, 0, 1, 1, 2, 2]);
    }

    #[test]
    fn one_drop_is_written_as_a_number() {
        let written = |drops: Drops| toml::Value::try_from(drops).unwrap().to_string();
        assert_eq!(written(0.85.into()), "0.85");
        assert_eq!(written(Drops(vec![0.5, 0.75])), "[0.5, 0.75]");
    }
}
