//! An axis of `[grid]` or `[zip]`, and a point: one value for every axis that exists there.

use super::condition::Condition;
use super::reader::SweepReader;
use crate::recipe::file::{Node, Tree};
use crate::recipe::hash::canonical;
use crate::recipe::moved::path_today;
use crate::recipe::overlay::{Layer, lay};
use toml::{Table, Value};

/// A key path and its values.
pub struct Axis<'a> {
    pub path: String,
    pub values: &'a [Node],
    pub node: &'a Node,
    /// The axis exists only where this condition holds.
    pub when: Option<Condition<'a>>,
}

/// One value for every axis that exists at this point.
pub type Point<'p, 'a> = Vec<(&'p Axis<'a>, &'a Node)>;

impl<'a> SweepReader<'a> {
    /// Adds the axes under `node`. They may be dotted or nested. Each list is an axis, and so is each table
    /// with `values`.
    pub fn axis(&mut self, path: &str, node: &'a Node, axes: &mut Vec<Axis<'a>>) {
        let (values, when) = match &node.tree {
            Tree::Table(entries) => match entries.iter().find(|(key, _)| key == "values") {
                None => {
                    for (key, inner) in entries {
                        self.axis(&format!("{path}.{key}"), inner, axes);
                    }
                    return;
                }
                Some((_, values)) => {
                    let mut when = None;
                    for (key, inner) in entries {
                        match key.as_str() {
                            "values" => {}
                            "when" => when = Some(self.condition("when", inner)),
                            _ => self.unknown(key, inner, &["values", "when"]),
                        }
                    }
                    (values, when)
                }
            },
            _ => (node, None),
        };
        match &values.tree {
            Tree::Array(items) if !items.is_empty() => axes.push(Axis {
                path: path.to_string(),
                values: items,
                node: values,
                when,
            }),
            _ => {
                let message = format!("`{path}`: expected a list of values");
                self.report(values.value.clone(), message);
            }
        }
    }

    /// Reports the keys of a condition that can never hold: the key is an axis that is not before it, or the
    /// axis never takes the value.
    pub fn check_condition(&mut self, condition: &Condition, before: &[Axis], after: &[Axis]) {
        for wanted in &condition.wanted {
            if after
                .iter()
                .any(|axis| path_today(&axis.path) == wanted.path)
            {
                let message = format!("`{}` is an axis: write it before this one", wanted.path);
                self.report(wanted.node.key.clone(), message);
            }
            let Some(axis) = before
                .iter()
                .find(|axis| path_today(&axis.path) == wanted.path)
            else {
                continue;
            };
            let taken: Vec<Value> = axis.values.iter().map(Node::plain).collect();
            if taken
                .iter()
                .all(|value| !wanted.values.contains(&canonical(value)))
            {
                let taken: Vec<String> = taken.iter().map(Value::to_string).collect();
                let (path, taken) = (&wanted.path, taken.join(", "));
                let message = format!("`{path}` never has this value here; its values are {taken}");
                self.report(wanted.node.value.clone(), message);
            }
        }
    }

    /// The settings of a point as a layer; `node` is the table of its axes.
    pub fn point_layer(&mut self, what: &str, point: &Point<'_, 'a>, node: &Node) -> Layer {
        let entries = point
            .iter()
            .map(|&(axis, value)| (axis.path.clone(), value.clone()));
        let set = Node {
            key: node.key.clone(),
            value: node.value.clone(),
            tree: Tree::Table(entries.collect()),
        };
        self.layer(what, Some(&set))
    }

    /// The settings of a point, laid over the settings `below`.
    pub fn settings_of(&mut self, point: &Point<'_, 'a>, node: &Node, below: &Table) -> Table {
        let layer = self.point_layer("point", point, node);
        let mut settings = below.clone();
        lay(&mut settings, &layer.table);
        settings
    }
}
