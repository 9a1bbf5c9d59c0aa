//! The errors in the table of a component, each with the path of its key.

use std::fmt;
use std::ops::Deref;

/// The beginning of the message about a key that is missing.
const MISSING: &str = "missing; ";

/// One wrong key of a component's table.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct ComponentError {
    /// The path of the key inside the component's table; empty for the table itself.
    pub key: String,
    /// The value found and the allowed values.
    pub message: String,
}

impl ComponentError {
    /// An error about `key`.
    pub fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            message: message.into(),
        }
    }

    /// The word `found` at `key` is not one of the `known` ones. The recipe's reader adds "did you mean".
    pub fn one_of<'a>(
        key: impl Into<String>,
        found: impl fmt::Display,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        Self::new(key, format!("unknown `{found}`; known: {}", listed(known)))
    }

    /// The value at `key` is missing; it must be one of the `known` words.
    pub fn missing<'a>(key: impl Into<String>, known: impl IntoIterator<Item = &'a str>) -> Self {
        Self::new(key, format!("{MISSING}known: {}", listed(known)))
    }

    /// The value at `key` is missing; `needed` says in words what it has to be.
    pub fn lacking(key: impl Into<String>, needed: impl fmt::Display) -> Self {
        Self::new(key, format!("{MISSING}needed: {needed}"))
    }

    /// The words about the missing value, if the error is that it is missing.
    pub fn needed(&self) -> Option<&str> {
        self.message.strip_prefix(MISSING)
    }

    /// The same error from the view of the table around the component's, in which `path` is the component's
    /// key.
    pub fn within(mut self, path: &str) -> Self {
        self.key = joined(path, &self.key);
        self
    }
}

/// The words as a list for a message.
fn listed<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    quoted.join(", ")
}

/// The path of `key` in the table `path`; either may be empty.
pub fn joined(path: &str, key: &str) -> String {
    let dot = match path.is_empty() || key.is_empty() {
        true => "",
        false => ".",
    };
    format!("{path}{dot}{key}")
}

/// All wrong keys of a component's table; at least one.
#[derive(Debug, Clone, PartialEq)]
pub struct ComponentErrors(Vec<ComponentError>);

impl ComponentErrors {
    /// The `errors`, or none if there are none.
    pub fn of(errors: Vec<ComponentError>) -> Option<Self> {
        (!errors.is_empty()).then_some(Self(errors))
    }

    /// The same errors from the view of the table around the component's, in which `path` is the component's
    /// key.
    pub fn within(self, path: &str) -> Self {
        Self(self.into_iter().map(|error| error.within(path)).collect())
    }
}

impl From<ComponentError> for ComponentErrors {
    fn from(error: ComponentError) -> Self {
        Self(vec![error])
    }
}

impl Deref for ComponentErrors {
    type Target = [ComponentError];

    fn deref(&self) -> &[ComponentError] {
        &self.0
    }
}

impl IntoIterator for ComponentErrors {
    type Item = ComponentError;
    type IntoIter = std::vec::IntoIter<ComponentError>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// Writes every error after its key, in one line.
impl fmt::Display for ComponentErrors {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        for (number, error) in self.iter().enumerate() {
            let semicolon = if number == 0 { "" } else { "; " };
            let colon = if error.key.is_empty() { "" } else { ": " };
            write!(f, "{semicolon}{}{colon}{error}", error.key)?;
        }
        Ok(())
    }
}

impl std::error::Error for ComponentErrors {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_put_in_front_of_every_key() {
        let errors = ["", "alpha", "clamp[0]"].map(|key| ComponentError::new(key, "wrong"));
        let errors = ComponentErrors::of(errors.into()).unwrap().within("filter");
        let keys: Vec<&str> = errors.iter().map(|error| error.key.as_str()).collect();
        assert_eq!(keys, ["filter", "filter.alpha", "filter.clamp[0]"]);
        assert_eq!(
            errors.clone().within("").to_string(),
            "filter: wrong; filter.alpha: wrong; filter.clamp[0]: wrong"
        );
        assert_eq!(errors.within("method")[1].key, "method.filter.alpha");
    }

    #[test]
    fn an_unknown_word_comes_with_the_known_ones() {
        let error = ComponentError::one_of("name", "dcc", ["keep", "dicc"]);
        assert_eq!(error.to_string(), "unknown `dcc`; known: `keep`, `dicc`");
    }
}
