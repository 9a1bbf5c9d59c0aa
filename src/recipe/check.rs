//! What can be checked without knowing any component: keys and types against the root of the `extends` chain, which holds
//! every key. A component other than the root's brings its own keys; those its own code checks, and this file finds the
//! place of what it refuses.

use super::error::Problem;
use super::overlay::{Layer, Overlay, component_name};
use super::provenance::Place;
use super::suggest;
use crate::registry::ComponentError;
use toml::Value;

/// Removes the keys of `layers[1..]` that the root `layers[0]` does not know and the values of another type, and tells each.
/// What is left can be checked further without telling the same mistake twice.
pub fn structure(layers: &mut [Layer], problems: &mut Vec<Problem>) {
    let Some((root, _)) = layers.split_first() else {
        return;
    };
    let root = root.table.clone();
    for index in 1..layers.len() {
        let together = Overlay::new(&layers[..=index].iter().collect::<Vec<_>>()).settings;
        let mut table = std::mem::take(&mut layers[index].table);
        let context = Context {
            layer: &layers[index],
            root: &root,
            together: &together,
        };
        context.check(&mut table, &root, &mut Vec::new(), problems);
        layers[index].table = table;
    }
}

struct Context<'a> {
    layer: &'a Layer,
    root: &'a toml::Table,
    together: &'a toml::Table,
}

impl Context<'_> {
    fn check(
        &self,
        table: &mut toml::Table,
        root: &toml::Table,
        path: &mut Vec<String>,
        problems: &mut Vec<Problem>,
    ) {
        table.retain(|key, value| {
            path.push(key.to_string());
            let good = match (root.get(key), &mut *value) {
                (None, _) => Err(self.unknown(key, root, path)),
                (Some(Value::Table(known)), Value::Table(inner)) => {
                    if !self.is_another_component(path) {
                        self.check(inner, known, path, problems);
                    }
                    Ok(())
                }
                (Some(known), found) => clash(known, found).map_or(Ok(()), |expected| {
                    let message = format!(
                        "`{}`: expected {expected}, found {}",
                        path.join("."),
                        shown(found)
                    );
                    Err(Problem {
                        place: self.place(path, false),
                        message,
                    })
                }),
            };
            path.pop();
            good.map_err(|problem| problems.push(problem)).is_ok()
        });
    }

    fn is_another_component(&self, path: &[String]) -> bool {
        let known = component_name(self.root, path);
        known.is_some() && known != component_name(self.together, path)
    }

    fn unknown(&self, key: &str, siblings: &toml::Table, path: &[String]) -> Problem {
        let full = path.join(".");
        let prefix = full[..full.len() - key.len()].to_string();
        let near = suggest::nearest(key, siblings.keys().map(String::as_str))
            .map(|near| format!("{prefix}{near}"));
        // The right key in the wrong table is the next most likely slip.
        let hint = match near.or_else(|| elsewhere(self.root, key)) {
            Some(meant) => format!("; did you mean `{meant}`?"),
            None => suggest::hint(key, siblings.keys().map(String::as_str)),
        };
        Problem {
            place: self.place(path, true),
            message: format!("unknown key `{full}`{hint}"),
        }
    }

    fn place(&self, path: &[String], key: bool) -> Option<Place> {
        let origin = self.layer.origins.get(&path.join("."))?;
        Some(if key {
            origin.key_place()
        } else {
            origin.value_place()
        })
    }
}

/// The path of the first key called `key` anywhere in `table`.
fn elsewhere(table: &toml::Table, key: &str) -> Option<String> {
    table.iter().find_map(|(name, value)| match value {
        _ if name == key => Some(name.clone()),
        Value::Table(inner) => elsewhere(inner, key).map(|path| format!("{name}.{path}")),
        _ => None,
    })
}

/// What was expected, if `found` cannot stand in `known`'s place. An integer can stand for a float.
fn clash(known: &Value, found: &Value) -> Option<String> {
    let expected = match (known, found) {
        (Value::Array(known), Value::Array(found)) => {
            let first = known.first()?;
            return found
                .iter()
                .find_map(|item| clash(first, item))
                .map(|kind| format!("a list, each element {kind}"));
        }
        (Value::String(_), Value::String(_))
        | (Value::Integer(_), Value::Integer(_))
        | (Value::Float(_), Value::Float(_) | Value::Integer(_))
        | (Value::Boolean(_), Value::Boolean(_))
        | (Value::Table(_), Value::Table(_)) => return None,
        (Value::String(_), _) => "a string",
        (Value::Integer(_), _) => "an integer",
        (Value::Float(_), _) => "a number",
        (Value::Boolean(_), _) => "`true` or `false`",
        (Value::Array(_), _) => "a list",
        (Value::Table(_), _) => "a table",
        (Value::Datetime(_), _) => "a date",
    };
    Some(match known {
        Value::Table(_) | Value::Array(_) => expected.to_string(),
        _ => format!("{expected} like {known}"),
    })
}

/// A value as an error shows it.
pub fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("the string {text:?}"),
        Value::Table(_) => "a table".to_string(),
        Value::Array(_) => format!("the list {value}"),
        _ => value.to_string(),
    }
}

/// Turns integers into floats where the root holds a float, so that a component reads one type.
pub fn widen(settings: &mut toml::Table, root: &toml::Table) {
    for (key, value) in settings.iter_mut() {
        if let Some(known) = root.get(key) {
            widen_value(value, known);
        }
    }
}

fn widen_value(value: &mut Value, known: &Value) {
    match (&mut *value, known) {
        (Value::Integer(number), Value::Float(_)) => *value = Value::Float(*number as f64),
        (Value::Array(items), Value::Array(known)) => {
            if let Some(first) = known.first() {
                items.iter_mut().for_each(|item| widen_value(item, first));
            }
        }
        (Value::Table(table), Value::Table(known)) if table.get("name") == known.get("name") => {
            widen(table, known)
        }
        _ => {}
    }
}

/// The places of what the components refuse.
pub fn refused(errors: Vec<ComponentError>, overlay: &Overlay) -> Vec<Problem> {
    errors
        .into_iter()
        .map(|error| refusal(error, overlay))
        .collect()
}

fn refusal(error: ComponentError, overlay: &Overlay) -> Problem {
    let ComponentError {
        mut key,
        mut message,
    } = error;
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let unknown = message
        .starts_with("unknown field")
        .then(|| quoted.first().map(|field| field.to_string()))
        .flatten();
    if let Some(field) = &unknown {
        // serde names the table or the key itself, by version; the place wanted is that of the key.
        if key.rsplit('.').next() != Some(field.as_str()) {
            key = if key.is_empty() {
                field.clone()
            } else {
                format!("{key}.{field}")
            };
        }
        let hint = suggest::hint(field, quoted[1..].iter().copied());
        return Problem {
            place: overlay.origin(&key).map(super::Origin::key_place),
            message: format!("unknown key `{key}`{hint}"),
        };
    }
    if !key.is_empty() {
        message = format!("`{key}`: {message}");
    }
    Problem {
        place: overlay.origin(&key).map(super::Origin::value_place),
        message,
    }
}
