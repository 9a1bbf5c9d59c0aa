//! Keys that a recipe may leave out. Each has a built-in default.
//!
//! - A recipe without the key is valid and uses the default ([`NewKeys::fill`]). A trial that leaves the key out and
//!   one that writes the default are the same trial.
//! - A key may have been added when results existed already. Its default is then the behaviour of the program before
//!   it had the key, and the settings of a trial omit it at that default ([`NewKeys::strip`]). So the hashes of trials
//!   stay as they were before the key existed.
//! - Other keys were there from the beginning ([`NewKey::hashed`]): the settings of a trial always have them.

use super::hash::canonical;
use super::origin::Origin;
use super::overlay::{Layer, named, paths, value_at};
use std::collections::BTreeMap;
use toml::{Table, Value};

/// A key that a recipe may leave out.
#[derive(Clone, Copy, Debug)]
pub struct NewKey {
    /// The dotted path of the key.
    pub path: &'static str,
    /// The components that read the key, by the `name` of the innermost table around it that has one. If
    /// empty, the key does not depend on a component.
    pub of: &'static [&'static str],
    /// The built-in default as TOML. A table stands for all its keys, each of which may be left out.
    pub default: &'static str,
    /// True if the hash of a trial has the key at its default too: no hash without it exists.
    pub hashed: bool,
}

/// A list of such keys. The `name` of a component comes before the keys of that component.
#[derive(Debug)]
pub struct NewKeys(Vec<(NewKey, Value)>);

impl NewKeys {
    /// An empty list.
    pub const NONE: Self = Self(Vec::new());

    /// The list of `keys`.
    ///
    /// # Panics
    /// If a default is not TOML.
    pub fn new(keys: &[NewKey]) -> Self {
        let read = |key: &NewKey| {
            let text = format!("default = {}", key.default);
            let mut table: Table = text
                .parse()
                .unwrap_or_else(|error| panic!("{}: {error}", key.path));
            (*key, table.remove("default").expect("the key is there"))
        };
        Self(keys.iter().map(read).collect())
    }

    /// Every key with its default.
    pub fn iter(&self) -> impl Iterator<Item = (&NewKey, &Value)> {
        self.0.iter().map(|(key, default)| (key, default))
    }

    /// Adds the default of every key that `settings` leaves out. A missing table stays missing.
    pub fn fill(&self, settings: &mut Table) {
        for (key, default) in self.iter() {
            if let Some((table, name)) = key.find(settings) {
                complete(table, name, default);
            }
        }
    }

    /// Removes every key that has its default from `settings`, unless the key is always part of the hash.
    pub fn strip(&self, settings: &mut Table) {
        let all: Vec<_> = self.iter().filter(|(key, _)| !key.hashed).collect();
        for (key, default) in all.into_iter().rev() {
            if let Some((table, name)) = key.find(settings) {
                reduce(table, name, default);
            }
        }
    }

    /// The keys that [`Self::fill`] would add to `settings`, as a layer.
    pub fn missing(&self, settings: &Table) -> Layer {
        let mut filled = settings.clone();
        self.fill(&mut filled);
        let mut layer = Layer {
            name: Origin::BuiltIn.to_string(),
            table: Table::new(),
            origins: BTreeMap::new(),
            note: None,
        };
        for path in paths(&filled) {
            // Of a table, its keys are told.
            let is_told = |value: &&Value| value.as_table().is_none_or(Table::is_empty);
            let value = value_at(&filled, &path).filter(is_told);
            if let (Some(value), None) = (value, value_at(settings, &path)) {
                let keys: Vec<String> = path.split('.').map(str::to_string).collect();
                // The paths of `filled` are unused in the new layer.
                let _ = layer.insert(&keys, value.clone(), Origin::BuiltIn);
            }
        }
        layer
    }
}

impl NewKey {
    /// The table around the key in `settings`, and the key's own name; none if the table is missing or
    /// belongs to another component.
    fn find<'a>(&self, settings: &'a mut Table) -> Option<(&'a mut Table, &'static str)> {
        let mut component = None;
        let mut table = settings;
        let (parents, name) = self.path.rsplit_once('.').unwrap_or(("", self.path));
        for parent in parents.split('.').filter(|parent| !parent.is_empty()) {
            table = table.get_mut(parent)?.as_table_mut()?;
            component = named(table).map(str::to_string).or(component);
        }
        let is_read = self.of.is_empty()
            || component.is_some_and(|component| self.of.contains(&component.as_str()));
        is_read.then_some((table, name))
    }
}

/// Returns true if both are components with different names.
fn are_different(found: &Table, default: &Table) -> bool {
    let names = named(found).zip(named(default));
    names.is_some_and(|(found, default)| found != default)
}

/// Adds `default` at `key` of `table`, as far as it is missing.
fn complete(table: &mut Table, key: &str, default: &Value) {
    match (table.get_mut(key), default) {
        (None, _) => drop(table.insert(key.to_string(), default.clone())),
        (Some(Value::Table(found)), Value::Table(default)) if !are_different(found, default) => {
            for (key, default) in default {
                complete(found, key, default);
            }
        }
        _ => {}
    }
}

/// Removes everything that equals `default` at `key` of `table`. A component keeps its name if anything of it
/// is left.
fn reduce(table: &mut Table, key: &str, default: &Value) {
    match (table.get_mut(key), default) {
        (Some(Value::Table(found)), Value::Table(default)) if !are_different(found, default) => {
            for (key, default) in default.iter().filter(|(key, _)| *key != "name") {
                reduce(found, key, default);
            }
            let mut left = found.iter();
            if left.all(|(key, value)| key == "name" && default.get(key) == Some(value)) {
                table.remove(key);
            }
        }
        (Some(found), default) if canonical(found) == canonical(default) => {
            drop(table.remove(key));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: &[NewKey] = &[
        NewKey {
            path: "digits",
            of: &[],
            default: "'f32'",
            hashed: false,
        },
        NewKey {
            path: "model.name",
            of: &[],
            default: "'first'",
            hashed: false,
        },
        NewKey {
            path: "model.loss.focal",
            of: &["second", "third"],
            default: "0.0",
            hashed: false,
        },
        NewKey {
            path: "model.views",
            of: &["first"],
            default: "{ flip = false, sides = [] }",
            hashed: false,
        },
        NewKey {
            path: "model.head",
            of: &[],
            default: "{ name = 'plain', width = 3 }",
            hashed: false,
        },
        NewKey {
            path: "model.depth",
            of: &["third"],
            default: "9",
            hashed: true,
        },
    ];

    fn table(text: &str) -> Table {
        text.parse().unwrap()
    }

    fn filled(text: &str) -> Table {
        let mut table = table(text);
        NewKeys::new(KEYS).fill(&mut table);
        table
    }

    fn stripped(text: &str) -> Table {
        let mut table = table(text);
        NewKeys::new(KEYS).strip(&mut table);
        table
    }

    #[test]
    fn what_is_left_out_has_its_default_and_what_has_its_default_is_left_out() {
        let old = "[model]\nqueries = 3";
        let whole = "digits = 'f32'\n[model]\nname = 'first'\nqueries = 3\nviews = { flip = false, sides = [] }\n\
                     head = { name = 'plain', width = 3 }";
        assert_eq!(filled(old), table(whole));
        assert_eq!(filled(whole), table(whole));
        assert_eq!(stripped(whole), table(old));
        assert_eq!(stripped(old), table(old));
        assert_eq!(
            filled(""),
            table("digits = 'f32'"),
            "no table is made for a key"
        );
    }

    #[test]
    fn a_key_of_a_component_is_that_component_s_alone() {
        let second = "model = { name = 'second', loss = {} }";
        assert_eq!(filled(second)["model"]["loss"], table("focal = 0.0").into());
        assert!(filled(second)["model"].get("views").is_none());
        let other = "model = { name = 'first', loss = { focal = 0.0 } }";
        assert_eq!(stripped(other), table("model = { loss = { focal = 0.0 } }"));
    }

    #[test]
    fn a_number_may_be_written_either_way() {
        let integer = "model = { name = 'third', loss = { focal = 0 } }";
        assert_eq!(
            stripped(integer),
            table("model = { name = 'third', loss = {} }")
        );
    }

    #[test]
    fn of_a_table_the_keys_with_other_values_stay_and_a_component_keeps_its_name() {
        let part = "model = { views = { flip = true } }";
        assert_eq!(
            filled(part)["model"]["views"],
            table("flip = true\nsides = []").into()
        );
        let views = |text: &str| stripped(&format!("model = {{ name = 'first', views = {text} }}"));
        let expected = table("model = { views = { flip = true } }");
        assert_eq!(views("{ flip = true, sides = [] }"), expected);
        assert_eq!(views("{ flip = false }"), table("model = {}"));
        let head = |text: &str| stripped(&format!("model = {{ head = {text} }}"));
        let expected = table("model = { head = { name = 'plain', width = 4 } }");
        assert_eq!(head("{ name = 'plain', width = 4 }"), expected);
        let other = table("model = { head = { name = 'wide', width = 3 } }");
        assert_eq!(head("{ name = 'wide', width = 3 }"), other);
        assert_eq!(
            filled("model = { head = { name = 'wide' } }")["model"]["head"],
            table("name = 'wide'").into()
        );
    }

    #[test]
    fn the_missing_keys_are_a_layer_of_built_in_defaults() {
        let layer = NewKeys::new(KEYS).missing(&table("[model]\nhead = { width = 4 }"));
        let expected = "digits = 'f32'\n[model]\nname = 'first'\nhead = { name = 'plain' }\n\
                        views = { flip = false, sides = [] }";
        assert_eq!(layer.table, table(expected));
        let origin = layer.origins["model.views.flip"].to_string();
        assert_eq!(origin, "built-in default");
    }

    #[test]
    fn a_key_that_was_always_there_is_filled_and_stays() {
        let third = table("model = { name = 'third', depth = 9, loss = {} }");
        assert_eq!(
            stripped("model = { name = 'third', depth = 9, loss = {} }"),
            third
        );
        let mut filled = filled("model = { name = 'third', loss = {} }");
        NewKeys::new(KEYS).strip(&mut filled);
        assert_eq!(filled, third);
    }
}
