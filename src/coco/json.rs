//! A JSON file as a type. A file that is none gives one line that names the file and the place.

use super::text;
use anyhow::{Context, Result, anyhow, bail};
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
    let bytes = std::fs::read(file).with_context(|| file.display().to_string())?;
    parse(bytes, expected)
        .map_err(|error| anyhow!("{}: not {}: {error}", file.display(), expected.name))
}

fn parse<T: DeserializeOwned>(bytes: Vec<u8>, expected: &Expected) -> Result<T> {
    let text = text::decoded(bytes)?;
    let first = text.iter().find(|byte| !byte.is_ascii_whitespace());
    let other = match first {
        Some(b'[') if expected.opening != b'[' => Some("a list"),
        Some(b'{') if expected.opening != b'{' => Some("an object"),
        _ => None,
    };
    if let Some(other) = other {
        bail!("{other}; needed: {}", expected.form);
    }
    serde_json::from_slice(&text).map_err(|error| match error.classify() {
        Category::Eof => anyhow!("cut off: {error}"),
        Category::Data => anyhow!("{}{error}", place_of_error::<T>(&text)),
        Category::Syntax | Category::Io => anyhow!("not JSON: {error}"),
    })
}

/// The path to the value that cannot be read. To follow the path takes time, so only a bad file is read this way.
fn place_of_error<T: DeserializeOwned>(text: &[u8]) -> String {
    let mut json = serde_json::Deserializer::from_slice(text);
    match serde_path_to_error::deserialize::<_, T>(&mut json) {
        Err(error) if error.path().iter().len() > 0 => format!("{}: ", error.path()),
        _ => String::new(),
    }
}
