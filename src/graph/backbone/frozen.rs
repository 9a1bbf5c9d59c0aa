//! The stages of a backbone that are not trained.

use super::STAGES;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error};
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use toml::Value;

/// How many stages are not trained, from the first on. As in detectron2, the stem is stage 1, and stage n is `res<n>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frozen(usize);

impl Frozen {
    /// Every stage is trained.
    pub const NOTHING: Self = Self(0);
    /// No stage is trained.
    pub const ALL: Self = Self(STAGES + 1);

    /// The stages up to `last` are not trained; none if that is no stage, or the last one: [`Self::ALL`].
    pub fn up_to(last: i64) -> Option<Self> {
        let stage = usize::try_from(last).ok()?;
        (1..=STAGES).contains(&stage).then_some(Self(stage))
    }

    /// True if `stage` is not trained.
    pub fn holds(self, stage: usize) -> bool {
        stage <= self.0
    }

    /// True if no stage is trained.
    pub fn is_all(self) -> bool {
        self == Self::ALL
    }
}

impl<'de> Deserialize<'de> for Frozen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let frozen = match value {
            Value::Boolean(true) => Some(Self::ALL),
            Value::Boolean(false) => Some(Self::NOTHING),
            Value::Integer(last) => Self::up_to(last),
            _ => None,
        };
        let allowed = format!("true, false, or a number from 1 to {STAGES}");
        frozen.ok_or_else(|| D::Error::custom(format!("expected {allowed}, found {value}")))
    }
}

impl Serialize for Frozen {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::NOTHING => false.serialize(serializer),
            Self::ALL => true.serialize(serializer),
            Self(stages) => stages.serialize(serializer),
        }
    }
}

impl JsonSchema for Frozen {
    fn schema_name() -> Cow<'static, str> {
        "Frozen".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let some = json_schema!({ "type": "integer", "minimum": 1, "maximum": STAGES });
        json_schema!({ "anyOf": [{ "type": "boolean" }, some] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Frozen, String> {
        let mut table: toml::Table = format!("frozen = {text}").parse().unwrap();
        let frozen = Frozen::deserialize(table.remove("frozen").unwrap());
        frozen.map_err(|error| error.to_string())
    }

    #[test]
    fn a_number_counts_the_stem_and_a_word_means_all_or_nothing() {
        for (text, held) in [
            ("false", [false; 5]),
            ("1", [true, false, false, false, false]),
            ("2", [true, true, false, false, false]),
            ("4", [true, true, true, true, false]),
            ("true", [true; 5]),
        ] {
            let frozen = read(text).unwrap();
            assert_eq!([1, 2, 3, 4, 5].map(|stage| frozen.holds(stage)), held);
            assert_eq!(frozen.is_all(), text == "true");
            assert_eq!(Value::try_from(frozen).unwrap().to_string(), text);
        }
        for text in ["0", "5", "-1", "2.0", "'res2'"] {
            let error = read(text).unwrap_err();
            assert!(
                error.starts_with("expected true, false, or a number from 1 to 4"),
                "{error}"
            );
        }
    }
}
