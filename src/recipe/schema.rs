//! JSON Schemas (draft 2020-12) of recipes and sweeps, for editors. They are generated from the text of
//! `recipes/pl-dc.toml` (the keys, the types of their defaults, the comments behind them) and from the
//! registries (the names of components and their keys). So they always agree with the program.
//!
//! A component other than the default's has keys whose types only its own code knows: the schema allows these
//! keys with any value, a new key excepted, whose built-in default has a type.

use super::either::other_type;
use super::file::{Node, ParsedFile, Tree};
use super::moved::moved_tables;
use super::new_keys::NewKeys;
use super::overlay::{component_name, value_at};
use crate::registry::joined;
use serde_json::{Map, Value, json};

/// The URI of the draft. An editor needs it to read the schema correctly.
const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// A table that is a component, and the components that it can name.
pub struct ComponentSlot {
    /// The dotted path of the table.
    pub path: &'static str,
    /// The components, in the order of the registry.
    pub choices: Vec<ComponentChoice>,
}

/// A component that a slot can name.
pub struct ComponentChoice {
    /// The name.
    pub name: &'static str,
    /// One line of description.
    pub about: &'static str,
    /// Its keys without `name`; none if any key is allowed.
    pub keys: Option<Vec<String>>,
}

/// The schema of a recipe. `defaults`: the text of a recipe that holds every key; `new_keys`: those that a
/// recipe may leave out.
///
/// # Panics
/// `defaults` is no recipe without errors.
pub fn recipe_schema(defaults: &str, slots: &[ComponentSlot], new_keys: &NewKeys) -> Value {
    let writer = Writer::new(defaults, slots, new_keys);
    let mut schema = writer.closed("", &writer.file.root);
    let properties = schema["properties"].as_object_mut().expect("an object");
    properties.insert(
        "extends".into(),
        json!({
            "description": "the recipe that this one extends, as a path relative to this file, or a list of recipes, in which later files override earlier ones",
            "anyOf": [
                { "type": "string" },
                { "type": "array", "items": { "type": "string" }, "uniqueItems": true },
            ],
        }),
    );
    properties.insert(
        "results".into(),
        json!({ "type": "string", "description": "folder of the tables under results/; the default is the recipe's name" }),
    );
    for (earlier, today) in moved_tables() {
        properties.insert(earlier.into(), writer.deprecated(today));
    }
    properties["seeds"]["items"]["minimum"] = 0.into();
    properties["seeds"]["minItems"] = 1.into();
    properties["seeds"]["uniqueItems"] = true.into();
    // A quoted key with dots is a path.
    schema["patternProperties"] = json!({ format!("^({})\\.", writer.sections().join("|")): true });
    head(schema, "recipe of harness")
}

/// The schema of a sweep file for recipes like `defaults`.
///
/// # Panics
/// `defaults` is no recipe without errors.
pub fn sweep_schema(defaults: &str, slots: &[ComponentSlot], new_keys: &NewKeys) -> Value {
    let writer = Writer::new(defaults, slots, new_keys);
    let setting = format!("^({})(\\.|$)", writer.sections().join("|"));
    let settings = |value: Value| json!({ setting.as_str(): value });
    let axes = |what: &str, more: Value| {
        let mut properties = json!({
            "label": {
                "description": "a template in which {key.path} stands for the value, or a list with one label per variant",
                "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }],
            },
            "paper": { "$ref": "#/$defs/numbers" },
        });
        properties
            .as_object_mut()
            .expect("an object")
            .extend(more.as_object().cloned().unwrap_or_default());
        json!({
            "type": "object", "description": what, "properties": properties,
            "patternProperties": settings(json!({ "$ref": "#/$defs/axis" })), "additionalProperties": false,
        })
    };
    let modules = |what: &str| {
        json!({
            "type": "object", "description": what, "required": ["label", "off"], "additionalProperties": false,
            "properties": {
                "label": { "type": "string", "description": "the row with every module on" },
                "paper": { "$ref": "#/$defs/numbers" },
                "off": {
                    "type": "object", "minProperties": 1, "additionalProperties": { "$ref": "#/$defs/settings" },
                    "description": "the settings that switch each module off",
                },
            },
        })
    };
    let rows = |what: &str| {
        json!({
            "type": "array", "description": what,
            "items": {
                "type": "object", "required": ["label"], "additionalProperties": false,
                "properties": {
                    "label": { "type": "string", "description": "the name of the row" },
                    "paper": { "type": "number", "description": "the paper's number" },
                    "set": { "$ref": "#/$defs/settings" },
                },
            },
        })
    };
    let exclude = json!({ "exclude": { "type": "array", "items": { "$ref": "#/$defs/condition" }, "description": "points to leave out" } });
    let schema = json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "question": { "type": "string", "description": "the question that the table answers" },
            "reference": { "type": "string", "description": "label of the row that the differences are computed against" },
            "paper": {
                "type": "object", "description": "place of the published numbers in the paper", "additionalProperties": false,
                "properties": { "table": { "type": ["integer", "string"] }, "column": { "type": "string" } },
                "required": ["table", "column"],
            },
            "set": { "$ref": "#/$defs/settings" },
            "each": rows("labelled rows"),
            "walk": rows("labelled rows; each also sets everything that the rows before it set"),
            "grid": axes("the product of lists of values; the last key changes fastest", exclude),
            "zip": axes("lists of values in step", json!({})),
            "leave-one-out": modules("all modules on, each one off, all off"),
            "add-one-in": modules("all modules off, each one alone on, all on"),
            "cumulative": modules("all modules off, then on one after the other"),
        },
        "$defs": {
            "settings": {
                "type": "object", "properties": writer.dotted(), "patternProperties": settings(json!(true)),
                "additionalProperties": false, "description": "settings by their dotted or nested keys",
            },
            "condition": {
                "type": "object", "minProperties": 1, "patternProperties": settings(json!(true)), "additionalProperties": false,
                "description": "holds if every key has its value; a list stands for any of its values",
            },
            "axis": {
                "anyOf": [
                    { "type": "array", "minItems": 1 },
                    {
                        "type": "object", "required": ["values"], "additionalProperties": false,
                        "properties": { "values": { "type": "array", "minItems": 1 }, "when": { "$ref": "#/$defs/condition" } },
                    },
                    // Nested in place of dotted keys.
                    { "type": "object", "not": { "required": ["values"] } },
                ],
            },
            "numbers": { "type": "array", "items": { "type": "number" }, "description": "the paper's numbers, in the order of the rows" },
        },
    });
    head(schema, "sweep of harness")
}

/// Puts the draft and the title before `schema`.
fn head(schema: Value, title: &str) -> Value {
    let mut whole = Map::new();
    whole.insert("$schema".into(), DRAFT.into());
    whole.insert("title".into(), title.into());
    whole.extend(schema.as_object().cloned().unwrap_or_default());
    Value::Object(whole)
}

struct Writer<'a> {
    file: ParsedFile,
    defaults: toml::Table,
    slots: &'a [ComponentSlot],
    new_keys: &'a NewKeys,
}

impl<'a> Writer<'a> {
    fn new(defaults: &str, slots: &'a [ComponentSlot], new_keys: &'a NewKeys) -> Self {
        let file = ParsedFile::parse("defaults".as_ref(), defaults.to_string()).expect("TOML");
        let table = file.root.plain();
        Self {
            file,
            defaults: table.as_table().cloned().expect("a table"),
            slots,
            new_keys,
        }
    }

    /// The names of the tables of the recipe, with the earlier names of tables that moved.
    fn sections(&self) -> Vec<&str> {
        let tables = self.defaults.iter().filter(|(_, value)| value.is_table());
        let today = tables.map(|(key, _)| key.as_str());
        today
            .chain(moved_tables().map(|(earlier, _)| earlier))
            .collect()
    }

    /// The schema of the table at the dotted path `today` for its earlier place.
    fn deprecated(&self, today: &str) -> Value {
        let node = today.split('.').try_fold(&self.file.root, |node, key| {
            let Tree::Table(entries) = &node.tree else {
                return None;
            };
            let mut entries = entries.iter();
            entries
                .find(|(name, _)| name == key)
                .map(|(_, inner)| inner)
        });
        let mut schema = self.closed(today, node.expect("a moved table is in the defaults"));
        schema["deprecated"] = true.into();
        schema["description"] = format!("this table is `{today}` now").into();
        schema
    }

    /// The schema of every plain key by its dotted path. Keys whose type differs between components are left
    /// out.
    fn dotted(&self) -> Map<String, Value> {
        let mut found = Map::new();
        self.walk("", &self.file.root, &mut found);
        found
    }

    fn walk(&self, path: &str, node: &Node, found: &mut Map<String, Value>) {
        let Tree::Table(entries) = &node.tree else {
            found.insert(path.to_string(), self.node(path, node));
            return;
        };
        for (key, inner) in entries {
            let inside = joined(path, key);
            let is_section = !path.is_empty() || matches!(inner.tree, Tree::Table(_));
            if is_section && key != "name" && !self.is_ambiguous(path, key) {
                self.walk(&inside, inner, found);
            }
        }
    }

    fn slot(&self, path: &str) -> Option<(&'a ComponentSlot, &str)> {
        let slot = self.slots.iter().find(|slot| slot.path == path)?;
        let keys: Vec<String> = path.split('.').map(str::to_string).collect();
        Some((slot, component_name(&self.defaults, &keys)?))
    }

    /// Returns true if a component other than the default has a key of this name in the slot at `path`, and
    /// the two may differ in type.
    fn is_ambiguous(&self, path: &str, key: &str) -> bool {
        self.slot(path).is_some_and(|(slot, default)| {
            let mut others = slot.choices.iter().filter(|choice| choice.name != default);
            others.any(|choice| {
                let has = |keys: &Vec<String>| keys.iter().any(|k| k == key);
                choice.keys.as_ref().is_none_or(has) && !self.agrees(path, choice.name, key)
            })
        })
    }

    /// Returns true if the component `name` at `path` has its key `key` of the same type as the defaults. A
    /// slot has the same components everywhere; a new key has a default that shows its type.
    fn agrees(&self, path: &str, name: &str, key: &str) -> bool {
        let path = joined(path, key);
        let is_slot = self.slots.iter().any(|slot| slot.path == path);
        let mut known = self.new_keys.iter();
        let new = known.find(|(key, _)| key.path == path && key.of.contains(&name));
        let typed = value_at(&self.defaults, &path);
        is_slot || new.is_some_and(|(_, new)| typed.is_some_and(|typed| typed.same_type(new)))
    }

    fn node(&self, path: &str, node: &Node) -> Value {
        let mut schema = match &node.tree {
            Tree::Leaf(value) => match other_type(path) {
                Some(other) => json!({ "anyOf": [leaf(value), any_leaf(other)] }),
                None => leaf(value),
            },
            Tree::Array(items) => {
                let items = items
                    .first()
                    .map_or(json!({ "type": "string" }), |item| self.node("", item));
                json!({ "type": "array", "items": without_default(items) })
            }
            Tree::Table(_) => match self.slot(path) {
                Some((slot, default)) => self.component(slot, default, node),
                None => self.closed(path, node),
            },
        };
        if let Some(comment) = self.comment(node) {
            schema["description"] = comment.into();
        }
        if !matches!(node.tree, Tree::Table(_)) && !path.is_empty() {
            schema["default"] = serde_json::to_value(node.plain()).unwrap_or_default();
        }
        schema
    }

    /// A table with exactly the keys of the defaults.
    fn closed(&self, path: &str, node: &Node) -> Value {
        json!({ "type": "object", "properties": self.properties(path, node), "additionalProperties": false })
    }

    fn properties(&self, path: &str, node: &Node) -> Map<String, Value> {
        let Tree::Table(entries) = &node.tree else {
            return Map::new();
        };
        let named = entries.iter();
        named
            .map(|(key, inner)| (key.clone(), self.node(&joined(path, key), inner)))
            .collect()
    }

    /// A component: its name decides which keys are allowed. Without a name, the component is that of a
    /// recipe below, so the keys of all components are allowed.
    fn component(&self, slot: &ComponentSlot, default: &str, node: &Node) -> Value {
        let names = slot.choices.iter();
        let names =
            names.map(|choice| json!({ "const": choice.name, "description": choice.about }));
        let name = json!({ "oneOf": names.collect::<Vec<_>>(), "default": default });
        let typed = self.properties(slot.path, node);
        let mut rules = Vec::new();
        let mut all = Map::from_iter([("name".to_string(), json!(true))]);
        let mut open = false;
        for choice in &slot.choices {
            let mut properties = Map::from_iter([("name".to_string(), json!(true))]);
            for key in choice.keys.iter().flatten() {
                let known = match choice.name == default {
                    true => typed.get(key).cloned(),
                    false => self.new_key(slot.path, choice.name, key),
                };
                properties.insert(key.clone(), known.unwrap_or(json!({})));
                let agreed = typed
                    .get(key)
                    .filter(|_| !self.is_ambiguous(slot.path, key));
                all.insert(key.clone(), agreed.cloned().unwrap_or(json!({})));
            }
            open |= choice.keys.is_none();
            rules.push(json!({
                "if": { "properties": { "name": { "const": choice.name } }, "required": ["name"] },
                "then": { "properties": properties, "additionalProperties": choice.keys.is_none() },
            }));
        }
        rules.push(json!({
            "if": { "not": { "required": ["name"] } },
            "then": { "properties": all, "additionalProperties": open },
        }));
        json!({ "type": "object", "properties": { "name": name }, "allOf": rules })
    }

    /// The schema of a new key of the component `name` at `path`, as its built-in default tells it.
    fn new_key(&self, path: &str, name: &str, key: &str) -> Option<Value> {
        let path = joined(path, key);
        let mut known = self.new_keys.iter();
        let (_, default) = known.find(|(key, _)| key.path == path && key.of.contains(&name))?;
        let mut schema = match default {
            toml::Value::Array(_) => json!({ "type": "array" }),
            toml::Value::Table(_) => json!({ "type": "object" }),
            plain => leaf(plain),
        };
        schema["default"] = serde_json::to_value(default).unwrap_or_default();
        Some(schema)
    }

    /// The comment behind a key, with the indented lines of comment that go on below it.
    fn comment(&self, node: &Node) -> Option<String> {
        let text = &self.file.source.text;
        let lines = |from: usize| text[from..].lines();
        let several = text.get(node.value.clone())?.trim_end().contains('\n');
        let table = matches!(node.tree, Tree::Table(_));
        // The comment stands behind the opening bracket of a list over several lines, behind the header of a
        // table, or else behind the value.
        let behind = match (table || several, &node.tree) {
            (true, Tree::Array(_)) => node.value.start + 1,
            (true, _) if text[node.key.end..].starts_with(']') => node.key.end + 1,
            _ => node.value.end,
        };
        let first = lines(behind).next()?.trim_start().strip_prefix('#')?.trim();
        let mut comment = first.to_string();
        let more = lines(behind)
            .skip(1)
            .take_while(|line| line.trim_start() != *line);
        for line in more.map_while(|line| line.trim_start().strip_prefix('#')) {
            comment = format!("{comment} {}", line.trim());
        }
        Some(comment)
    }
}

fn leaf(value: &toml::Value) -> Value {
    let kind = match value {
        toml::Value::Integer(_) => "integer",
        toml::Value::Float(_) => "number",
        toml::Value::Boolean(_) => "boolean",
        _ => "string",
    };
    json!({ "type": kind })
}

/// The schema of a plain value or of a list of plain values.
fn any_leaf(value: &toml::Value) -> Value {
    match value.as_array().and_then(|items| items.first()) {
        Some(item) => json!({ "type": "array", "items": leaf(item) }),
        None => leaf(value),
    }
}

fn without_default(mut schema: Value) -> Value {
    schema
        .as_object_mut()
        .map(|schema| schema.remove("default"));
    schema
}
