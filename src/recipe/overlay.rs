//! Lays one layer over another key by key. A layer that names another component replaces the component's
//! whole table.
//!
//! figment merges the layers that all variants of a sweep share and remembers the origin of each value. The
//! component rule is applied before that: replaced tables are removed from the lower layers. [`lay`] then
//! lays a variant over the result. It touches only the keys that the variant sets, because a sweep may have
//! ten thousand variants.

use super::RECIPE_KEYS;
use super::origin::Origin;
use crate::registry::joined;
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};
use std::collections::BTreeMap;

/// Settings from one source: a file, a variable, an argument, a variant of a sweep.
#[derive(Clone, Debug)]
pub struct Layer {
    /// The name; unique among the layers that are laid over one another.
    pub name: String,
    /// The settings as nested tables.
    pub table: toml::Table,
    /// The origin of every key path, tables included; dotted, like `method.filter.class`.
    pub origins: BTreeMap<String, Origin>,
    /// A note to its author: a key was moved to its place of today.
    pub note: Option<String>,
}

/// The reason why a layer refuses a value.
#[derive(Debug)]
pub enum Refused {
    /// The key path, or a part of it, already has a value. Its origin is given.
    Occupied(Option<Origin>),
    /// The key path is longer than that of any setting.
    TooDeep,
}

/// Maximum number of keys in a path. It bounds the recursion over tables and is ten times deeper than any
/// setting.
const DEEPEST: usize = 64;

impl Layer {
    /// Puts `value` at `path`. Tables are merged; a second plain value is refused.
    pub fn insert(
        &mut self,
        path: &[String],
        value: toml::Value,
        origin: Origin,
    ) -> Result<(), Refused> {
        let Some((last, parents)) = path.split_last().filter(|_| path.len() <= DEEPEST) else {
            return Err(Refused::TooDeep);
        };
        let occupied = |origins: &BTreeMap<String, Origin>, depth: usize| {
            Refused::Occupied(origins.get(&path[..depth].join(".")).cloned())
        };
        let mut table = &mut self.table;
        for (depth, parent) in parents.iter().enumerate() {
            let entry = table
                .entry(parent.clone())
                .or_insert_with(|| toml::Value::Table(toml::Table::new()));
            self.origins
                .entry(path[..=depth].join("."))
                .or_insert_with(|| origin.clone());
            let toml::Value::Table(inner) = entry else {
                return Err(occupied(&self.origins, depth + 1));
            };
            table = inner;
        }
        match (table.get(last), &value) {
            (Some(toml::Value::Table(_)), toml::Value::Table(new)) if new.is_empty() => {
                return Ok(());
            }
            (Some(_), _) => return Err(occupied(&self.origins, path.len())),
            (None, _) => table.insert(last.clone(), value),
        };
        self.origins.insert(path.join("."), origin);
        Ok(())
    }
}

impl Layer {
    /// The origin of this layer's value at `path`. The elements of a list may have origins of their own.
    pub fn own_origin(&self, path: &str) -> Option<&Origin> {
        let key = path.split('[').next()?;
        value_at(&self.table, key)?;
        self.origins.get(path)
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let dict = Value::serialize(&self.table)?
            .into_dict()
            .unwrap_or_default();
        Ok(Map::from([(Profile::Default, dict)]))
    }
}

/// The result of laying layers over one another.
pub struct Overlay {
    figment: Figment,
    layers: Vec<Layer>,
    /// The settings of all layers together.
    pub settings: toml::Table,
}

impl Overlay {
    /// Lays `layers` over one another, the lowest first.
    pub fn new(layers: &[&Layer]) -> Self {
        let mut layers: Vec<Layer> = layers.iter().map(|&layer| layer.clone()).collect();
        for upper in 1..layers.len() {
            for (path, name) in components(&layers[upper].table) {
                let (below, above) = layers.split_at_mut(upper);
                debug_assert!(!above.is_empty());
                let replaced = below
                    .iter()
                    .rev()
                    .find_map(|layer| component_name(&layer.table, &path))
                    .is_some_and(|below| below != name);
                if replaced {
                    below
                        .iter_mut()
                        .for_each(|layer| remove(&mut layer.table, &path));
                }
            }
        }
        let figment = layers.iter().fold(Figment::new(), |figment, layer| {
            figment.merge(layer.clone())
        });
        // Every layer holds TOML's own types, and figment returns them unchanged.
        let settings = figment
            .extract()
            .expect("TOML tables merge to a TOML table");
        Self {
            figment,
            layers,
            settings,
        }
    }

    /// The origin of the value at `path`. An element (`cutout[1]`) without an origin of its own has the
    /// origin of its list, a table has that of its name, and a missing key has that of the table around it.
    pub fn origin(&self, path: &str) -> Option<&Origin> {
        nearest_origin(path, &|path| self.exact_origin(path))
    }

    /// Does the same as [`Self::origin`] for the settings that result from laying `upper` over these.
    pub fn origin_under<'a>(&'a self, upper: &'a [Layer], path: &str) -> Option<&'a Origin> {
        let mut settings = self.settings.clone();
        let replaced: Vec<Vec<String>> = upper
            .iter()
            .map(|layer| lay(&mut settings, &layer.table))
            .collect();
        let inside = |path: &str, outer: &String| {
            path.strip_prefix(outer.as_str())
                .is_some_and(|rest| rest.starts_with('.'))
        };
        nearest_origin(path, &|path| {
            for (layer, replaced) in upper.iter().zip(&replaced).rev() {
                if let Some(origin) = layer.own_origin(path) {
                    return Some(origin);
                }
                if replaced.iter().any(|outer| inside(path, outer)) {
                    return None;
                }
            }
            self.exact_origin(path)
        })
    }

    /// The origin of the value at `path` alone; none if no layer sets it.
    pub fn exact_origin(&self, path: &str) -> Option<&Origin> {
        // figment knows lists, but not their elements.
        let metadata = self.figment.find_metadata(path.split('[').next()?)?;
        let layer = self
            .layers
            .iter()
            .find(|layer| metadata.name == layer.name.as_str())?;
        layer.own_origin(path)
    }
}

/// The result of `exact` for `path`, or else for the nearest table or list around it.
fn nearest_origin<'a>(
    mut path: &str,
    exact: &dyn Fn(&str) -> Option<&'a Origin>,
) -> Option<&'a Origin> {
    loop {
        // A name that nobody wrote has no place; its table has one.
        let name = exact(&format!("{path}.name"));
        let name = name.filter(|origin| !matches!(origin, Origin::BuiltIn));
        if let Some(origin) = name.or_else(|| exact(path)) {
            return Some(origin);
        }
        path = &path[..path.rfind(['.', '['])?];
    }
}

/// Lays `upper` over `settings` and returns the paths of the components that it replaces.
pub fn lay(settings: &mut toml::Table, upper: &toml::Table) -> Vec<String> {
    fn join(
        settings: &mut toml::Table,
        upper: &toml::Table,
        path: &str,
        replaced: &mut Vec<String>,
    ) {
        for (key, value) in upper {
            match (settings.get_mut(key), value) {
                (Some(toml::Value::Table(below)), toml::Value::Table(above)) => {
                    let path = joined(path, key);
                    if let (Some(below_name), Some(name)) = (named(below), named(above))
                        && below_name != name
                    {
                        below.clear();
                        replaced.push(path.clone());
                    }
                    join(below, above, &path, replaced);
                }
                _ => drop(settings.insert(key.clone(), value.clone())),
            }
        }
    }
    let mut replaced = Vec::new();
    join(settings, upper, "", &mut replaced);
    replaced
}

/// The name of a table that is a component.
pub fn named(table: &toml::Table) -> Option<&str> {
    table.get("name")?.as_str()
}

/// The paths and names of the components in `table`, outer ones first.
fn components(table: &toml::Table) -> Vec<(Vec<String>, String)> {
    fn walk(table: &toml::Table, path: &mut Vec<String>, found: &mut Vec<(Vec<String>, String)>) {
        if let (Some(name), false) = (named(table), path.is_empty()) {
            found.push((path.clone(), name.to_string()));
        }
        for (key, value) in table {
            if let toml::Value::Table(inner) = value {
                path.push(key.clone());
                walk(inner, path, found);
                path.pop();
            }
        }
    }
    let mut found = Vec::new();
    walk(table, &mut Vec::new(), &mut found);
    found
}

/// The layers without the keys that are not settings.
pub fn settings_only(layers: &[Layer]) -> Vec<Layer> {
    let mut layers = layers.to_vec();
    for layer in &mut layers {
        layer.table.retain(|key, _| !RECIPE_KEYS.contains(&key));
    }
    layers
}

/// The name of the component at `path` in `table`.
pub fn component_name<'a>(table: &'a toml::Table, path: &[String]) -> Option<&'a str> {
    named(
        path.iter()
            .try_fold(table, |table, key| table.get(key)?.as_table())?,
    )
}

/// The value at a dotted `path` in `table`.
pub fn value_at<'a>(table: &'a toml::Table, path: &str) -> Option<&'a toml::Value> {
    let (parents, last) = path.rsplit_once('.').unwrap_or(("", path));
    parents
        .split('.')
        .filter(|_| !parents.is_empty())
        .try_fold(table, |table, key| table.get(key)?.as_table())?
        .get(last)
}

/// Every dotted path in `table`, tables included.
pub fn paths(table: &toml::Table) -> Vec<String> {
    let mut found = Vec::new();
    for (key, value) in table {
        found.push(key.clone());
        if let toml::Value::Table(inner) = value {
            found.extend(paths(inner).into_iter().map(|path| format!("{key}.{path}")));
        }
    }
    found
}

/// Removes the key at `path`, if it is there.
pub fn remove(table: &mut toml::Table, path: &[String]) {
    match path {
        [] => {}
        [last] => {
            table.remove(last);
        }
        [first, rest @ ..] => {
            if let Some(toml::Value::Table(inner)) = table.get_mut(first) {
                remove(inner, rest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::file::ParsedFile;
    use proptest::prelude::*;

    fn layer(name: &str, text: &str) -> Layer {
        let file = ParsedFile::parse(name.as_ref(), text.to_string()).unwrap();
        let mut problems = Vec::new();
        let layer = file.layer(name.to_string(), &file.root, &mut problems);
        assert!(problems.is_empty(), "{problems:?}");
        layer
    }

    const BASE: &str = "[method]\nname = 'a'\nema = 0.9\n[method.correction]\nname = 'dicc'\nweight = 0.5\n\
                        [method.correction.vlm]\nname = 'tiny'\nsteps = 9\n";

    fn overlaid(texts: &[&str]) -> (Overlay, String) {
        let layers: Vec<Layer> = texts
            .iter()
            .enumerate()
            .map(|(i, text)| layer(&format!("{i}.toml"), text))
            .collect();
        let overlay = Overlay::new(&layers.iter().collect::<Vec<_>>());
        let text = serde_json::to_string(&overlay.settings).unwrap();
        (overlay, text)
    }

    #[test]
    fn the_same_name_merges_and_another_replaces() {
        let (_, merged) = overlaid(&[BASE, "[method.correction]\nname = 'dicc'\nweight = 0.25\n"]);
        let vlm = r#""vlm":{"name":"tiny","steps":9}"#;
        let expected = format!(
            r#"{{"method":{{"correction":{{"name":"dicc",{vlm},"weight":0.25}},"ema":0.9,"name":"a"}}}}"#
        );
        assert_eq!(merged, expected);
        let (_, replaced) = overlaid(&[BASE, "method.correction = { name = 'keep' }"]);
        assert_eq!(
            replaced,
            r#"{"method":{"correction":{"name":"keep"},"ema":0.9,"name":"a"}}"#
        );
    }

    #[test]
    fn a_component_inside_a_component_is_replaced_alone_and_an_outer_one_takes_its_inside_along() {
        let (_, inner) = overlaid(&[BASE, "method.correction.vlm = { name = 'other' }"]);
        assert!(
            inner.contains(r#""vlm":{"name":"other"},"weight":0.5"#),
            "{inner}"
        );
        let (_, outer) = overlaid(&[BASE, "method = { name = 'b' }"]);
        assert_eq!(outer, r#"{"method":{"name":"b"}}"#);
    }

    #[test]
    fn a_later_layer_adds_to_the_replacement_and_the_old_keys_stay_away() {
        let (_, text) = overlaid(&[
            BASE,
            "method.name = 'b'",
            "method.rate = 1",
            "method.name = 'a'",
        ]);
        assert_eq!(text, r#"{"method":{"name":"a"}}"#);
    }

    #[test]
    fn origins_follow_the_winning_layer() {
        let (overlay, _) = overlaid(&[BASE, "\nmethod.ema = 0.5", "method.correction.weight = 1"]);
        let origin = |path: &str| overlay.origin(path).unwrap().to_string();
        assert_eq!(origin("method.ema"), "1.toml:2:8");
        assert_eq!(origin("method.correction.weight"), "2.toml:1:19");
        assert_eq!(origin("method.correction.vlm.steps"), "0.toml:9:1");
        assert_eq!(
            origin("method.correction.vlm.missing"),
            "0.toml:8:1",
            "the table that lacks the key"
        );
        assert_eq!(origin("method.ema[3].x"), "1.toml:2:8");
        assert!(overlay.origin("nothing").is_none());
    }

    #[test]
    fn a_variant_hides_the_origins_of_what_it_replaces() {
        let (overlay, _) = overlaid(&[BASE]);
        let upper = [layer("v.toml", "method.correction = { name = 'keep' }")];
        let origin = |path: &str| overlay.origin_under(&upper, path).unwrap().to_string();
        assert_eq!(origin("method.correction.weight"), "v.toml:1:23");
        assert_eq!(origin("method.correction.name"), "v.toml:1:23");
        assert_eq!(origin("method.ema"), "0.toml:3:1");
    }

    /// A layer made of the words of [`BASE`]: nested components with a few names, and plain values.
    fn any_layer() -> impl Strategy<Value = String> {
        let line = prop_oneof![
            (0..3).prop_map(|n| format!("method.name = 'n{n}'")),
            (0..9).prop_map(|n| format!("method.ema = {n}")),
            (0..3).prop_map(|n| format!("method.correction.name = 'c{n}'")),
            (0..9).prop_map(|n| format!("method.correction.weight = {n}")),
            (0..3).prop_map(|n| format!("method.correction.vlm.name = 'v{n}'")),
            (0..9).prop_map(|n| format!("method.correction.vlm.steps = [{n}]")),
            (0..9).prop_map(|n| format!("train.steps = {n}")),
        ];
        proptest::collection::btree_map(0..7, line, 0..5).prop_map(|lines| {
            let mut lines: Vec<String> = lines.into_values().collect();
            lines.sort();
            lines.dedup_by_key(|line| line.split(' ').next().unwrap_or_default().to_string());
            lines.join("\n")
        })
    }

    proptest! {
        /// Both ways to lay layers over one another follow the same rule.
        #[test]
        fn laying_one_by_one_is_merging_all(texts in proptest::collection::vec(any_layer(), 1..6)) {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let (overlay, _) = overlaid(&texts);
            let mut settings = toml::Table::new();
            for text in &texts {
                lay(&mut settings, &layer("x.toml", text).table);
            }
            prop_assert_eq!(&settings, &overlay.settings);
            for path in paths(&settings) {
                prop_assert!(overlay.origin(&path).is_some(), "{}", path);
            }
        }
    }
}
