//! The checks that need no knowledge of any component: keys and types, compared with the root, which is the
//! lowest of the files that a recipe extends and holds every key. A component other than the root's has keys
//! of its own. Its own code checks those, and this file finds the place in the file for each of its errors.

use super::RECIPE_KEYS;
use super::either::other_type;
use super::error::Problem;
use super::origin::{Location, Origin};
use super::overlay::{Layer, component_name, lay};
use super::phases::{self, PHASE, of_phase};
use super::suggest;
use crate::registry::{ComponentError, joined};
use std::collections::BTreeMap;
use toml::Value;

/// Removes from `layers[1..]` the keys that the root `layers[0]` does not know and the values of a wrong
/// type, and reports each of them. The later checks then do not report the same mistake again.
pub fn structure(layers: &mut [Layer], problems: &mut Vec<Problem>) {
    let Some((root, upper)) = layers.split_first_mut() else {
        return;
    };
    let mut settings = root.table.clone();
    for layer in upper {
        structure_over(layer, &root.table, &mut settings, problems);
    }
}

/// Does the same as [`structure`] for one layer over the `settings` of the layers below it, and adds the
/// layer to `settings`.
pub fn structure_over(
    layer: &mut Layer,
    root: &toml::Table,
    settings: &mut toml::Table,
    problems: &mut Vec<Problem>,
) {
    let mut table = std::mem::take(&mut layer.table);
    // `context` borrows `origins` while `check` changes the table.
    let context = Context {
        origins: &layer.origins,
        root,
        own: table.clone(),
        below: settings,
    };
    context.check(&mut table, root, &mut Vec::new(), problems);
    lay(settings, &table);
    layer.table = table;
}

struct Context<'a> {
    origins: &'a BTreeMap<String, Origin>,
    root: &'a toml::Table,
    /// The settings of this layer, before the check.
    own: toml::Table,
    /// The settings of the layers below.
    below: &'a toml::Table,
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
                (Some(Value::Table(_)), Value::Table(inner)) if path[..] == [PHASE] => {
                    self.phases(inner, path, problems);
                    Ok(())
                }
                (Some(Value::Table(known)), Value::Table(inner)) => {
                    if !self.is_another_component(inner, path) {
                        self.check(inner, known, path, problems);
                    }
                    Ok(())
                }
                (Some(known), found) => clash_of(known, found, path).map_or(Ok(()), |clash| {
                    let full = format!("{}{}", path.join("."), clash.element);
                    let origin = self.origins.get(&full);
                    let message = format!(
                        "`{full}`: expected {}, found {}{}",
                        clash.expected,
                        describe(clash.found),
                        origin.map(Origin::advice).unwrap_or_default()
                    );
                    let place = origin.map(Origin::value_place);
                    Err(Problem {
                        place: place.or_else(|| self.place(path, false)),
                        message,
                    })
                }),
            };
            path.pop();
            good.map_err(|problem| problems.push(problem)).is_ok()
        });
    }

    /// Checks the table `[phase]`: the names are those of the method's phases, which it checks itself.
    fn phases(&self, table: &mut toml::Table, path: &mut Vec<String>, problems: &mut Vec<Problem>) {
        let known = of_phase(self.root);
        for (name, value) in table.iter_mut() {
            if let Value::Table(inner) = value {
                path.push(name.to_string());
                self.check(inner, &known, path, problems);
                path.pop();
            }
        }
    }

    /// Returns true if the table at `path`, which is `inner` in this layer, is a component with another name
    /// than the root's. A phase has the components of the trial.
    fn is_another_component(&self, inner: &toml::Table, path: &[String]) -> bool {
        let path = match path {
            [first, _phase, rest @ ..] if first == PHASE => rest,
            _ => path,
        };
        let known = component_name(self.root, path);
        let name = component_name(inner, &[])
            .or_else(|| component_name(&self.own, path))
            .or_else(|| component_name(self.below, path));
        known.is_some() && known != name
    }

    fn unknown(&self, key: &str, siblings: &toml::Table, path: &[String]) -> Problem {
        let full = path.join(".");
        let prefix = full[..full.len() - key.len()].to_string();
        // A recipe's own keys stand at its top, beside the settings. A variant of a sweep cannot set them.
        let at_the_top = path.len() == 1 && !RECIPE_KEYS.contains(&key);
        let own = RECIPE_KEYS.into_iter().filter(|_| at_the_top);
        let near = suggest::nearest(key, siblings.keys().map(String::as_str).chain(own))
            .map(|near| format!("{prefix}{near}"));
        // If no sibling key is near, the right key may have been written in the wrong table.
        // A phase has no other tables than its own.
        let is_of_phase = path.len() == 3 && path[0] == PHASE;
        let meant = || elsewhere(self.root, key).filter(|_| !is_of_phase);
        let hint = match near.or_else(meant) {
            Some(meant) => format!("; did you mean `{meant}`?"),
            None => suggest::hint(key, siblings.keys().map(String::as_str)),
        };
        let advice = self.origins.get(&full).map(Origin::advice);
        Problem {
            place: self.place(path, true),
            message: format!("unknown key `{full}`{hint}{}", advice.unwrap_or_default()),
        }
    }

    fn place(&self, path: &[String], key: bool) -> Option<Location> {
        let origin = self.origins.get(&path.join("."))?;
        Some(if key {
            origin.key_place()
        } else {
            origin.value_place()
        })
    }
}

/// Returns the path of the first key called `key` anywhere in `table`.
fn elsewhere(table: &toml::Table, key: &str) -> Option<String> {
    table.iter().find_map(|(name, value)| match value {
        _ if name == key => Some(name.clone()),
        Value::Table(inner) => elsewhere(inner, key).map(|path| format!("{name}.{path}")),
        _ => None,
    })
}

/// A value of the wrong type.
struct Clash<'a> {
    /// The element of the list that is wrong, like `[1]`; empty if the value is not in a list.
    element: String,
    found: &'a Value,
    expected: String,
}

/// Compares the type of `found`, the value at `path`, with that of `known`, and with the other type that the key may
/// have.
fn clash_of<'a>(known: &Value, found: &'a Value, path: &[String]) -> Option<Clash<'a>> {
    let one = clash(known, found)?;
    let Some(other) = other_type(phases::common(&path.join("."))) else {
        return Some(one);
    };
    let second = clash(other, found)?;
    // Inside of a list of the right type, only the element is wrong.
    if !second.element.is_empty() {
        return Some(second);
    }
    let expected = match other {
        Value::Array(_) => format!("{} or a list like {other}", one.expected),
        _ => format!("{} or {}", one.expected, second.expected),
    };
    Some(Clash { expected, ..one })
}

/// Compares the type of `found` with that of `known`. An integer is accepted for a float.
fn clash<'a>(known: &Value, found: &'a Value) -> Option<Clash<'a>> {
    let expected = match (known, found) {
        (Value::Array(known), Value::Array(found)) => {
            let first = known.first()?;
            let mut items = found.iter().enumerate();
            return items.find_map(|(index, item)| {
                let clash = clash(first, item)?;
                let element = format!("[{index}]{}", clash.element);
                Some(Clash { element, ..clash })
            });
        }
        (Value::String(_), Value::String(_))
        | (Value::Integer(_), Value::Integer(_))
        | (Value::Float(_), Value::Float(_) | Value::Integer(_))
        | (Value::Boolean(_), Value::Boolean(_))
        | (Value::Table(_), Value::Table(_)) => return None,
        (Value::String(_), _) => "a string",
        (Value::Integer(_), _) => "a whole number",
        (Value::Float(_), _) => "a number",
        (Value::Boolean(_), _) => "`true` or `false`",
        (Value::Array(_), _) => "a list",
        (Value::Table(_), _) => "a table",
        (Value::Datetime(_), _) => "a date",
    };
    Some(Clash {
        element: String::new(),
        found,
        expected: match known {
            Value::Table(_) | Value::Array(_) => expected.to_string(),
            _ => format!("{expected} like {known}"),
        },
    })
}

/// Describes a value in an error message.
pub fn describe(value: &Value) -> String {
    match value {
        Value::String(text) => format!("the string {text:?}"),
        Value::Table(_) => "a table".to_string(),
        Value::Array(_) => format!("the list {value}"),
        _ => value.to_string(),
    }
}

/// Turns integers into floats where the root holds a float, so that a component reads a single type.
pub fn widen(settings: &mut toml::Table, root: &toml::Table) {
    for (key, value) in settings.iter_mut() {
        if let Some(known) = root.get(key) {
            widen_value(value, known);
        }
    }
    for phase in phases::phases(settings) {
        widen(phase, &of_phase(root));
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

/// Turns the error of a component into a problem. `origin` returns the origin of a key path. `otherwise` is
/// the place that is used if there is no origin, for example for a missing table.
pub fn component_problem<'a>(
    error: ComponentError,
    origin: impl Fn(&str) -> Option<&'a Origin>,
    otherwise: &Location,
) -> Problem {
    let ComponentError { mut key, message } = error;
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let found = quoted.first().copied().unwrap_or_default();
    let hint = || suggest::hint(found, quoted.iter().skip(1).copied());
    let place = |origin: Option<Location>| Some(origin.unwrap_or_else(|| otherwise.clone()));
    if message.starts_with("unknown field") {
        // Depending on its version, serde names the table or the key. The place must be that of the key.
        if key.rsplit('.').next() != Some(found) {
            key = joined(&key, found);
        }
        return Problem {
            place: place(origin(&key).map(Origin::key_place)),
            message: format!("unknown key `{key}`{}", hint()),
        };
    }
    let message = match message.starts_with("unknown `") || message.starts_with("unknown variant `")
    {
        true => format!("unknown `{found}`{}", hint()),
        false => message,
    };
    Problem {
        place: place(origin(&key).map(Origin::value_place)),
        message: match key.is_empty() {
            true => message,
            false => format!("`{key}`: {message}"),
        },
    }
}
