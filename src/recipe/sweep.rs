//! A sweep file: one question, one table. Its axes become variants: a label and the settings that it changes.
//!
//! | key | meaning |
//! |---|---|
//! | `question` | what the table answers |
//! | `reference` | label of the row that differences are taken to |
//! | `paper` | `{ table, column }`: where the paper's numbers stand |
//! | `set` | settings of all variants, below the environment and `--set` |
//! | `[[each]]` | one variant: `label`, `set."key.path" = value`, `paper` (the paper's number) |
//! | `[[walk]]` | as `each`, but every variant also sets what those before it set: from one recipe to another, a step at a time |
//! | `[grid]` | `"key.path" = [values]`: the product, the last key the fastest |
//! | `[zip]` | `"key.path" = [values]`: in step |
//!
//! `grid` and `zip` also take `label`, a template in which `{key.path}` stands for the value, and `paper`, a list in step with
//! the variants. The variants of `each`, `walk`, `grid` and `zip` follow one another.

use super::axes;
use super::error::Problem;
use super::file::{Node, ParsedFile, Tree};
use super::overlay::Layer;
use super::provenance::Place;
use super::suggest;
use serde::Serialize;
use std::path::{Path, PathBuf};
use toml::Value;

/// Where in the paper a sweep's numbers stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Paper {
    /// Number of the table.
    pub table: String,
    /// Its column.
    pub column: String,
}

/// A sweep that was read.
#[derive(Debug)]
pub struct Sweep {
    pub name: String,
    pub question: String,
    pub reference: Option<String>,
    pub paper: Option<Paper>,
    /// Settings of all variants.
    pub base: Layer,
    pub variants: Vec<Variant>,
}

/// One point of a sweep.
#[derive(Debug)]
pub struct Variant {
    pub label: String,
    pub paper: Option<f64>,
    pub layer: Layer,
    place: Place,
}

const KEYS: [&str; 8] = [
    "question",
    "reference",
    "paper",
    "set",
    "each",
    "walk",
    "grid",
    "zip",
];
const EACH_KEYS: [&str; 3] = ["label", "set", "paper"];

/// The file of sweep `name`: in `sweeps/` beside the folder of `recipe`, or else in `sweeps/` inside it.
pub fn locate(recipe: &Path, name: &str) -> PathBuf {
    let folder = recipe.parent().unwrap_or(Path::new(""));
    let above = match folder.file_name() {
        Some(_) => folder.parent().unwrap_or(Path::new("")).to_path_buf(),
        None => folder.join(".."),
    };
    let file = format!("{name}.toml");
    let inside = folder.join("sweeps").join(&file);
    if inside.is_file() {
        inside
    } else {
        above.join("sweeps").join(&file)
    }
}

/// Reads the sweep `name` at `path`, which the recipe names at `asked_by`. All problems of the file are told together.
pub fn read(path: &Path, name: &str, asked_by: Option<Place>) -> Result<Sweep, Vec<Problem>> {
    let file = ParsedFile::read(path, "sweep", asked_by).map_err(|problem| vec![problem])?;
    parse(&file, name)
}

/// The sweep `name` in `file`.
pub fn parse(file: &ParsedFile, name: &str) -> Result<Sweep, Vec<Problem>> {
    let mut reader = Reader {
        file,
        problems: Vec::new(),
    };
    let sweep = reader.sweep(name);
    if reader.problems.is_empty() {
        Ok(sweep)
    } else {
        Err(reader.problems)
    }
}

struct Reader<'a> {
    file: &'a ParsedFile,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    fn sweep(&mut self, name: &str) -> Sweep {
        let file = self.file;
        let mut sweep = Sweep {
            name: name.to_string(),
            question: String::new(),
            reference: None,
            paper: None,
            base: self.layer("set", None),
            variants: Vec::new(),
        };
        let mut reference_place = None;
        for (key, node) in self.entries(&file.root, "a table") {
            match key.as_str() {
                "question" => sweep.question = self.text(key, node).unwrap_or_default(),
                "reference" => {
                    sweep.reference = self.text(key, node);
                    reference_place = Some(file.value_place(node));
                }
                "paper" => sweep.paper = self.paper(node),
                "set" => sweep.base = self.layer("set", Some(node)),
                "each" => {
                    let items = self.items(key, node).iter();
                    items.for_each(|item| sweep.variants.extend(self.each(item, &mut None)));
                }
                "walk" => {
                    let (items, mut before) = (self.items(key, node).iter(), Some(Vec::new()));
                    items.for_each(|item| sweep.variants.extend(self.each(item, &mut before)));
                }
                "grid" | "zip" => sweep.variants.extend(self.axes(node, key == "grid")),
                _ => self.unknown(key, node, &KEYS),
            }
        }
        self.check_labels(&sweep, reference_place);
        sweep
    }

    fn check_labels(&mut self, sweep: &Sweep, reference_place: Option<Place>) {
        if sweep.variants.is_empty() && self.problems.is_empty() {
            let path = self.file.source.path.display().to_string();
            self.tell(
                Place::named(path),
                "a sweep without variants; write `[[each]]`, `[grid]` or `[zip]`",
            );
        }
        for (index, variant) in sweep.variants.iter().enumerate() {
            if sweep.variants[..index]
                .iter()
                .any(|earlier| earlier.label == variant.label)
            {
                self.tell(
                    variant.place.clone(),
                    format!("the label `{}` is there twice", variant.label),
                );
            }
        }
        let labels = || sweep.variants.iter().map(|variant| variant.label.as_str());
        if let (Some(reference), Some(place)) = (&sweep.reference, reference_place)
            && labels().all(|label| label != reference)
        {
            self.tell(
                place,
                format!(
                    "`reference`: no variant is labelled `{reference}`{}",
                    suggest::hint(reference, labels())
                ),
            );
        }
    }

    /// The tables of `[[key]]`.
    fn items(&mut self, key: &str, node: &'a Node) -> &'a [Node] {
        if let Tree::Array(items) = &node.tree {
            return items;
        }
        let message = format!("`{key}` is a list of tables: write `[[{key}]]`");
        self.tell(self.file.key_place(node), message);
        &[]
    }

    /// A labelled variant. In a walk `before` holds what the variants before it set, and takes what this one sets.
    fn each(
        &mut self,
        item: &'a Node,
        before: &mut Option<Vec<(String, Node)>>,
    ) -> Option<Variant> {
        let (mut label, mut paper, mut set) = (None, None, None);
        for (key, node) in self.entries(item, "a table with `label` and `set`") {
            match key.as_str() {
                "label" => {
                    label = self
                        .text(key, node)
                        .map(|text| (text, self.file.value_place(node)))
                }
                "paper" => paper = self.number(node),
                "set" => set = Some(node),
                _ => self.unknown(key, node, &EACH_KEYS),
            }
        }
        let Some((label, place)) = label else {
            self.tell(self.file.key_place(item), "this variant has no `label`");
            return None;
        };
        let is_table = set.is_none_or(|set| matches!(set.tree, Tree::Table(_)));
        let walked = before.as_mut().filter(|_| is_table).map(|before| {
            if let Some(Tree::Table(entries)) = set.map(|set| &set.tree) {
                before.extend(entries.iter().cloned());
            }
            Node {
                tree: Tree::Table(before.clone()),
                ..item.clone()
            }
        });
        let layer = self.layer(&format!("variant {label}"), walked.as_ref().or(set));
        Some(Variant {
            label,
            paper,
            layer,
            place,
        })
    }

    /// The variants of `[grid]` (the product) or of `[zip]` (in step).
    fn axes(&mut self, node: &'a Node, product: bool) -> Vec<Variant> {
        let (mut axes, mut template, mut papers) = (Vec::new(), None, None);
        for (key, inner) in self.entries(node, "a table of lists") {
            match (key.as_str(), &inner.tree) {
                ("label", _) => template = self.text(key, inner),
                ("paper", Tree::Array(items)) => {
                    let numbers: Vec<_> = items.iter().map(|item| self.number(item)).collect();
                    papers = Some((inner, numbers));
                }
                _ => axes::collect(key, inner, &mut axes),
            }
        }
        let points = match axes::points(&axes, product) {
            Ok(points) => points,
            Err(wrong) => {
                let place = self.file.value_place(wrong.node.unwrap_or(node));
                self.tell(place, wrong.message);
                return Vec::new();
            }
        };
        if let Some((place, papers)) = &papers
            && papers.len() != points.len()
        {
            let (numbers, variants) = (papers.len(), points.len());
            let message = format!("`paper` has {numbers} numbers for {variants} variants");
            self.tell(self.file.value_place(place), message);
        }
        let numbers = papers.map(|(_, numbers)| numbers).unwrap_or_default();
        let mut variants = Vec::new();
        for (index, point) in points.into_iter().enumerate() {
            let label = axes::label(template.as_deref(), &point);
            let entries = point
                .iter()
                .map(|&(path, value)| (path.to_string(), value.clone()));
            let tree = Tree::Table(entries.collect());
            let set = Node {
                tree,
                ..node.clone()
            };
            let layer = self.layer(&format!("variant {label}"), Some(&set));
            let paper = numbers.get(index).copied().flatten();
            let place = self.file.key_place(node);
            variants.push(Variant {
                label,
                paper,
                layer,
                place,
            });
        }
        variants
    }

    fn layer(&mut self, what: &str, set: Option<&Node>) -> Layer {
        let name = format!("{}, {what}", self.file.source.path.display());
        let none = Node {
            key: 0..0,
            value: 0..0,
            tree: Tree::Table(Vec::new()),
        };
        if let Some(node) = set.filter(|node| !matches!(node.tree, Tree::Table(_))) {
            self.tell(
                self.file.value_place(node),
                "`set`: expected a table, like `set.\"train.steps\" = 100`",
            );
        }
        // The root of the tree has no key of its own; the path of each setting starts below it.
        self.file
            .layer(name, set.unwrap_or(&none), &mut self.problems)
    }

    fn paper(&mut self, node: &Node) -> Option<Paper> {
        let plain = node.plain();
        let table = plain
            .get("table")
            .map(|table| table.to_string().trim_matches('"').to_string());
        let column = plain
            .get("column")
            .and_then(Value::as_str)
            .map(str::to_string);
        let size = plain.as_table().map_or(0, toml::Table::len);
        match (table, column, size) {
            (Some(table), Some(column), 2) => Some(Paper { table, column }),
            _ => {
                self.tell(
                    self.file.value_place(node),
                    "`paper`: expected `{ table = 3, column = \"mAP\" }`",
                );
                None
            }
        }
    }

    fn entries(&mut self, node: &'a Node, expected: &str) -> &'a [(String, Node)] {
        match &node.tree {
            Tree::Table(entries) => entries,
            _ => {
                self.tell(self.file.value_place(node), format!("expected {expected}"));
                &[]
            }
        }
    }

    fn text(&mut self, key: &str, node: &Node) -> Option<String> {
        match &node.tree {
            Tree::Leaf(Value::String(text)) => Some(text.clone()),
            _ => {
                self.tell(
                    self.file.value_place(node),
                    format!("`{key}`: expected a string"),
                );
                None
            }
        }
    }

    fn number(&mut self, node: &Node) -> Option<f64> {
        match &node.tree {
            Tree::Leaf(Value::Integer(number)) => Some(*number as f64),
            Tree::Leaf(Value::Float(number)) => Some(*number),
            _ => {
                self.tell(
                    self.file.value_place(node),
                    "`paper`: expected the paper's number",
                );
                None
            }
        }
    }

    fn unknown(&mut self, key: &str, node: &Node, known: &[&str]) {
        let hint = suggest::hint(key, known.iter().copied());
        self.tell(
            self.file.key_place(node),
            format!("unknown key `{key}`{hint}"),
        );
    }

    fn tell(&mut self, place: Place, message: impl Into<String>) {
        self.problems.push(Problem::at(place, message));
    }
}
