//! Keys whose value is a word or a number.

use schemars::{Schema, json_schema};
use serde::de::{Deserialize, Deserializer, Error};
use toml::Value;

/// Reads `word` as none, or else a value that `number` takes. `allowed` are such values in words.
///
/// # Errors
/// Another value. The error tells what is allowed.
pub fn word_or_number<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    word: &str,
    allowed: &str,
    number: impl Fn(&Value) -> Option<T>,
) -> Result<Option<T>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    if value.as_str() == Some(word) {
        return Ok(None);
    }
    let other = || D::Error::custom(format!("expected \"{word}\" or {allowed}, found {value}"));
    number(&value).map(Some).ok_or_else(other)
}

/// The number that `value` is, whole or not; none if it is none.
pub fn real(value: &Value) -> Option<f64> {
    match value {
        Value::Float(number) => Some(*number),
        Value::Integer(number) => Some(*number as f64),
        _ => None,
    }
}

/// The JSON Schema of `word`, or of a value of the schema `other`.
pub fn schema_of_word_or(word: &str, other: &Schema) -> Schema {
    json_schema!({ "anyOf": [{ "enum": [word] }, other] })
}
