//! Explains where the value of a key comes from: the layer that sets it, the layers that are overridden, and
//! the rows of the sweeps that change it. For a table, it explains every key in the table.

use super::error::{Problem, RecipeError};
use super::moved::path_today;
use super::new_keys::NewKeys;
use super::origin::Location;
use super::overlay::{Layer, lay, paths, value_at};
use super::sources::{Request, Sources};
use super::suggest;
use super::sweep;
use std::fmt;
use toml::{Table, Value};

/// Maximum width of a line in columns, for a wide terminal. Values are shortened to fit.
const WIDTH: usize = 160;
/// Minimum length to which a value is shortened.
const LEAST: usize = 20;
/// Maximum length of a place: an argument may be as long as its value.
const PLACE: usize = 80;
/// Stands for the part that is left out.
const CUT: &str = "...";

/// The explanation of one key. `Display` writes the text for the terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The dotted key.
    pub key: String,
    /// Its value without any sweep, as TOML; none if only rows of sweeps set it.
    pub value: Option<String>,
    /// The number of keys in it, if it is a table.
    pub keys: Option<usize>,
    /// The layers that set or remove it, the top layer first. For a table, the layers of every key in it.
    pub layers: Vec<KeyChange>,
    /// The layers in every sweep whose own `set` changes the key, with the name of the sweep.
    pub sweeps: Vec<(String, Vec<KeyChange>)>,
    /// The rows that set or remove it, as `sweep: label`.
    pub rows: Vec<(String, KeyChange)>,
}

/// The change that one layer makes to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyChange {
    /// The dotted key.
    pub key: String,
    /// The value as TOML, or the reason why the key no longer exists.
    pub value: String,
    /// `file:line:column`, a variable or an argument.
    pub place: String,
    /// True if another layer overrides this one.
    pub overridden: bool,
}

impl Explanation {
    /// Explains `key` in a recipe that may leave out `new_keys`.
    ///
    /// # Errors
    /// A file of the recipe cannot be read, or nothing has such a key.
    pub fn new(request: Request, new_keys: &NewKeys, key: &str) -> Result<Self, RecipeError> {
        let sources = Sources::read(&request, new_keys).map_err(RecipeError::new)?;
        let key = &path_today(key);
        let mut problems = sources.problems;
        let (files, typed) = sources.whole.split_at(sources.files.len());
        let mut settings = Table::new();
        let layers = history(&mut settings, files.iter().chain(typed), new_keys, key);
        let mut explanation = Self {
            key: key.to_string(),
            value: value_at(&settings, key).map(ToString::to_string),
            keys: match value_at(&settings, key) {
                Some(value @ Value::Table(_)) => Some(leaves(key, value).len()),
                _ => None,
            },
            layers,
            sweeps: Vec::new(),
            rows: Vec::new(),
        };
        let mut known = paths(&settings);
        for (name, file) in &sources.sweeps {
            let base = sweep::base(file, &mut problems);
            let mut below = Table::new();
            let layers = files.iter().chain([&base]).chain(typed);
            let layers = history(&mut below, layers, new_keys, key);
            if layers != explanation.layers {
                explanation.sweeps.push((name.clone(), layers));
            }
            let variants = match sweep::parse(file, &below) {
                Ok(sweep) => sweep.variants,
                Err(found) => {
                    problems.extend(found);
                    continue;
                }
            };
            for variant in variants {
                let mut settings = below.clone();
                let changes = history(&mut settings, &variant.layers, new_keys, key);
                if changes.is_empty() {
                    variant
                        .layers
                        .iter()
                        .for_each(|layer| known.extend(paths(&layer.table)));
                }
                let row = format!("{name}: {}", variant.label);
                let last = changes.into_iter().filter(|change| !change.overridden);
                let last = last.map(|change| (row.clone(), change));
                explanation.rows.extend(last);
            }
        }
        if problems.is_empty() && explanation.is_empty() {
            let hint = suggest::nearest(key, known.iter().map(String::as_str));
            let hint = hint.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
            let place = Location::named(format!("--explain {key}"));
            problems.push(Problem::at(place, format!("no key `{key}`{hint}")));
        }
        match problems.is_empty() {
            true => Ok(explanation),
            false => Err(RecipeError::new(problems)),
        }
    }

    fn is_empty(&self) -> bool {
        self.layers.is_empty() && self.sweeps.is_empty() && self.rows.is_empty()
    }
}

/// Lays `layers` over `settings`, the lowest first, then the built-in defaults of what is left out, and tells
/// what each does to `key`, or to every key in it: by key, the top layer first.
fn history<'a>(
    settings: &mut Table,
    layers: impl IntoIterator<Item = &'a Layer>,
    new_keys: &NewKeys,
    key: &str,
) -> Vec<KeyChange> {
    let mut found = Vec::new();
    let mut lay_and_tell = |settings: &mut Table, layer: &Layer| {
        let was_there = value_at(settings, key).is_some();
        let replaced = lay(settings, &layer.table);
        if let Some(value) = value_at(&layer.table, key) {
            for (key, value) in leaves(key, value) {
                let origin = layer.own_origin(&key);
                found.push(KeyChange {
                    key,
                    value: value.to_string(),
                    place: origin.map_or(layer.name.clone(), ToString::to_string),
                    overridden: false,
                });
            }
        } else if was_there && value_at(settings, key).is_none() {
            let outer = replaced
                .iter()
                .find(|outer| key.starts_with(outer.as_str()));
            let name = outer
                .map(|outer| format!("{outer}.name"))
                .unwrap_or_default();
            let other = value_at(settings, &name).map_or(String::new(), ToString::to_string);
            let origin = layer.own_origin(&name);
            found.push(KeyChange {
                key: key.to_string(),
                value: format!("removed by {name} = {other}"),
                place: origin.map_or(layer.name.clone(), ToString::to_string),
                overridden: false,
            });
        }
    };
    for layer in layers {
        lay_and_tell(settings, layer);
    }
    let missing = new_keys.missing(settings);
    lay_and_tell(settings, &missing);
    found.reverse();
    found.sort_by(|one, other| one.key.cmp(&other.key));
    for place in 0..found.len() {
        let setting = &found[place];
        let is_top = place == 0 || found[place - 1].key != setting.key;
        // A key of a replaced component is overridden although no layer above sets it.
        let replaced = setting.key != key && value_at(settings, &setting.key).is_none();
        found[place].overridden = !is_top || replaced;
    }
    found
}

/// Returns the plain values in the value of `key`, each with its own key. A plain value or an empty table
/// stands for itself.
fn leaves<'a>(key: &str, value: &'a Value) -> Vec<(String, &'a Value)> {
    match value {
        Value::Table(table) if !table.is_empty() => table
            .iter()
            .flat_map(|(inner, value)| leaves(&format!("{key}.{inner}"), value))
            .collect(),
        _ => vec![(key.to_string(), value)],
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = Vec::new();
        match (&self.value, self.keys) {
            (Some(_), Some(keys)) => lines.push(format!(
                "{}: {keys} {}",
                self.key,
                if keys == 1 { "key" } else { "keys" }
            )),
            (Some(value), None) => lines.push(format!("{} = {value}", self.key)),
            (None, _) => lines.push(format!("only the rows below give {} a value", self.key)),
        }
        lines.extend(self.stack(&self.layers));
        for (sweep, layers) in &self.sweeps {
            lines.push(format!("in the sweep {sweep}:"));
            lines.extend(self.stack(layers));
        }
        if !self.rows.is_empty() {
            lines.push("rows that change it:".to_string());
            let named = self
                .rows
                .iter()
                .map(|(row, setting)| [row.clone(), self.text(setting), place(setting)]);
            lines.extend(columns(named.collect(), 1));
        }
        f.write_str(&lines.join("\n"))
    }
}

impl Explanation {
    /// The layers of a key, or of the keys of a table, as lines.
    fn stack(&self, layers: &[KeyChange]) -> Vec<String> {
        let line = |setting: &KeyChange| {
            let note = if setting.overridden { "overridden" } else { "" };
            [self.text(setting), place(setting), note.to_string()]
        };
        columns(layers.iter().map(line).collect(), 0)
    }

    /// The value of a setting, with its key if it is not the key that is explained.
    fn text(&self, setting: &KeyChange) -> String {
        match setting.key == self.key {
            true => setting.value.clone(),
            false => format!("{} = {}", setting.key, setting.value),
        }
    }
}

/// The place of a setting. If it is too long, its middle is left out: it begins with a file or a key and ends
/// with a line number.
fn place(setting: &KeyChange) -> String {
    let place: Vec<char> = setting.place.chars().collect();
    if place.len() <= PLACE {
        return setting.place.clone();
    }
    let half = (PLACE - CUT.len()) / 2;
    let (start, end) = (&place[..half], &place[place.len() - half..]);
    start
        .iter()
        .copied()
        .chain(CUT.chars())
        .chain(end.iter().copied())
        .collect()
}

/// Aligns the cells of each column. The cells of the column `long` are shortened if a line would be too wide.
fn columns(mut rows: Vec<[String; 3]>, long: usize) -> Vec<String> {
    let length = |text: &String| text.chars().count();
    // Two spaces stand before every cell.
    let others = |row: &[String; 3]| 6 + row.iter().map(length).sum::<usize>() - length(&row[long]);
    let most = WIDTH.saturating_sub(rows.iter().map(others).max().unwrap_or(0));
    let most = most.max(LEAST);
    for cell in rows.iter_mut().map(|row| &mut row[long]) {
        if length(cell) > most {
            *cell = cell
                .chars()
                .take(most - CUT.len())
                .chain(CUT.chars())
                .collect();
        }
    }
    let width = |column: usize| {
        rows.iter()
            .map(|row| length(&row[column]))
            .max()
            .unwrap_or(0)
    };
    let (first, second) = (width(0), width(1));
    let line = |[a, b, c]: &[String; 3]| {
        format!("  {a:<first$}  {b:<second$}  {c}")
            .trim_end()
            .to_string()
    };
    rows.iter().map(line).collect()
}
