//! JSON Schemas (draft 2020-12) of recipes and sweeps, for editors. They are generated from the text of
//! `recipes/pl-dc.toml` (the keys, the types of their defaults, the comments behind them) and from the
//! registries (the names of components) and from the code that reads the keys (types, ranges, texts). So they always
//! agree with the program.

use super::moved::moved_tables;
use super::new_keys::NewKeys;
use super::schema_writer::{ComponentSlot, Writer};
use serde_json::{Map, Value, json};

/// The URI of the draft. An editor needs it to read the schema correctly.
const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The schema of a recipe. `defaults`: the text of a recipe that holds every key; `sections`: the JSON Schemas of its
/// tables that are no components, by name; `new_keys`: the keys that a recipe may leave out.
///
/// # Panics
/// `defaults` is no recipe without errors.
pub fn recipe_schema(
    defaults: &str,
    slots: &[ComponentSlot],
    sections: &[(&str, Value)],
    new_keys: &NewKeys,
) -> Value {
    let writer = Writer::new(defaults, slots, sections, new_keys);
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
    let mut list = properties["seeds"].clone();
    let about = list
        .as_object_mut()
        .and_then(|list| list.remove("description"));
    list["items"]["minimum"] = 0.into();
    list["minItems"] = 1.into();
    list["uniqueItems"] = true.into();
    let range = json!({
        "type": "object", "required": ["at-least", "at-most", "until"], "additionalProperties": false,
        "properties": {
            "at-least": { "type": "integer", "minimum": 2, "description": "the number of seeds of the first look" },
            "at-most": { "type": "integer", "minimum": 2, "maximum": 1000, "description": "the largest number of seeds of a row" },
            "until": { "const": "decided", "description": "every row gets seeds until its difference to the reference row is decided" },
        },
    });
    properties["seeds"] = json!({ "description": about, "anyOf": [list, range] });
    // A quoted key with dots is a path.
    let mut paths = Map::new();
    paths.insert(
        format!("^({})\\.", writer.sections().join("|")),
        true.into(),
    );
    for (path, value) in writer.dotted() {
        paths.insert(format!("^{}$", path.replace('.', "\\.")), value);
    }
    schema["patternProperties"] = paths.into();
    head(schema, "recipe of harness")
}

/// The schema of a sweep file for recipes like `defaults`.
///
/// # Panics
/// `defaults` is no recipe without errors.
pub fn sweep_schema(
    defaults: &str,
    slots: &[ComponentSlot],
    sections: &[(&str, Value)],
    new_keys: &NewKeys,
) -> Value {
    let writer = Writer::new(defaults, slots, sections, new_keys);
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
                    "paper": {
                        "description": "the paper's number; with `zip` a list with one for each element",
                        "anyOf": [{ "type": "number" }, { "type": "array", "items": { "type": "number" } }],
                    },
                    "recipe": { "type": "string", "description": "a recipe with whose settings the row begins, relative to this file" },
                    "set": { "$ref": "#/$defs/settings" },
                    "zip": {
                        "type": "object", "description": "lists of values in step: a row for each element",
                        "patternProperties": settings(json!({ "$ref": "#/$defs/axis" })), "additionalProperties": false,
                    },
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
            "reference": { "type": ["string", "object"], "description": "label of the row that the differences are computed against, or, in a table with groups, the settings of the row of each group" },
            "negligible": {
                "type": "number", "exclusiveMinimum": 0,
                "description": "largest difference that does not matter, in points of the metric, for the verdict `same`; with seeds until decided",
            },
            "effect-scale": {
                "type": "number", "exclusiveMinimum": 0,
                "description": "variance of the prior of the effect, in deviations of the paired differences; with seeds until decided; 1 if left out",
            },
            "paper": {
                "type": "object", "description": "place of the published numbers in the paper", "additionalProperties": false,
                "properties": { "table": { "type": ["integer", "string"] }, "column": { "type": "string" } },
                "required": ["table", "column"],
            },
            "columns": {
                "description": "the key whose values are the columns of a matrix of the rows",
                "anyOf": [
                    { "type": "string" },
                    {
                        "type": "object", "required": ["key"], "additionalProperties": false,
                        "properties": {
                            "key": { "type": "string" },
                            "values": { "type": "array", "description": "the values in the order of the columns" },
                            "titles": { "type": "array", "items": { "type": "string" }, "description": "a title for each value" },
                        },
                    },
                ],
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
