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

/// Bound of weights and factors that have no natural one: larger ones are typing mistakes.
pub const MOST_WEIGHT: f32 = 1e6;

/// Refuses a `value` that is no number from `low` to `high`.
///
/// # Errors
/// About `key`.
pub fn check_range(key: &str, value: f32, low: f32, high: f32) -> Result<(), ComponentError> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(ComponentError::new(
        key,
        format!("{value} is out of range; allowed: {low} to {high}"),
    ))
}

/// Reads a component's table into its struct; unknown, missing and mistyped keys are errors that name the key.
pub fn options<T: serde::de::DeserializeOwned>(table: toml::Table) -> Result<T, ComponentError> {
    serde_path_to_error::deserialize(toml::Value::Table(table)).map_err(|error| {
        let path = error.path().to_string();
        let key = if path == "." { String::new() } else { path };
        // What follows in further lines is the key once more.
        let message = error.inner().to_string();
        ComponentError::new(
            key,
            in_words(message.trim().lines().next().unwrap_or_default()),
        )
    })
}

/// serde's message with Rust's names of types in words: ``invalid type: string "x", expected usize`` is "expected a whole number from 0
/// on, found string "x"".
fn in_words(message: &str) -> String {
    let split = |prefix| message.strip_prefix(prefix)?.split_once(", expected ");
    let found = ["invalid type: ", "invalid value: ", "invalid length "].map(split);
    let Some((found, expected)) = found.into_iter().flatten().next() else {
        return message.to_string();
    };
    let length = [
        "an array of length ",
        "a tuple of size ",
        "fewer elements in array of length ",
    ]
    .iter()
    .find_map(|prefix| expected.strip_prefix(prefix));
    let words = match (expected, length) {
        (_, Some(length)) => format!("a list of {length}"),
        ("u8", _) => "a whole number from 0 to 255".into(),
        ("u16" | "u32" | "u64" | "usize", _) => "a whole number from 0 on".into(),
        ("i8" | "i16" | "i32" | "i64" | "isize", _) => "a whole number".into(),
        ("f32" | "f64", _) => "a number".into(),
        ("a boolean", _) => "`true` or `false`".into(),
        ("a sequence", _) => "a list".into(),
        ("a map", _) => "a table".into(),
        ("path string", _) => "a path".into(),
        _ if expected.starts_with("struct ") => "a table".into(),
        _ => expected.to_string(),
    };
    let found = found
        .replace("floating point", "number")
        .replace("sequence", "list");
    format!("expected {words}, found {}", found.replace("map", "table"))
}

/// The keys of a component, in the order of its struct; none if it does not tell.
///
/// A struct that refuses unknown keys names the known ones when it is given one.
pub fn keys<T>(entry: &Entry<T>) -> Option<Vec<String>> {
    const NO_KEY: &str = "?";
    let table = toml::Table::from_iter([(NO_KEY.to_string(), toml::Value::from(0))]);
    let message = (entry.build)(table).err()?.message;
    let mut quoted = message.split('`').skip(1).step_by(2).map(str::to_string);
    let refused = message.starts_with("unknown field") && quoted.next()? == NO_KEY;
    refused.then(|| quoted.collect())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "kebab-case")]
    #[expect(dead_code, reason = "only how it is read matters")]
    struct Known {
        count: usize,
        grey: u8,
        shift: i32,
        rate: f32,
        on: bool,
        bounds: [f64; 2],
        names: Vec<String>,
        file: std::path::PathBuf,
    }

    const GOOD: &str = "count = 1\ngrey = 2\nshift = -3\nrate = 0.5\non = true\nbounds = [0.0, 1.0]\nnames = []\nfile = ''\n";

    fn entry() -> Entry<Known> {
        Entry {
            name: "known",
            about: "",
            build: options,
        }
    }

    #[test]
    fn types_are_told_in_words() {
        options::<Known>(GOOD.parse().unwrap()).unwrap();
        for (line, key, told) in [
            (
                "count = 'x'",
                "count",
                "expected a whole number from 0 on, found string \"x\"",
            ),
            (
                "count = -1",
                "count",
                "expected a whole number from 0 on, found integer `-1`",
            ),
            (
                "grey = 300",
                "grey",
                "expected a whole number from 0 to 255, found integer `300`",
            ),
            (
                "shift = 0.5",
                "shift",
                "expected a whole number, found number `0.5`",
            ),
            (
                "rate = 'x'",
                "rate",
                "expected a number, found string \"x\"",
            ),
            (
                "on = 1",
                "on",
                "expected `true` or `false`, found integer `1`",
            ),
            ("bounds = [1.0]", "bounds", "expected a list of 2, found 1"),
            ("names = 1", "names", "expected a list, found integer `1`"),
            (
                "names = [1]",
                "names[0]",
                "expected a string, found integer `1`",
            ),
            ("file = 1", "file", "expected a path, found integer `1`"),
        ] {
            let start = line.split(' ').next().unwrap();
            let others: Vec<&str> = GOOD
                .lines()
                .filter(|good| !good.starts_with(start))
                .collect();
            let text = format!("{line}\n{}", others.join("\n"));
            let error = options::<Known>(text.parse().unwrap()).unwrap_err();
            assert_eq!(
                (error.key.as_str(), error.message.as_str()),
                (key, told),
                "{line}"
            );
        }
    }

    #[test]
    fn a_component_tells_its_keys() {
        let expected = [
            "count", "grey", "shift", "rate", "on", "bounds", "names", "file",
        ];
        assert_eq!(keys(&entry()).unwrap(), expected);
    }
}
