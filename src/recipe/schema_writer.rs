//! The JSON Schemas of the tables of a recipe: plain tables, and components, whose name decides which keys they have.

use super::file::{Node, ParsedFile, Tree};
use super::moved::moved_tables;
use super::new_keys::NewKeys;
use super::overlay::component_name;
use super::phases::{PHASE, TABLES};
use crate::registry::{joined, schema_at};
use serde_json::{Map, Value, json};

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
    /// The JSON Schema of its table without `name`: types, texts and ranges.
    pub schema: Value,
}

/// Writes the schemas of the tables of a recipe.
pub(super) struct Writer<'a> {
    /// The recipe that holds every key.
    pub(super) file: ParsedFile,
    defaults: toml::Table,
    slots: &'a [ComponentSlot],
    sections: &'a [(&'a str, Value)],
    new_keys: &'a NewKeys,
}

impl<'a> Writer<'a> {
    pub(super) fn new(
        defaults: &str,
        slots: &'a [ComponentSlot],
        sections: &'a [(&'a str, Value)],
        new_keys: &'a NewKeys,
    ) -> Self {
        let file = ParsedFile::parse("defaults".as_ref(), defaults.to_string()).expect("TOML");
        let table = file.root.plain();
        Self {
            file,
            defaults: table.as_table().cloned().expect("a table"),
            slots,
            sections,
            new_keys,
        }
    }

    /// The names of the tables of the recipe, with the earlier names of tables that moved.
    pub(super) fn sections(&self) -> Vec<&str> {
        let tables = self.defaults.iter().filter(|(_, value)| value.is_table());
        let today = tables.map(|(key, _)| key.as_str());
        today
            .chain(moved_tables().map(|(earlier, _)| earlier))
            .collect()
    }

    /// The schema of the table at the dotted path `today` for its earlier place.
    pub(super) fn deprecated(&self, today: &str) -> Value {
        let node = self.node_at(today);
        let mut schema = self.closed(today, node.expect("a moved table is in the defaults"));
        schema["deprecated"] = true.into();
        schema["description"] = format!("this table is `{today}` now").into();
        schema
    }

    /// The schema of every plain key by its dotted path, the keys of all components among them.
    pub(super) fn dotted(&self) -> Map<String, Value> {
        let mut found = Map::new();
        self.walk("", &self.file.root, &mut found);
        for slot in self.slots {
            for key in self.keys_of(slot) {
                let path = joined(slot.path, &key);
                if !self.slots.iter().any(|slot| slot.path == path) {
                    let either = self.either(slot, &key);
                    found.insert(path, either);
                }
            }
        }
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
            if is_section && key != "name" {
                self.walk(&inside, inner, found);
            }
        }
    }

    fn slot(&self, path: &str) -> Option<(&'a ComponentSlot, &str)> {
        let slot = self.slots.iter().find(|slot| slot.path == path)?;
        let keys: Vec<String> = path.split('.').map(str::to_string).collect();
        Some((slot, component_name(&self.defaults, &keys)?))
    }

    /// The names of the keys of all components of a slot.
    fn keys_of(&self, slot: &ComponentSlot) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        for key in slot
            .choices
            .iter()
            .flat_map(|choice| choice.keys.iter().flatten())
        {
            if !found.contains(key) {
                found.push(key.clone());
            }
        }
        found
    }

    /// The schema of the key `key` of any component of a slot.
    fn either(&self, slot: &ComponentSlot, key: &str) -> Value {
        let mut ways: Vec<Value> = Vec::new();
        for choice in &slot.choices {
            if let Some(way) = self
                .key(slot, choice, key)
                .filter(|way| !ways.contains(way))
            {
                ways.push(way);
            }
        }
        match ways.len() {
            1 => ways.remove(0),
            _ => json!({ "anyOf": ways }),
        }
    }

    /// The schema of the key `key` of the component `choice`, with its text and its default; none if it has no such
    /// key.
    fn key(&self, slot: &ComponentSlot, choice: &ComponentChoice, key: &str) -> Option<Value> {
        let path = joined(slot.path, key);
        let of_default = self
            .slot(slot.path)
            .is_some_and(|(_, name)| name == choice.name);
        let mut schema = choice.schema["properties"].get(key)?.clone();
        if of_default && let Some(node) = self.node_at(&path) {
            return Some(self.node(&path, node));
        }
        if let Some(inner) = self.slots.iter().find(|slot| slot.path == path) {
            return Some(self.component(inner, None, self.node_at(&path)));
        }
        let mut known = self.new_keys.iter();
        let is_it = |new: &&str| *new == choice.name;
        let default = known.find(|(new, _)| new.path == path && new.of.iter().any(&is_it));
        if let Some((_, default)) = default {
            schema["default"] = serde_json::to_value(default).unwrap_or_default();
        }
        Some(shown(schema))
    }

    /// The place of the defaults at a dotted path.
    fn node_at(&self, path: &str) -> Option<&Node> {
        path.split('.').try_fold(&self.file.root, |node, key| {
            let Tree::Table(entries) = &node.tree else {
                return None;
            };
            let mut entries = entries.iter();
            entries
                .find(|(name, _)| name == key)
                .map(|(_, inner)| inner)
        })
    }

    /// The description of the key at `path` of the defaults, by the code that reads it.
    fn described(&self, path: &str) -> Option<&Value> {
        let inside = |table: &str| path.strip_prefix(table)?.strip_prefix('.');
        let slots = self.slots.iter().rev();
        let in_slot = slots
            .filter_map(|slot| Some((slot, inside(slot.path)?)))
            .next();
        match in_slot {
            Some((slot, key)) => {
                let (_, name) = self.slot(slot.path)?;
                let choice = slot.choices.iter().find(|choice| choice.name == name)?;
                schema_at(&choice.schema, key)
            }
            None => {
                let (name, schema) = self
                    .sections
                    .iter()
                    .find(|(name, _)| inside(name).is_some())?;
                schema_at(schema, inside(name)?)
            }
        }
    }

    /// `[phase]`: tables of the recipe again, under names that the method gives.
    fn phases(&self, node: &Node) -> Value {
        let tables = TABLES.iter().filter_map(|name| {
            let schema = match self.slot(name) {
                // A phase has the component of the trial, and its keys are those of any component.
                Some((slot, _)) => {
                    let mut schema = self.component(slot, None, None);
                    schema["not"] = json!({ "required": ["name"] });
                    schema
                }
                None => self.closed(name, self.node_at(name)?),
            };
            Some((name.to_string(), without_defaults(schema)))
        });
        let tables: Map<String, Value> = tables.collect();
        let phase =
            json!({ "type": "object", "properties": tables, "additionalProperties": false });
        let mut schema = json!({ "type": "object", "additionalProperties": phase });
        if let Some(comment) = self.comment(node) {
            schema["description"] = comment.into();
        }
        schema
    }

    fn node(&self, path: &str, node: &Node) -> Value {
        if path == PHASE {
            return self.phases(node);
        }
        let is_table = matches!(node.tree, Tree::Table(_));
        let described = self.described(path);
        let mut schema = match (&node.tree, described) {
            (Tree::Table(_), _) => match self.slot(path) {
                Some((slot, default)) => self.component(slot, Some(default), Some(node)),
                None => self.closed(path, node),
            },
            (_, Some(described)) => shown(described.clone()),
            (Tree::Leaf(value), None) => leaf(value),
            (Tree::Array(items), None) => {
                let items = items
                    .first()
                    .map_or(json!({ "type": "string" }), |item| self.node("", item));
                json!({ "type": "array", "items": without_default(items) })
            }
        };
        let text = described.and_then(|described| described["description"].as_str());
        let text = match (text, self.comment(node)) {
            (Some(text), Some(comment)) => Some(format!("{text} In pl-dc.toml: {comment}")),
            (text, comment) => comment.or(text.map(str::to_string)),
        };
        if let Some(text) = text {
            schema["description"] = text.into();
        }
        if !is_table && !path.is_empty() {
            schema["default"] = serde_json::to_value(node.plain()).unwrap_or_default();
        }
        schema
    }

    /// A table with exactly the keys of the defaults.
    pub(super) fn closed(&self, path: &str, node: &Node) -> Value {
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
    /// recipe below, so the keys of all components are allowed. `default`: the name that the defaults have; `node`: the
    /// table there, if their components have this slot.
    fn component(&self, slot: &ComponentSlot, default: Option<&str>, node: Option<&Node>) -> Value {
        let names = slot.choices.iter();
        let names =
            names.map(|choice| json!({ "const": choice.name, "description": choice.about }));
        let mut name = json!({ "oneOf": names.collect::<Vec<_>>() });
        if let Some(default) = default {
            name["default"] = default.into();
        }
        let mut rules = Vec::new();
        let mut open = false;
        for choice in &slot.choices {
            let mut properties = Map::from_iter([("name".to_string(), json!(true))]);
            for key in choice.keys.iter().flatten() {
                let known = self.key(slot, choice, key);
                properties.insert(key.clone(), known.unwrap_or(json!({})));
            }
            open |= choice.keys.is_none();
            rules.push(json!({
                "if": { "properties": { "name": { "const": choice.name } }, "required": ["name"] },
                "then": { "properties": properties, "additionalProperties": choice.keys.is_none() },
            }));
        }
        let mut all = Map::from_iter([("name".to_string(), json!(true))]);
        for key in self.keys_of(slot) {
            let either = self.either(slot, &key);
            all.insert(key, either);
        }
        rules.push(json!({
            "if": { "not": { "required": ["name"] } },
            "then": { "properties": all, "additionalProperties": open },
        }));
        let mut schema =
            json!({ "type": "object", "properties": { "name": name }, "allOf": rules });
        if let Some(comment) = node.and_then(|node| self.comment(node)) {
            schema["description"] = comment.into();
        }
        schema
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

/// A table of a phase: its keys have the values of the trial by default.
fn without_defaults(mut table: Value) -> Value {
    let properties = table["properties"].as_object_mut();
    for key in properties.into_iter().flat_map(|keys| keys.values_mut()) {
        *key = without_default(key.take());
    }
    table
}

fn without_default(mut schema: Value) -> Value {
    schema
        .as_object_mut()
        .map(|schema| schema.remove("default"));
    schema
}

/// The description of a key as editors read it: without what they do not know. Rules between keys become part of its
/// text, and no key is required, because a recipe may take it from the one that it extends.
fn shown(mut schema: Value) -> Value {
    if let Some(map) = schema.as_object_mut() {
        map.remove("required");
        let rules = map.remove("rules");
        let rules = rules.iter().filter_map(Value::as_array).flatten();
        let rules: Vec<&str> = rules.filter_map(Value::as_str).collect();
        if let (Some(Value::String(text)), false) = (map.get_mut("description"), rules.is_empty()) {
            *text += &format!(" Allowed: {}.", rules.join("; "));
        }
        for inner in map.values_mut() {
            if inner.is_object() {
                *inner = shown(inner.take());
            }
        }
    }
    schema
}
