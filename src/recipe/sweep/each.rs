//! `[[each]]` and `[[walk]]`: labelled rows, each with the settings that it changes.

use super::Variant;
use super::reader::SweepReader;
use crate::recipe::file::{Node, Tree};

const KEYS: [&str; 3] = ["label", "set", "paper"];

/// A row as written in the file.
struct WrittenRow<'a> {
    label: String,
    paper: Option<f64>,
    set: Option<&'a Node>,
    node: &'a Node,
    /// The node of its label.
    at: &'a Node,
}

impl<'a> SweepReader<'a> {
    /// Independent rows.
    pub fn each(&mut self, key: &str, node: &'a Node) -> Vec<Variant> {
        let rows = self.rows(key, node);
        rows.into_iter()
            .map(|row| {
                let set = row.set;
                self.row(row, set)
            })
            .collect()
    }

    /// Rows that also set everything that the rows before them set.
    pub fn walk(&mut self, key: &str, node: &'a Node) -> Vec<Variant> {
        let mut before: Vec<(String, Node)> = Vec::new();
        let rows = self.rows(key, node);
        rows.into_iter()
            .map(|row| {
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
        Variant {
            layers: vec![self.layer(&format!("variant {}", row.label), set)],
            label: row.label,
            paper: row.paper,
            span: row.at.value.clone(),
        }
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
        let (mut label, mut paper, mut set) = (None, None, None);
        for (key, node) in self.entries(item, "a table with `label` and `set`") {
            match key.as_str() {
                "label" => label = self.text(key, node).map(|text| (text, node)),
                "paper" => paper = self.number(node),
                "set" => set = Some(node),
                _ => self.unknown(key, node, &KEYS),
            }
        }
        let Some((label, at)) = label else {
            self.report(item.key.clone(), "this variant has no `label`");
            return None;
        };
        Some(WrittenRow {
            label,
            paper,
            set,
            node: item,
            at,
        })
    }
}
