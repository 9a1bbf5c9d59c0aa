//! `columns`: the key whose values are the columns of a matrix of the rows. A line of the matrix is a system, and a
//! cell is a row of the table.
//!
//! ```toml
//! columns = "split.labelled"
//! columns = { key = "split.labelled", values = [0.01, 0.02], titles = ["1 %", "2 %"] }
//! ```
//!
//! Without `values` the columns stand in the order in which the rows have them, and without `titles` a column is called
//! by its value.

use super::reader::SweepReader;
use crate::metrics::MatrixPlace;
use crate::recipe::file::{Node, Tree};
use crate::recipe::hash::canonical;
use crate::recipe::moved::path_today;
use crate::recipe::overlay::value_at;
use std::ops::Range;
use toml::{Table, Value};

/// The keys of the table.
const KEYS: [&str; 3] = ["key", "values", "titles"];

/// The rule that puts rows into columns.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnsRule {
    /// The key.
    pub path: String,
    /// The values that may occur, in order, each with its title; empty: every value may.
    titled: Vec<(Value, String)>,
    /// Its place in the file, in bytes.
    pub span: Range<usize>,
}

impl<'a> SweepReader<'a> {
    /// Reads `columns`.
    pub fn columns(&mut self, node: &'a Node) -> Option<ColumnsRule> {
        let span = node.value.clone();
        if let Tree::Leaf(Value::String(path)) = &node.tree {
            let (path, titled) = (path_today(path).to_string(), Vec::new());
            return Some(ColumnsRule { path, titled, span });
        }
        let (mut path, mut values, mut titles) = (None, Vec::new(), None);
        let expected = "a key, like \"split.labelled\", or `{ key, values, titles }`";
        for (key, inner) in self.entries(node, expected) {
            match key.as_str() {
                "key" => path = self.text(key, inner),
                "values" => match inner.plain() {
                    Value::Array(list) => values = list,
                    _ => self.report(inner.value.clone(), "`values`: expected a list of values"),
                },
                "titles" => match &inner.tree {
                    Tree::Array(items) => {
                        let texts = items.iter().map(|item| self.text(key, item));
                        titles = texts.collect::<Option<Vec<String>>>();
                    }
                    _ => self.report(inner.value.clone(), "`titles`: expected a list of texts"),
                },
                _ => self.unknown(key, inner, &KEYS),
            }
        }
        let titles = titles.unwrap_or_else(|| values.iter().map(title).collect());
        if titles.len() != values.len() {
            let (titles, values) = (titles.len(), values.len());
            self.report(
                span,
                format!("`columns` has {titles} titles for {values} values"),
            );
            return None;
        }
        let Some(path) = path else {
            if self.problems.is_empty() {
                self.report(span, format!("`columns`: expected {expected}"));
            }
            return None;
        };
        Some(ColumnsRule {
            path: path_today(&path).to_string(),
            titled: values.into_iter().zip(titles).collect(),
            span,
        })
    }
}

impl ColumnsRule {
    /// The title of the column for `value`; none if there is no such column.
    pub fn title(&self, value: &Value) -> Option<String> {
        let is_it = |(known, _): &&(Value, String)| canonical(known) == canonical(value);
        match self.titled.iter().find(is_it) {
            Some((_, title)) => Some(title.clone()),
            None => self.titled.is_empty().then(|| title(value)),
        }
    }

    /// The titles in order; empty if the rows decide.
    pub fn titles(&self) -> Vec<String> {
        self.titled.iter().map(|(_, title)| title.clone()).collect()
    }

    /// The places of rows with these lines and settings in the matrix.
    ///
    /// # Errors
    /// A row has no value for the key, a value without a column, or the place of another row.
    pub fn places(&self, rows: &[(String, &Table)]) -> Result<Vec<MatrixPlace>, String> {
        let mut found: Vec<MatrixPlace> = Vec::with_capacity(rows.len());
        for (line, settings) in rows {
            let path = &self.path;
            let Some(value) = value_at(settings, path) else {
                return Err(format!("`columns`: the row `{line}` has no key `{path}`"));
            };
            let Some(column) = self.title(value) else {
                return Err(format!(
                    "`columns`: the row `{line}` has `{path}` = {value}, which is not one of `values`"
                ));
            };
            let place = MatrixPlace {
                line: line.clone(),
                column,
            };
            if found.contains(&place) {
                return Err(format!(
                    "`columns`: two rows stand in line `{}`, column `{}`; give them different labels",
                    place.line, place.column
                ));
            }
            found.push(place);
        }
        Ok(found)
    }
}

/// A value as the title of its column.
fn title(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
