//! Where the value of a key comes from: the layer that set it, what it overrode, and the rows of the sweeps that change it.

use super::error::{Problem, RecipeError};
use super::overlay::{Layer, lay, paths, value_at};
use super::plan::Request;
use super::provenance::Place;
use super::sources::Sources;
use super::suggest;
use super::sweep;
use std::fmt;
use toml::Table;

/// What is known of a key. `Display` is the text for the terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The dotted key.
    pub key: String,
    /// Its value without any sweep, as TOML; none if only rows of sweeps have it.
    pub value: Option<String>,
    /// Every layer that sets it or takes it away, the top one first.
    pub layers: Vec<Setting>,
    /// The same for every sweep whose own `set` concerns it, by the sweep's name.
    pub sweeps: Vec<(String, Vec<Setting>)>,
    /// The rows that set it or take it away, as `sweep: label`.
    pub rows: Vec<(String, Setting)>,
}

/// What one layer does to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The value as TOML, or why there is none any more.
    pub value: String,
    /// `file:line:column`, a variable or an argument.
    pub place: String,
}

impl Explanation {
    /// Explains `key` in a recipe.
    ///
    /// # Errors
    /// A file of the recipe cannot be read, or nothing has such a key.
    pub fn new(request: Request, key: &str) -> Result<Self, RecipeError> {
        let sources = Sources::read(&request).map_err(RecipeError::new)?;
        let mut problems = sources.problems;
        let (files, typed) = sources.whole.split_at(sources.files.len());
        let mut settings = Table::new();
        let layers = history(&mut settings, files.iter().chain(typed), key);
        let mut explanation = Self {
            key: key.to_string(),
            value: value_at(&settings, key).map(ToString::to_string),
            layers,
            sweeps: Vec::new(),
            rows: Vec::new(),
        };
        let mut known = paths(&settings);
        for (name, file) in &sources.sweeps {
            let base = sweep::base(file, &mut problems);
            let mut below = Table::new();
            let layers = history(&mut below, files.iter().chain([&base]).chain(typed), key);
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
                let changes = history(&mut settings, &variant.layers, key);
                if let Some(last) = changes.into_iter().next() {
                    let row = format!("{name}: {}", variant.label);
                    explanation.rows.push((row, last));
                } else {
                    variant
                        .layers
                        .iter()
                        .for_each(|layer| known.extend(paths(&layer.table)));
                }
            }
        }
        if problems.is_empty() && explanation.is_empty() {
            let hint = suggest::nearest(key, known.iter().map(String::as_str));
            let hint = hint.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
            let place = Place::named(format!("--explain {key}"));
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

/// Lays `layers` over `settings`, the lowest first, and tells what each does to `key`, the top one first.
fn history<'a>(
    settings: &mut Table,
    layers: impl IntoIterator<Item = &'a Layer>,
    key: &str,
) -> Vec<Setting> {
    let mut found = Vec::new();
    for layer in layers {
        let was_there = value_at(settings, key).is_some();
        let replaced = lay(settings, &layer.table);
        if let Some(value) = value_at(&layer.table, key) {
            let origin = layer.own_origin(key);
            found.push(Setting {
                value: value.to_string(),
                place: origin.map_or(layer.name.clone(), ToString::to_string),
            });
        } else if was_there && value_at(settings, key).is_none() {
            let outer = replaced
                .iter()
                .find(|outer| key.starts_with(outer.as_str()));
            let name = outer
                .map(|outer| format!("{outer}.name"))
                .unwrap_or_default();
            let other = value_at(settings, &name).map_or(String::new(), ToString::to_string);
            let origin = layer.own_origin(&name);
            found.push(Setting {
                value: format!("gone: {name} = {other}"),
                place: origin.map_or(layer.name.clone(), ToString::to_string),
            });
        }
    }
    found.reverse();
    found
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = Vec::new();
        match &self.value {
            Some(value) => lines.push(format!("{} = {value}", self.key)),
            None => lines.push(format!(
                "{} has no value outside of the rows below",
                self.key
            )),
        }
        lines.extend(stack(&self.layers));
        for (sweep, layers) in &self.sweeps {
            lines.push(format!("in the sweep {sweep}:"));
            lines.extend(stack(layers));
        }
        if !self.rows.is_empty() {
            lines.push("rows that set it:".to_string());
            let named = self
                .rows
                .iter()
                .map(|(row, setting)| [row.as_str(), &setting.value, &setting.place]);
            lines.extend(columns(named));
        }
        f.write_str(&lines.join("\n"))
    }
}

/// The layers of a key; all but the first are overridden.
fn stack(layers: &[Setting]) -> Vec<String> {
    let note = |index: usize| if index == 0 { "" } else { "overridden" };
    let rows = layers.iter().enumerate();
    columns(rows.map(|(index, setting)| [setting.value.as_str(), &setting.place, note(index)]))
}

/// Lines with the cells of each column below one another.
fn columns<'a>(rows: impl Iterator<Item = [&'a str; 3]>) -> Vec<String> {
    let rows: Vec<[&str; 3]> = rows.collect();
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let (first, second) = (width(0), width(1));
    let line = |[a, b, c]: &[&str; 3]| {
        format!("  {a:<first$}  {b:<second$}  {c}")
            .trim_end()
            .to_string()
    };
    rows.iter().map(line).collect()
}
