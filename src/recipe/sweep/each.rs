//! `[[each]]` and `[[walk]]`: labelled rows, each with the settings that it changes.
//!
//! ```toml
//! [[each]]
//! label = "STAC"
//! recipe = "../recipes/stac.toml"
//! paper = [11.9, 18.2]
//! zip."split.labelled" = [0.05, 0.1]
//! set."eval.model" = "student"
//! ```
//!
//! `recipe` is a file, relative to the sweep, with whose settings the row begins: those of the sweep's own recipe and
//! its `set` do not count in it. `zip` makes a row for each element of its lists, which have one length; the labels of
//! these rows end with the value of the first key, and `paper` may be a list with a number for each.

use super::Variant;
use super::columns::ColumnsRule;
use super::reader::SweepReader;
use crate::recipe::extends;
use crate::recipe::file::{Node, Tree};
use crate::recipe::overlay::{Layer, settings_only};

const KEYS: [&str; 5] = ["label", "recipe", "set", "zip", "paper"];

/// A row as written in the file.
struct WrittenRow<'a> {
    label: String,
    papers: Vec<Option<f64>>,
    recipe: Vec<Layer>,
    set: Option<&'a Node>,
    zip: Option<&'a Node>,
    node: &'a Node,
    /// The node of its label.
    at: &'a Node,
}

impl<'a> SweepReader<'a> {
    /// Independent rows. `columns`: the rule that names the values of its key.
    pub fn each(
        &mut self,
        key: &str,
        node: &'a Node,
        columns: Option<&ColumnsRule>,
    ) -> Vec<Variant> {
        let rows = self.rows(key, node);
        let mut variants = Vec::new();
        for row in rows {
            match row.zip {
                None => {
                    let set = row.set;
                    variants.push(self.row(row, set));
                }
                Some(zip) => variants.extend(self.zipped(row, zip, columns)),
            }
        }
        variants
    }

    /// Rows that also set everything that the rows before them set.
    pub fn walk(&mut self, key: &str, node: &'a Node) -> Vec<Variant> {
        let mut before: Vec<(String, Node)> = Vec::new();
        let rows = self.rows(key, node);
        rows.into_iter()
            .map(|row| {
                if let Some(refused) = row.zip {
                    let message =
                        format!("`zip` is for `[[each]]`; a row of `[[{key}]]` is one step");
                    self.report(refused.key.clone(), message);
                }
                match row.set {
                    None => {}
                    Some(set) => match &set.tree {
                        Tree::Table(entries) => before.extend(entries.iter().cloned()),
                        // `row` reports the error, and the later rows do not inherit it.
                        _ => return self.row(row, Some(set)),
                    },
                }
                let walked = Node {
                    tree: Tree::Table(before.clone()),
                    ..row.node.clone()
                };
                self.row(row, Some(&walked))
            })
            .collect()
    }

    fn row(&mut self, row: WrittenRow<'a>, set: Option<&Node>) -> Variant {
        if row.papers.len() > 1 {
            let message = "`paper`: a list has a number for each element of `zip`, which this row does not have";
            self.report(row.at.value.clone(), message);
        }
        Variant {
            layers: vec![self.layer(&format!("variant {}", row.label), set)],
            line: row.label.clone(),
            label: row.label,
            paper: row.papers.first().copied().flatten(),
            recipe: row.recipe,
            span: row.at.value.clone(),
        }
    }

    /// The rows of `row`, one for each element of the lists in `zip`.
    fn zipped(
        &mut self,
        row: WrittenRow<'a>,
        zip: &'a Node,
        columns: Option<&ColumnsRule>,
    ) -> Vec<Variant> {
        let mut axes = Vec::new();
        for (key, inner) in self.entries(zip, "a table of lists") {
            self.axis(key, inner, &mut axes);
        }
        let Some(first) = axes.first() else {
            self.report(
                zip.value.clone(),
                "`zip`: expected `\"key.path\" = [values]`",
            );
            return Vec::new();
        };
        let length = first.values.len();
        let odd = axes.iter().find(|axis| axis.values.len() != length);
        if let Some((odd, first)) = odd.map(|odd| (odd, first)) {
            let message = format!(
                "`zip`: the lists have different lengths: `{}` {}, `{}` {length}",
                odd.path,
                odd.values.len(),
                first.path
            );
            self.report(odd.node.value.clone(), message);
            return Vec::new();
        }
        if row.papers.len() > 1 && row.papers.len() != length {
            let message = format!(
                "`paper` has {} numbers for {length} variants",
                row.papers.len()
            );
            self.report(row.at.value.clone(), message);
            return Vec::new();
        }
        let named = columns.and_then(|rule| axes.iter().find(|axis| axis.path == rule.path));
        let named = named.unwrap_or(first);
        let mut variants = Vec::with_capacity(length);
        for index in 0..length {
            let value = named.values[index].plain();
            let title = columns.and_then(|rule| rule.title(&value));
            let title = title.unwrap_or_else(|| value.to_string());
            let label = format!("{}, {title}", row.label);
            let point: Vec<_> = axes
                .iter()
                .map(|axis| (axis, &axis.values[index]))
                .collect();
            let what = format!("variant {label}");
            let own = self.layer(&what, row.set);
            let zipped = self.point_layer(&what, &point, zip);
            variants.push(Variant {
                layers: vec![own, zipped],
                line: row.label.clone(),
                label,
                paper: row.papers.get(index).copied().flatten(),
                recipe: row.recipe.clone(),
                span: row.at.value.clone(),
            });
        }
        variants
    }

    /// The tables of `[[key]]`. A table without a label is reported and left out.
    fn rows(&mut self, key: &str, node: &'a Node) -> Vec<WrittenRow<'a>> {
        let Tree::Array(items) = &node.tree else {
            let message = format!("`{key}` is a list of tables: write `[[{key}]]`");
            self.report(node.key.clone(), message);
            return Vec::new();
        };
        items.iter().filter_map(|item| self.written(item)).collect()
    }

    fn written(&mut self, item: &'a Node) -> Option<WrittenRow<'a>> {
        let (mut label, mut set, mut zip) = (None, None, None);
        let (mut papers, mut recipe) = (Vec::new(), Vec::new());
        for (key, node) in self.entries(item, "a table with `label` and `set`") {
            match key.as_str() {
                "label" => label = self.text(key, node).map(|text| (text, node)),
                "paper" => {
                    papers = match &node.tree {
                        Tree::Array(_) => self.numbers(node),
                        _ => vec![self.number(node)],
                    }
                }
                "recipe" => recipe = self.recipe(key, node),
                "set" => set = Some(node),
                "zip" => zip = Some(node),
                _ => self.unknown(key, node, &KEYS),
            }
        }
        let Some((label, at)) = label else {
            self.report(item.key.clone(), "this variant has no `label`");
            return None;
        };
        Some(WrittenRow {
            label,
            papers,
            recipe,
            set,
            zip,
            node: item,
            at,
        })
    }

    /// The layers of the recipe that a row begins with, without its own `seeds`, `sweeps` and `results`.
    fn recipe(&mut self, key: &str, node: &Node) -> Vec<Layer> {
        let Some(name) = self.text(key, node) else {
            return Vec::new();
        };
        let folder = self.file.source.path.parent();
        let path = folder
            .map(|folder| folder.join(&name))
            .unwrap_or(name.into());
        let place = self.place(node.value.clone());
        match extends::layers_named(&path, Some(place), &mut self.problems) {
            Ok(layers) => settings_only(&layers),
            Err(problem) => {
                self.problems.push(problem);
                Vec::new()
            }
        }
    }
}
