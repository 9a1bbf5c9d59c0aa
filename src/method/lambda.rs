//! Key `lambda`: the weight of the unlabelled loss, one for the whole or one for each of its terms.
//!
//! `$$ L = L_{sup} + \lambda L_{unsup} \qquad\text{or}\qquad L = L_{sup} + \sum_i \lambda_i w_i L_i $$`
//!
//! `$L_i$`: the terms of the unlabelled loss; `$w_i$`: their weights in `[model.loss]`.

use crate::detector::Losses;
use crate::registry::{Check, MOST_WEIGHT, real};
use crate::tensor::Tensor2;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use std::borrow::Cow;
use std::fmt;
use toml::Value;

/// The name of the weight of the terms that have none of their own.
const DEFAULT: &str = "default";

/// The names in a table: [`DEFAULT`], and the terms of the losses of all detectors.
const NAMES: &[&str] = &[
    DEFAULT,
    "class",
    "mask",
    "dice",
    "box",
    "rpn-objectness",
    "rpn-box",
    "mask-coarse",
    "centreness",
    "iou",
];

/// The weight of the unlabelled loss.
#[derive(Clone, Debug, PartialEq)]
pub enum Lambda {
    /// Of all terms.
    One(f32),
    /// By term, in the order of the recipe; one that is not named has the weight called `default`, or 1.
    ByTerm(Vec<(&'static str, f32)>),
}

impl Lambda {
    /// The weight of the term `name`.
    fn of(&self, name: &str) -> f32 {
        match self {
            Self::One(weight) => *weight,
            Self::ByTerm(weights) => {
                let named = |name: &str| weights.iter().find(|(term, _)| *term == name);
                let own = named(name).or_else(|| named(DEFAULT));
                own.map_or(1.0, |(_, weight)| *weight)
            }
        }
    }

    /// The summands of the weighted unlabelled loss. A term without weight is none.
    pub fn summands<'l>(&self, losses: &'l Losses) -> Vec<(&'l Tensor2, f32)> {
        if let Self::One(weight) = self {
            return vec![(&losses.total, *weight)];
        }
        let terms = losses.terms.iter().zip(&losses.weights);
        let weighted = terms.map(|((name, term), weight)| (term, self.of(name) * weight));
        weighted.filter(|(_, weight)| *weight != 0.0).collect()
    }

    /// The weights of the terms that the recipe names.
    pub fn named(&self) -> Vec<(&'static str, f32)> {
        let weights = match self {
            Self::One(_) => [].iter(),
            Self::ByTerm(weights) => weights.iter(),
        };
        weights
            .filter(|(name, _)| *name != DEFAULT)
            .copied()
            .collect()
    }

    /// Refuses weights that are out of range.
    pub fn check(&self, check: &mut Check) {
        let allowed = 0.0..=MOST_WEIGHT as f32;
        match self {
            Self::One(weight) => check.range("lambda", *weight, allowed),
            Self::ByTerm(weights) => {
                for (name, weight) in weights {
                    check.range(&format!("lambda.{name}"), *weight, allowed.clone());
                }
            }
        }
    }
}

/// Rewrites the key `lambda` of the table of a method: a table with `default` alone is a number.
pub(super) fn normalise(method: &mut toml::Table) {
    let Some(value) = method.get_mut("lambda") else {
        return;
    };
    let weights = value
        .as_table()
        .filter(|weights| weights.keys().all(|key| key == DEFAULT));
    if let Some(weights) = weights {
        *value = weights.get(DEFAULT).and_then(real).unwrap_or(1.0).into();
    }
}

impl<'de> Deserialize<'de> for Lambda {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberOrTable)
    }
}

/// Reads either form.
struct NumberOrTable;

impl<'de> Visitor<'de> for NumberOrTable {
    type Value = Lambda;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a number, or a table of numbers by term")
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Lambda, E> {
        Ok(Lambda::One(number as f32))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Lambda, E> {
        Ok(Lambda::One(number as f32))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut table: A) -> Result<Lambda, A::Error> {
        let mut weights = Vec::new();
        while let Some(key) = table.next_key::<String>()? {
            let known = NAMES.iter().find(|name| **name == key);
            let name = known.ok_or_else(|| A::Error::unknown_field(&key, NAMES))?;
            let value: Value = table.next_value()?;
            let other = || A::Error::custom(format!("expected a number, found {value}"));
            weights.push((*name, real(&value).ok_or_else(other)? as f32));
        }
        Ok(Lambda::ByTerm(weights))
    }
}

impl JsonSchema for Lambda {
    fn schema_name() -> Cow<'static, str> {
        "Lambda".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let number =
            json_schema!({ "type": "number", "minimum": 0, "maximum": MOST_WEIGHT as u64 });
        let named = NAMES
            .iter()
            .map(|name| (name.to_string(), number.clone().to_value()));
        let named: serde_json::Map<_, _> = named.collect();
        let table =
            json_schema!({ "type": "object", "properties": named, "additionalProperties": false });
        json_schema!({ "anyOf": [number, table] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::weighted_sum;
    use crate::registry;
    use crate::tensor::Tape;

    #[derive(serde::Deserialize, JsonSchema, Debug)]
    #[serde(deny_unknown_fields)]
    struct Keys {
        lambda: Lambda,
    }

    impl registry::Checked for Keys {
        fn check(&self, check: &mut Check) {
            self.lambda.check(check);
        }
    }

    fn read(text: &str) -> Result<Lambda, String> {
        let table = format!("lambda = {text}").parse().expect("TOML");
        let read = registry::read::<Keys>(table).map(|keys| keys.lambda);
        read.map_err(|errors| format!("{}: {}", errors[0].key, errors[0].message))
    }

    fn losses(terms: [(&'static str, f32, f32); 3]) -> Losses {
        let constant = |value| Tensor2::constant(vec![value], 1, 1);
        let total = terms.iter().map(|(_, value, weight)| value * weight).sum();
        Losses {
            terms: terms
                .iter()
                .map(|(name, value, _)| (*name, constant(*value)))
                .collect(),
            weights: terms.iter().map(|(.., weight)| *weight).collect(),
            total: constant(total),
        }
    }

    #[test]
    fn the_weight_of_a_term_is_its_own_or_the_default_and_that_of_the_recipe_counts_too() {
        let losses = losses([
            ("class", 3.0, 2.0),
            ("box", 5.0, 1.0),
            ("rpn-box", 7.0, 4.0),
        ]);
        let sum = |text: &str| {
            let lambda = read(text).unwrap();
            weighted_sum(&mut Tape::off(), &lambda.summands(&losses)).scalar()
        };
        assert_eq!(sum("1.0"), 39.0);
        assert_eq!(sum("4"), 156.0);
        assert_eq!(sum("{ default = 4.0 }"), 156.0);
        assert_eq!(sum("{ box = 10 }"), 6.0 + 50.0 + 28.0);
        assert_eq!(sum("{ default = 0.5, class = 2.0 }"), 12.0 + 2.5 + 14.0);
    }

    #[test]
    fn a_term_without_weight_is_left_out_of_the_backward_pass() {
        let losses = losses([
            ("class", 3.0, 2.0),
            ("box", 5.0, 0.0),
            ("rpn-box", 7.0, 4.0),
        ]);
        let lambda = read("{ rpn-box = 0.0 }").unwrap();
        assert_eq!(lambda.summands(&losses).len(), 1);
        assert_eq!(lambda.named(), [("rpn-box", 0.0)]);
        assert_eq!(read("{ default = 2.0 }").unwrap().named(), []);
    }

    #[test]
    fn wrong_values_are_named_with_their_term() {
        for (text, expected) in [
            ("-1.0", "lambda: -1 is out of range; allowed: 0 to 1000000"),
            ("{ class = -1.0 }", "lambda.class: -1 is out of range"),
            ("{ clas = 1.0 }", "lambda: unknown field `clas`"),
            ("{ class = 'x' }", "lambda: expected a number, found \"x\""),
            (
                "'x'",
                "lambda: expected a number, or a table of numbers by term, found string \"x\"",
            ),
        ] {
            let found = read(text).unwrap_err();
            assert!(found.starts_with(expected), "{found}");
        }
    }

    #[test]
    fn a_table_with_the_default_alone_is_the_number() {
        let normalised = |text: &str| {
            let mut table = format!("lambda = {text}").parse().expect("TOML");
            normalise(&mut table);
            table["lambda"].to_string()
        };
        assert_eq!(normalised("{ default = 2 }"), "2.0");
        assert_eq!(normalised("{}"), "1.0");
        assert_eq!(normalised("3.0"), "3.0");
        assert!(normalised("{ default = 2, class = 2 }").contains("class"));
    }
}
