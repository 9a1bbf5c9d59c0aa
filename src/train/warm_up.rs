//! The factor on the learning rate with which the warm-up begins.

use crate::registry::{real, schema_of_word_or, word_or_number};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer};
use serde::{Serialize, Serializer};
use std::borrow::Cow;

/// The beginning of the linear warm-up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum WarmUpFrom {
    /// Step t, counted from 0, has (t + 1) / W of the rate, W the steps of the warm-up.
    Even,
    /// Step t has f + (1 - f) t / W of the rate, as in detectron2, torchvision and MMDetection.
    Factor(f64),
}

/// The word for [`WarmUpFrom::Even`].
const EVEN: &str = "even";

impl WarmUpFrom {
    /// The factor on the rate of step `step`, counted from 0, in a warm-up of `steps` steps: above 0, and at most 1.
    pub fn factor(self, step: usize, steps: usize) -> f64 {
        if step >= steps {
            return 1.0;
        }
        match self {
            Self::Even => (step + 1) as f64 / steps as f64,
            Self::Factor(first) => first + (1.0 - first) * step as f64 / steps as f64,
        }
    }
}

impl<'de> Deserialize<'de> for WarmUpFrom {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let found = word_or_number(deserializer, EVEN, "a factor on the rate", real)?;
        Ok(found.map_or(Self::Even, Self::Factor))
    }
}

impl Serialize for WarmUpFrom {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Even => EVEN.serialize(serializer),
            Self::Factor(factor) => factor.serialize(serializer),
        }
    }
}

impl JsonSchema for WarmUpFrom {
    fn schema_name() -> Cow<'static, str> {
        "WarmUpFrom".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let factor = json_schema!({ "type": "number", "exclusiveMinimum": 0, "maximum": 1 });
        schema_of_word_or(EVEN, &factor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use toml::{Table, Value};

    #[test]
    fn the_first_and_the_last_steps_of_both_rules() {
        let of = |from: WarmUpFrom| [0, 1, 3, 4, 9].map(|step| from.factor(step, 4));
        assert_eq!(of(WarmUpFrom::Even), [0.25, 0.5, 1.0, 1.0, 1.0]);
        // detectron2's `_get_warmup_factor_at_iter`: f (1 - t / W) + t / W.
        assert_eq!(of(WarmUpFrom::Factor(0.5)), [0.5, 0.625, 0.875, 1.0, 1.0]);
        assert_eq!(WarmUpFrom::Factor(0.001).factor(0, 0), 1.0, "no warm-up");
    }

    #[test]
    fn a_word_or_a_number_is_read_and_written() {
        let read = |text: &str| {
            let mut table: Table = format!("from = {text}").parse().unwrap();
            WarmUpFrom::deserialize(table.remove("from").unwrap())
        };
        assert_eq!(read("'even'").unwrap(), WarmUpFrom::Even);
        assert_eq!(read("0.001").unwrap(), WarmUpFrom::Factor(0.001));
        assert_eq!(read("1").unwrap(), WarmUpFrom::Factor(1.0));
        let error = read("'odd'").unwrap_err().to_string();
        assert!(
            error.contains("expected \"even\" or a factor on the rate"),
            "{error}"
        );
        for text in ["\"even\"", "0.25"] {
            let value = Value::try_from(read(text).unwrap()).unwrap();
            assert_eq!(value.to_string(), text);
        }
    }
}
