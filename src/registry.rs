//! Names in a recipe to constructors, in an explicit order.
//!
//! A slot of the method (or the dataset, or the vision-language model) is a `const` slice of [`Entry`]. Adding a component is one file and one line in
//! the slice; a recipe that names an unknown one is told the known ones.

/// A component that a recipe can name. `build` reads the component's own table (its keys without `name`).
pub struct Entry<T> {
    /// The name in the recipe.
    pub name: &'static str,
    /// One line for humans.
    pub about: &'static str,
    /// Makes the component from its table. The error says which key and what is allowed.
    pub build: fn(toml::Table) -> Result<T, ComponentError>,
}

/// Why a component could not be made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct ComponentError {
    /// Path of the offending key inside the component's table; empty for the table itself.
    pub key: String,
    /// What was found and what is allowed.
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
}

/// Reads a component's table into its struct; unknown, missing and mistyped keys are errors that name the key.
pub fn options<T: serde::de::DeserializeOwned>(table: toml::Table) -> Result<T, ComponentError> {
    serde_path_to_error::deserialize(toml::Value::Table(table)).map_err(|error| {
        let path = error.path().to_string();
        let key = if path == "." { String::new() } else { path };
        ComponentError::new(key, error.inner().to_string().trim().to_string())
    })
}

/// Makes the component that `table.name` names.
///
/// # Errors
/// `name` missing or unknown (the known ones are listed), or what the component itself refuses.
pub fn build<T>(entries: &[Entry<T>], mut table: toml::Table) -> Result<T, ComponentError> {
    let known = || {
        entries
            .iter()
            .map(|entry| format!("`{}`", entry.name))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let name = match table.remove("name") {
        Some(toml::Value::String(name)) => name,
        Some(other) => {
            return Err(ComponentError::new(
                "name",
                format!("{other} is not a name; known: {}", known()),
            ));
        }
        None => {
            return Err(ComponentError::new(
                "name",
                format!("missing; known: {}", known()),
            ));
        }
    };
    match entries.iter().find(|entry| entry.name == name) {
        Some(entry) => (entry.build)(table),
        None => Err(ComponentError::new(
            "name",
            format!("unknown `{name}`; known: {}", known()),
        )),
    }
}
