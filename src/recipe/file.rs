//! A TOML file as a tree that remembers where each key and value stands.
//!
//! A quoted key with dots is a path: `set."train.steps" = 5` and `set.train.steps = 5` are the same.

use super::error::Problem;
use super::moved::{move_path, note};
use super::origin::{Location, Origin, SourceFile};
use super::overlay::{Layer, Refused};
use super::suggest;
use super::{RECIPE_KEYS, SWEEP_KEYS};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use toml_edit::{Document, Item, Key, TableLike, Value};

/// A value with the place of the value and of its key. In an array, the key's place is that of the element.
#[derive(Clone, Debug)]
pub struct Node {
    pub key: Range<usize>,
    pub value: Range<usize>,
    pub tree: Tree,
}

/// The content of a [`Node`]. Tables keep the order of the file.
#[derive(Clone, Debug)]
pub enum Tree {
    Table(Vec<(String, Node)>),
    Array(Vec<Node>),
    Leaf(toml::Value),
}

/// A parsed file: its text and the tree of its top level.
#[derive(Clone, Debug)]
pub struct ParsedFile {
    pub source: Arc<SourceFile>,
    pub root: Node,
}

/// The extension of recipes and sweeps.
const EXTENSION: &str = "toml";

/// The purpose of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A recipe, in the folder `recipes/`.
    Recipe,
    /// A sweep, in the folder `sweeps/`.
    Sweep,
}

impl FileKind {
    fn name(self) -> &'static str {
        match self {
            Self::Recipe => "recipe",
            Self::Sweep => "sweep",
        }
    }

    /// Returns true if the TOML file at `path` is probably of this kind, judged by its folder or by its keys.
    fn fits(self, path: &Path) -> bool {
        let folder = path.parent().and_then(Path::file_name);
        if folder.is_some_and(|folder| folder.to_str() == Some(&format!("{}s", self.name()))) {
            return true;
        }
        let keys: &[&str] = match self {
            Self::Recipe => &RECIPE_KEYS,
            Self::Sweep => &SWEEP_KEYS,
        };
        let text = fs::read_to_string(path).unwrap_or_default();
        text.parse::<toml::Table>()
            .is_ok_and(|table| keys.iter().any(|key| table.contains_key(*key)))
    }
}

impl ParsedFile {
    /// Reads and parses `path`. `asked_by` is the place that names the file; the error points to it.
    pub fn read(path: &Path, kind: FileKind, asked_by: Option<Location>) -> Result<Self, Problem> {
        let text = fs::read_to_string(path).map_err(|error| {
            let reason = match error.kind() {
                std::io::ErrorKind::NotFound => {
                    format!("no such file{}", similar_files(path, kind))
                }
                _ => error.to_string(),
            };
            let kind = kind.name();
            Problem {
                place: asked_by,
                message: format!("cannot read the {kind} `{}`: {reason}", path.display()),
            }
        })?;
        Self::parse(path, text)
    }

    /// Parses `text` as the content of `path`.
    pub fn parse(path: &Path, text: String) -> Result<Self, Problem> {
        let source = SourceFile {
            path: path.to_path_buf(),
            text,
        };
        let document = Document::parse(source.text.as_str()).map_err(|error| {
            let message = format!("not TOML: {}", error.message().trim().replace('\n', "; "));
            Problem::at(
                Location::in_file(&source, error.span().unwrap_or(0..0)),
                message,
            )
        })?;
        let whole = 0..source.text.len();
        let root = Node {
            key: 0..0,
            value: whole,
            tree: Tree::Table(table_nodes(document.as_table())),
        };
        Ok(Self {
            source: Arc::new(source),
            root,
        })
    }

    /// The place of a node's key.
    pub fn key_place(&self, node: &Node) -> Location {
        Location::in_file(&self.source, node.key.clone())
    }

    /// The place of a node's value.
    pub fn value_place(&self, node: &Node) -> Location {
        Location::in_file(&self.source, node.value.clone())
    }

    /// The settings under `node` as a layer called `name`. A key that is given twice (once dotted, once in a
    /// table) is a problem.
    pub fn layer(&self, name: String, node: &Node, problems: &mut Vec<Problem>) -> Layer {
        let mut layer = Layer {
            name,
            table: toml::Table::new(),
            origins: BTreeMap::new(),
            note: None,
        };
        self.fill(&mut layer, &mut Vec::new(), node, problems);
        layer
    }

    /// Records the places of the elements of the list at `path`.
    fn record_elements(&self, layer: &mut Layer, path: &str, node: &Node) {
        if let Tree::Array(_) = node.tree {
            elements(node, path, &mut |path, element| {
                let origin = Origin::File {
                    file: self.source.clone(),
                    key: element.key.clone(),
                    value: element.value.clone(),
                };
                layer.origins.insert(path, origin);
            });
        }
    }

    fn fill(
        &self,
        layer: &mut Layer,
        path: &mut Vec<String>,
        node: &Node,
        problems: &mut Vec<Problem>,
    ) {
        let origin = || Origin::File {
            file: self.source.clone(),
            key: node.key.clone(),
            value: node.value.clone(),
        };
        if !path.is_empty() {
            let value = match &node.tree {
                Tree::Table(_) => toml::Value::Table(toml::Table::new()),
                _ => node.plain(),
            };
            if let Err(refused) = layer.insert(path, value, origin()) {
                let key = path.join(".");
                let message = match refused {
                    Refused::TooDeep => format!("`{key}` is nested too deeply for a setting"),
                    Refused::Occupied(None) => {
                        format!("`{key}` is given twice here, or both as a table and as a value")
                    }
                    Refused::Occupied(Some(first)) => format!(
                        "`{key}` is given twice, or both as a table and as a value; the other is at {first}"
                    ),
                };
                problems.push(Problem::at(self.key_place(node), message));
                return;
            }
            self.record_elements(layer, &path.join("."), node);
        }
        if let Tree::Table(entries) = &node.tree {
            for (key, child) in entries {
                let depth = path.len();
                path.extend(key.split('.').map(str::to_string));
                if depth == 0 && move_path(path) {
                    let place = self.key_place(child).position;
                    layer.note.get_or_insert_with(|| note(key, &place));
                }
                self.fill(layer, path, child, problems);
                path.truncate(depth);
            }
        }
    }
}

/// Calls `found` for every value in a list, with the path of the value from the list on: `[1].area[0]`.
fn elements(node: &Node, path: &str, found: &mut dyn FnMut(String, &Node)) {
    match &node.tree {
        Tree::Leaf(_) => {}
        Tree::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let path = format!("{path}[{index}]");
                elements(item, &path, found);
                found(path, item);
            }
        }
        Tree::Table(entries) => {
            for (key, inner) in entries {
                let path = format!("{path}.{key}");
                elements(inner, &path, found);
                found(path, inner);
            }
        }
    }
}

impl Node {
    /// The value without its places.
    pub fn plain(&self) -> toml::Value {
        match &self.tree {
            Tree::Leaf(value) => value.clone(),
            Tree::Array(items) => toml::Value::Array(items.iter().map(Node::plain).collect()),
            Tree::Table(entries) => toml::Value::Table(
                entries
                    .iter()
                    .map(|(key, node)| (key.clone(), node.plain()))
                    .collect(),
            ),
        }
    }
}

fn table_nodes(table: &dyn TableLike) -> Vec<(String, Node)> {
    let entry = |name: &str| {
        table
            .get_key_value(name)
            .map(|(key, item)| (name.to_string(), item_node(key, item)))
    };
    table.iter().filter_map(|(name, _)| entry(name)).collect()
}

fn item_node(key: &Key, item: &Item) -> Node {
    let key_span = key.span().or_else(|| item.span()).unwrap_or(0..0);
    let value = item.span().unwrap_or_else(|| key_span.clone());
    let tree = match item {
        Item::None => Tree::Leaf(toml::Value::String(String::new())),
        Item::Value(value) => value_tree(value),
        Item::Table(table) => Tree::Table(table_nodes(table)),
        Item::ArrayOfTables(tables) => Tree::Array(
            tables
                .iter()
                .map(|table| {
                    let span = table.span().unwrap_or_else(|| key_span.clone());
                    Node {
                        key: span.clone(),
                        value: span,
                        tree: Tree::Table(table_nodes(table)),
                    }
                })
                .collect(),
        ),
    };
    Node {
        key: key_span,
        value,
        tree,
    }
}

fn value_tree(value: &Value) -> Tree {
    match value {
        Value::String(text) => Tree::Leaf(toml::Value::String(text.value().clone())),
        Value::Integer(number) => Tree::Leaf(toml::Value::Integer(*number.value())),
        Value::Float(number) => Tree::Leaf(toml::Value::Float(*number.value())),
        Value::Boolean(flag) => Tree::Leaf(toml::Value::Boolean(*flag.value())),
        // No setting is a date. As text it fails the type check with the usual message.
        Value::Datetime(date) => Tree::Leaf(toml::Value::String(date.value().to_string())),
        Value::Array(items) => Tree::Array(
            items
                .iter()
                .map(|item| {
                    let span = item.span().unwrap_or(0..0);
                    Node {
                        key: span.clone(),
                        value: span,
                        tree: value_tree(item),
                    }
                })
                .collect(),
        ),
        Value::InlineTable(table) => Tree::Table(table_nodes(table)),
    }
}

/// Returns `; did you mean ...?` or `; there are ...` for a missing file.
fn similar_files(path: &Path, kind: FileKind) -> String {
    let extension = path.extension().unwrap_or(OsStr::new(EXTENSION));
    let wanted = path.file_stem().unwrap_or_default().to_string_lossy();
    let usual = Path::new("recipes").join(format!("{wanted}.{EXTENSION}"));
    let is_usual = kind == FileKind::Recipe && extension == EXTENSION && usual != path;
    if is_usual && usual.is_file() {
        return format!("; did you mean `{}`?", usual.display());
    }
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let Ok(entries) = fs::read_dir(folder) else {
        return format!("; the folder `{}` does not exist either", folder.display());
    };
    let mut stems: Vec<String> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.extension() == Some(extension) && kind.fits(path))
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_string()))
        .filter(|stem| !stem.starts_with('.'))
        .collect();
    stems.sort();
    let whole = |stem: &str| format!("{stem}.{}", extension.display());
    let stems: Vec<&str> = stems.iter().map(String::as_str).collect();
    match suggest::nearest(&wanted, stems.iter().copied()) {
        Some(meant) => format!("; did you mean `{}`?", whole(meant)),
        None if stems.is_empty() => String::new(),
        None => {
            let names: Vec<String> = stems
                .iter()
                .map(|stem| format!("`{}`", whole(stem)))
                .collect();
            format!("; there are {}", names.join(", "))
        }
    }
}
