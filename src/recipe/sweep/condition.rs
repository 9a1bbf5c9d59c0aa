//! Conditions on the settings of a point: `when` of an axis, `exclude` of a grid.
//!
//! `{ "key.path" = value, ... }` holds where every key has its value; a list stands for any of its values. The settings are those that
//! the point makes: what the recipe says, and over it the axes before the condition. A key that is not there (it belongs to another
//! component) has no value.

use super::reader::Reader;
use crate::recipe::file::{Node, Tree};
use crate::recipe::hash::canonical;
use crate::recipe::moved::path_today;
use crate::recipe::overlay::{paths, value_at};
use crate::recipe::suggest;
use std::cell::Cell;
use toml::{Table, Value};

/// Keys and the values that are wanted.
pub struct Condition<'a> {
    pub wanted: Vec<Wanted<'a>>,
}

/// A key and the values that it may have.
pub struct Wanted<'a> {
    pub path: String,
    pub node: &'a Node,
    /// The value itself, then the elements of a list, in canonical text.
    pub values: Vec<String>,
    /// Whether the key was there in any settings that were looked at; none if none were.
    known: Cell<Option<bool>>,
}

impl Condition<'_> {
    /// Whether `settings` are so.
    pub fn holds(&self, settings: &Table) -> bool {
        let holds = |wanted: &Wanted| {
            let value = value_at(settings, &wanted.path);
            let known = wanted.known.get() == Some(true) || value.is_some();
            wanted.known.set(Some(known));
            value.is_some_and(|value| wanted.values.contains(&canonical(value)))
        };
        // Every key is looked up, so that each is known to be there or not.
        self.wanted.iter().filter(|wanted| !holds(wanted)).count() == 0
    }
}

impl<'a> Reader<'a> {
    /// The condition that `node` writes; keys dotted or nested.
    pub fn condition(&mut self, key: &str, node: &'a Node) -> Condition<'a> {
        let mut wanted = Vec::new();
        collect("", node, &mut wanted);
        if wanted.is_empty() || !matches!(node.tree, Tree::Table(_)) {
            let message = format!("`{key}`: expected `{{ \"key.path\" = value }}`, at least one");
            self.tell(node.value.clone(), message);
            wanted.clear();
        }
        Condition { wanted }
    }

    /// Tells the keys of a condition that no settings had.
    pub fn check_known(&mut self, condition: &Condition, below: &Table) {
        let unknown = |wanted: &&Wanted| wanted.known.get() == Some(false);
        for wanted in condition.wanted.iter().filter(unknown) {
            let known = paths(below);
            let near = suggest::nearest(&wanted.path, known.iter().map(String::as_str));
            let hint = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
            let message = format!("no settings here have a key `{}`{hint}", wanted.path);
            self.tell(wanted.node.key.clone(), message);
        }
    }
}

fn collect<'a>(path: &str, node: &'a Node, wanted: &mut Vec<Wanted<'a>>) {
    if let Tree::Table(entries) = &node.tree {
        let dot = if path.is_empty() { "" } else { "." };
        for (key, inner) in entries {
            collect(&format!("{path}{dot}{key}"), inner, wanted);
        }
        return;
    }
    let value = node.plain();
    let mut values = vec![canonical(&value)];
    if let Value::Array(any) = &value {
        values.extend(any.iter().map(canonical));
    }
    wanted.push(Wanted {
        path: path_today(path),
        node,
        values,
        known: Cell::new(None),
    });
}
