//! Conditions on the settings of a point: `when` of an axis, `exclude` of a grid.
//!
//! `{ "key.path" = value, ... }` holds if every key has its value. A list stands for any of its values. The
//! settings are those of the recipe, with the axes before the condition laid over them. A missing key (it
//! belongs to another component) has no value.

use super::reader::SweepReader;
use crate::recipe::file::{Node, Tree};
use crate::recipe::hash::canonical;
use crate::recipe::moved::path_today;
use crate::recipe::overlay::{paths, value_at};
use crate::recipe::suggest;
use crate::registry::joined;
use std::cell::Cell;
use toml::{Table, Value};

/// Keys and the values that they must have.
pub struct Condition<'a> {
    pub wanted: Vec<Wanted<'a>>,
}

/// A key and the values that it may have.
pub struct Wanted<'a> {
    pub path: String,
    pub node: &'a Node,
    /// The value itself, then the elements of a list, in canonical text.
    pub values: Vec<String>,
    /// True if any settings that were checked had the key; none if no settings were checked.
    known: Cell<Option<bool>>,
}

impl Condition<'_> {
    /// Returns true if `settings` fulfil the condition.
    pub fn holds(&self, settings: &Table) -> bool {
        let holds = |wanted: &Wanted| {
            let value = value_at(settings, &wanted.path);
            let known = wanted.known.get() == Some(true) || value.is_some();
            wanted.known.set(Some(known));
            value.is_some_and(|value| wanted.values.contains(&canonical(value)))
        };
        // `filter` visits every key, so that `known` is updated for all of them.
        self.wanted.iter().filter(|wanted| !holds(wanted)).count() == 0
    }
}

impl<'a> SweepReader<'a> {
    /// Parses the condition in `node`. Keys may be dotted or nested.
    pub fn condition(&mut self, key: &str, node: &'a Node) -> Condition<'a> {
        let mut wanted = Vec::new();
        collect("", node, &mut wanted);
        if wanted.is_empty() || !matches!(node.tree, Tree::Table(_)) {
            let message = format!("`{key}`: expected `{{ \"key.path\" = value }}`, at least one");
            self.report(node.value.clone(), message);
            wanted.clear();
        }
        Condition { wanted }
    }

    /// Reports the keys of a condition that no settings had.
    pub fn check_known(&mut self, condition: &Condition, below: &Table) {
        let unknown = |wanted: &&Wanted| wanted.known.get() == Some(false);
        for wanted in condition.wanted.iter().filter(unknown) {
            let known = paths(below);
            let near = suggest::nearest(&wanted.path, known.iter().map(String::as_str));
            let hint = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
            let message = format!("no settings here have a key `{}`{hint}", wanted.path);
            self.report(wanted.node.key.clone(), message);
        }
    }
}

fn collect<'a>(path: &str, node: &'a Node, wanted: &mut Vec<Wanted<'a>>) {
    // An empty table is a value: no key is there, as in `phase = {}`.
    if let Tree::Table(entries) = &node.tree
        && (path.is_empty() || !entries.is_empty())
    {
        for (key, inner) in entries {
            collect(&joined(path, key), inner, wanted);
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
