//! Maps names in a recipe to constructors, in an explicit order.
//!
//! A slot of the method (or the dataset, or the vision-language model) is a `const` slice of [`Entry`]. A new
//! component needs one file and one line in the slice. If a recipe names an unknown component, the error
//! lists the known ones. A component reads its table with [`read()`] and declares with a [`Check`] which
//! values its keys may have.

mod check;
mod describe;
mod errors;
mod missing;
mod read;
mod refused;
mod word;
mod words;

pub use check::{Check, MOST_STEPS, MOST_WEIGHT, Number, above};
pub use describe::describe;
pub use errors::{ComponentError, ComponentErrors, joined};
pub use read::{Checked, make, make_of_two, may_be, read, read_within};
pub use refused::in_plain_words;
pub use word::{real, schema_of_word_or, word_or_number};
pub use words::{choices, in_words, kind, schema_at};

/// A component that a recipe can name. `build` reads the component's own table (its keys without `name`).
pub struct Entry<T> {
    /// The name in the recipe.
    pub name: &'static str,
    /// One line of description.
    pub about: &'static str,
    /// Makes the component from its table. The errors name the wrong keys and the allowed values.
    pub build: fn(toml::Table) -> Result<T, ComponentErrors>,
}

/// The keys of a component, in the order of its struct; none if they cannot be determined.
///
/// A struct that refuses unknown keys lists the known ones in its error. This function provokes that error.
pub fn keys<T>(entry: &Entry<T>) -> Option<Vec<String>> {
    const NO_KEY: &str = "?";
    let table = toml::Table::from_iter([(NO_KEY.to_string(), toml::Value::from(0))]);
    let errors = (entry.build)(table).err()?;
    let message = &errors.first()?.message;
    let mut quoted = message.split('`').skip(1).step_by(2).map(str::to_string);
    let refused = message.starts_with("unknown field") && quoted.next()? == NO_KEY;
    refused.then(|| quoted.collect())
}

/// Makes the component that `table.name` names.
///
/// # Errors
/// `name` is missing or unknown (the known ones are listed), or the component refuses a value.
pub fn build<T>(entries: &[Entry<T>], mut table: toml::Table) -> Result<T, ComponentErrors> {
    let known = || entries.iter().map(|entry| entry.name);
    let name = match table.remove("name") {
        Some(toml::Value::String(name)) => name,
        Some(other) => return Err(ComponentError::one_of("name", other, known()).into()),
        None => return Err(ComponentError::missing("name", known()).into()),
    };
    match entries.iter().find(|entry| entry.name == name) {
        // Whoever describes the table around it describes this one apart.
        Some(entry) => describe::undeclared(|| (entry.build)(table)),
        None => Err(ComponentError::one_of("name", name, known()).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
    #[serde(deny_unknown_fields, rename_all = "kebab-case")]
    #[expect(dead_code, reason = "only its keys matter")]
    struct Known {
        count: usize,
        batch_size: u8,
    }

    impl Checked for Known {}

    const KNOWN: &[Entry<Known>] = &[
        Entry {
            name: "known",
            about: "",
            build: read,
        },
        Entry {
            name: "other",
            about: "",
            build: read,
        },
    ];

    #[test]
    fn a_component_tells_its_keys() {
        assert_eq!(keys(&KNOWN[0]).unwrap(), ["count", "batch-size"]);
    }

    #[test]
    fn a_name_that_is_no_component_is_refused_with_the_known_ones() {
        for (table, message) in [
            ("name = 'knwon'", "unknown `knwon`; known: `known`, `other`"),
            ("name = 3", "unknown `3`; known: `known`, `other`"),
            ("count = 3", "missing; known: `known`, `other`"),
        ] {
            let errors = build(KNOWN, table.parse().unwrap()).unwrap_err();
            assert_eq!(errors.to_string(), format!("name: {message}"));
        }
    }
}
