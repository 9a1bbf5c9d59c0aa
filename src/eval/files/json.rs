//! A JSON file as a type, and what is wrong with one that is none: always one line that names the file.

use anyhow::{Context, Result, bail};
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use std::path::Path;

/// The expected content of a file.
pub struct Expected {
    /// In a message.
    pub name: &'static str,
    /// The first character.
    pub opening: u8,
    /// The meaning of the opening.
    pub form: &'static str,
}

/// Reads `file`.
///
/// # Errors
/// It cannot be read, is no JSON, or not what is expected.
pub fn read<T: DeserializeOwned>(file: &Path, expected: &Expected) -> Result<T> {
    let name = file.display();
    let text = std::fs::read(file).with_context(|| name.to_string())?;
    let first = text.iter().find(|byte| !byte.is_ascii_whitespace());
    let other = match first {
        Some(b'[') if expected.opening != b'[' => Some("a list"),
        Some(b'{') if expected.opening != b'{' => Some("an object"),
        _ => None,
    };
    if let Some(other) = other {
        bail!(
            "{name}: not {}: {other}; needed: {}",
            expected.name,
            expected.form
        );
    }
    let mut json = serde_json::Deserializer::from_slice(&text);
    let wrong = |path: String, error: &serde_json::Error| {
        let place = match path.as_str() {
            "." => String::new(),
            path => format!("{path}: "),
        };
        match error.classify() {
            Category::Eof => format!("{name}: cut off: {error}"),
            Category::Data => format!("{name}: not {}: {place}{error}", expected.name),
            Category::Syntax | Category::Io => format!("{name}: not JSON: {error}"),
        }
    };
    let value = match serde_path_to_error::deserialize(&mut json) {
        Ok(value) => value,
        Err(error) => bail!(wrong(error.path().to_string(), error.inner())),
    };
    match json.end() {
        Ok(()) => Ok(value),
        Err(error) => bail!(wrong(".".to_string(), &error)),
    }
}
