//! Reads the top level of a sweep file, and the plain values in all its parts.

use super::groups::GroupRule;
use super::{Reference, Sweep, Variant};
use crate::metrics::PaperColumn;
use crate::recipe::SWEEP_KEYS;
use crate::recipe::error::Problem;
use crate::recipe::file::{Node, ParsedFile, Tree};
use crate::recipe::origin::Location;
use crate::recipe::overlay::Layer;
use crate::recipe::suggest;
use std::collections::BTreeSet;
use std::ops::Range;
use toml::{Table, Value};

/// Reads one file and collects all its problems.
pub struct SweepReader<'a> {
    pub file: &'a ParsedFile,
    pub problems: Vec<Problem>,
}

impl<'a> SweepReader<'a> {
    pub fn new(file: &'a ParsedFile) -> Self {
        Self {
            file,
            problems: Vec::new(),
        }
    }

    /// The layer of `set`; empty if there is none.
    pub fn base(&mut self) -> Layer {
        let set = match &self.file.root.tree {
            Tree::Table(entries) => entries.iter().find(|(key, _)| key == "set"),
            _ => None,
        };
        self.layer("set", set.map(|(_, node)| node))
    }

    /// The whole file. Its variants are laid over the settings `below`.
    pub fn sweep(&mut self, below: &Table) -> Sweep {
        let mut sweep = Sweep {
            question: String::new(),
            reference: None,
            paper: None,
            columns: None,
            negligible: None,
            effect_scale: None,
            variants: Vec::new(),
        };
        let mut reference_span = 0..0;
        // Labels of variants have the titles of its columns.
        if let Tree::Table(entries) = &self.file.root.tree
            && let Some((_, node)) = entries.iter().find(|(key, _)| key == "columns")
        {
            sweep.columns = self.columns(node);
        }
        for (key, node) in self.entries(&self.file.root, "a table") {
            match key.as_str() {
                "question" => sweep.question = self.text(key, node).unwrap_or_default(),
                "reference" => {
                    sweep.reference = self.reference(key, node);
                    reference_span = node.value.clone();
                }
                "negligible" => sweep.negligible = self.above_zero(key, node),
                "effect-scale" => sweep.effect_scale = self.above_zero(key, node),
                "paper" => sweep.paper = self.paper(node),
                // Read before the variants.
                "columns" | "set" => {}
                "each" => {
                    let rows = self.each(key, node, sweep.columns.as_ref());
                    sweep.variants.extend(rows);
                }
                "walk" => sweep.variants.extend(self.walk(key, node)),
                "grid" => sweep.variants.extend(self.grid(node, below)),
                "zip" => sweep.variants.extend(self.zip(node, below)),
                "leave-one-out" | "add-one-in" | "cumulative" => {
                    sweep.variants.extend(self.modules(key, node));
                }
                _ => self.unknown(key, node, &SWEEP_KEYS),
            }
        }
        self.check_labels(&sweep, reference_span);
        sweep
    }

    fn check_labels(&mut self, sweep: &Sweep, reference_span: Range<usize>) {
        if sweep.variants.is_empty() && self.problems.is_empty() {
            self.report(
                0..0,
                "a sweep needs at least one variant: write `[[each]]`, `[grid]`, `[zip]` or `[leave-one-out]`; `exclude` must leave one",
            );
        }
        let mut labels = BTreeSet::new();
        for Variant { label, span, .. } in &sweep.variants {
            if label.contains(char::is_control) {
                self.report(
                    span.clone(),
                    format!("the label {label:?} must fit on one line of a table"),
                );
            }
            if !labels.insert(label.as_str()) {
                self.report(span.clone(), format!("the label `{label}` appears twice"));
            }
        }
        if let Some(Reference::Row(reference)) = &sweep.reference
            && !labels.contains(reference.as_str())
        {
            let labels = sweep.variants.iter().map(|variant| variant.label.as_str());
            let hint = suggest::hint(reference, labels);
            let message = format!("`reference`: no variant is labelled `{reference}`{hint}");
            self.report(reference_span, message);
        }
    }

    /// A label, or a condition on the settings of the reference rows.
    fn reference(&mut self, key: &str, node: &'a Node) -> Option<Reference> {
        match &node.tree {
            Tree::Leaf(Value::String(label)) => Some(Reference::Row(label.clone())),
            Tree::Table(_) => {
                let condition = self.condition(key, node);
                let wanted = condition.wanted.into_iter();
                let wanted: Vec<_> = wanted.map(|one| (one.path, one.values)).collect();
                let rule = (!wanted.is_empty()).then(|| GroupRule::new(wanted, node.value.clone()));
                rule.map(Reference::PerGroup)
            }
            _ => {
                let message = "`reference`: expected the label of a row, or `{ \"key.path\" = value }`, which one row of \
                               each group has";
                self.report(node.value.clone(), message);
                None
            }
        }
    }

    /// The settings under `set` as a layer; `what` becomes part of its name.
    pub fn layer(&mut self, what: &str, set: Option<&Node>) -> Layer {
        let name = format!("{}, {what}", self.file.source.path.display());
        let none = Node {
            key: 0..0,
            value: 0..0,
            tree: Tree::Table(Vec::new()),
        };
        if let Some(node) = set.filter(|node| !matches!(node.tree, Tree::Table(_))) {
            self.report(
                node.value.clone(),
                "`set`: expected a table, like `set.\"train.steps\" = 100`",
            );
        }
        // The root of the tree has no key of its own; the path of each setting starts below it.
        let table = set.filter(|node| matches!(node.tree, Tree::Table(_)));
        self.file
            .layer(name, table.unwrap_or(&none), &mut self.problems)
    }

    fn paper(&mut self, node: &Node) -> Option<PaperColumn> {
        let plain = node.plain();
        let table = plain
            .get("table")
            .map(|table| table.to_string().trim_matches('"').to_string());
        let column = plain
            .get("column")
            .and_then(Value::as_str)
            .map(str::to_string);
        let size = plain.as_table().map_or(0, Table::len);
        match (table, column, size) {
            (Some(table), Some(column), 2) => Some(PaperColumn { table, column }),
            _ => {
                self.report(
                    node.value.clone(),
                    "`paper`: expected `{ table = 3, column = \"mAP\" }`",
                );
                None
            }
        }
    }

    /// The entries of a table.
    pub fn entries(&mut self, node: &'a Node, expected: &str) -> &'a [(String, Node)] {
        match &node.tree {
            Tree::Table(entries) => entries,
            _ => {
                self.report(node.value.clone(), format!("expected {expected}"));
                &[]
            }
        }
    }

    /// A string.
    pub fn text(&mut self, key: &str, node: &Node) -> Option<String> {
        match &node.tree {
            Tree::Leaf(Value::String(text)) => Some(text.clone()),
            _ => {
                self.report(node.value.clone(), format!("`{key}`: expected a string"));
                None
            }
        }
    }

    /// The paper's number of one row.
    pub fn number(&mut self, node: &Node) -> Option<f64> {
        match &node.tree {
            Tree::Leaf(Value::Integer(number)) => Some(*number as f64),
            Tree::Leaf(Value::Float(number)) => Some(*number),
            _ => {
                self.report(node.value.clone(), "`paper`: expected the paper's number");
                None
            }
        }
    }

    /// A number above 0.
    fn above_zero(&mut self, key: &str, node: &Node) -> Option<f64> {
        let number = match &node.tree {
            Tree::Leaf(Value::Integer(number)) => Some(*number as f64),
            Tree::Leaf(Value::Float(number)) => Some(*number),
            _ => None,
        };
        let number = number.filter(|number| number.is_finite() && *number > 0.0);
        if number.is_none() {
            let message = format!("`{key}`: expected a number above 0");
            self.report(node.value.clone(), message);
        }
        number
    }

    /// The paper's numbers of all rows of a combinator, in their order.
    pub fn numbers(&mut self, node: &'a Node) -> Vec<Option<f64>> {
        match &node.tree {
            Tree::Array(items) => items.iter().map(|item| self.number(item)).collect(),
            _ => {
                let message = "`paper`: expected a list of the paper's numbers, one for each row";
                self.report(node.value.clone(), message);
                Vec::new()
            }
        }
    }

    /// Gives the variants of a combinator the paper's numbers, if there are any.
    pub fn give_numbers(
        &mut self,
        variants: &mut [Variant],
        papers: Option<(&'a Node, Vec<Option<f64>>)>,
    ) {
        let Some((node, numbers)) = papers else {
            return;
        };
        if numbers.len() != variants.len() && !numbers.is_empty() {
            let (numbers, variants) = (numbers.len(), variants.len());
            let message = format!("`paper` has {numbers} numbers for {variants} variants");
            self.report(node.value.clone(), message);
            return;
        }
        for (variant, number) in variants.iter_mut().zip(numbers) {
            variant.paper = number;
        }
    }

    pub fn unknown(&mut self, key: &str, node: &Node, known: &[&str]) {
        let hint = suggest::hint(key, known.iter().copied());
        self.report(node.key.clone(), format!("unknown key `{key}`{hint}"));
    }

    pub fn report(&mut self, span: Range<usize>, message: impl Into<String>) {
        let place = self.place(span);
        self.problems.push(Problem::at(place, message));
    }

    /// A place in the file.
    pub fn place(&self, span: Range<usize>) -> Location {
        Location::in_file(&self.file.source, span)
    }
}
