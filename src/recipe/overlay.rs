//! One layer over another: key by key, except that naming another component replaces its whole table.
//!
//! figment merges the layers and remembers which one each value comes from; the component rule is applied before, by taking the
//! replaced tables out of the lower layers.

use super::provenance::Origin;
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};
use std::collections::BTreeMap;

/// Settings from one place: a file, a variable, an argument, a variant of a sweep.
#[derive(Clone, Debug)]
pub struct Layer {
    /// Unique among the layers that are laid over one another.
    pub name: String,
    /// The settings, nested.
    pub table: toml::Table,
    /// Origin of every key path, tables included; dotted, like `method.filter.class`.
    pub origins: BTreeMap<String, Origin>,
}

/// A key path that already has a value (or leads through one).
#[derive(Debug)]
pub struct Occupied;

impl Layer {
    /// Puts `value` at `path`; tables are joined, a second plain value is refused.
    pub fn insert(
        &mut self,
        path: &[String],
        value: toml::Value,
        origin: Origin,
    ) -> Result<(), Occupied> {
        let (last, parents) = path.split_last().ok_or(Occupied)?;
        let mut table = &mut self.table;
        for (depth, parent) in parents.iter().enumerate() {
            let entry = table
                .entry(parent.clone())
                .or_insert_with(|| toml::Value::Table(toml::Table::new()));
            self.origins
                .entry(path[..=depth].join("."))
                .or_insert_with(|| origin.clone());
            table = entry.as_table_mut().ok_or(Occupied)?;
        }
        match (table.get(last), &value) {
            (Some(toml::Value::Table(_)), toml::Value::Table(new)) if new.is_empty() => {
                return Ok(());
            }
            (Some(_), _) => return Err(Occupied),
            (None, _) => table.insert(last.clone(), value),
        };
        self.origins.insert(path.join("."), origin);
        Ok(())
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

/// The outcome of laying layers over one another.
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
                let named = below
                    .iter()
                    .rev()
                    .find_map(|layer| component_name(&layer.table, &path));
                if named.is_some_and(|below| below != name) {
                    below
                        .iter_mut()
                        .for_each(|layer| remove(&mut layer.table, &path));
                }
            }
        }
        let figment = layers.iter().fold(Figment::new(), |figment, layer| {
            figment.merge(layer.clone())
        });
        // Every layer is a table of TOML's own types, which figment carries through unchanged.
        let settings = figment
            .extract()
            .expect("TOML tables merge to a TOML table");
        Self {
            figment,
            layers,
            settings,
        }
    }

    /// Where the value at `path` comes from. An index (`cutout[1].area`) leads to its array, a table to where it was named,
    /// a key that no layer has to the table that lacks it.
    pub fn origin(&self, path: &str) -> Option<&Origin> {
        let mut path = path.split('[').next().unwrap_or(path);
        loop {
            let named = format!("{path}.name");
            if let Some(origin) = self
                .exact_origin(&named)
                .or_else(|| self.exact_origin(path))
            {
                return Some(origin);
            }
            path = &path[..path.rfind('.')?];
        }
    }

    fn exact_origin(&self, path: &str) -> Option<&Origin> {
        let metadata = self.figment.find_metadata(path)?;
        let layer = self
            .layers
            .iter()
            .find(|layer| metadata.name == layer.name.as_str())?;
        layer.origins.get(path)
    }
}

/// The paths and names of the components in `table`, outer ones first.
fn components(table: &toml::Table) -> Vec<(Vec<String>, String)> {
    fn walk(table: &toml::Table, path: &mut Vec<String>, found: &mut Vec<(Vec<String>, String)>) {
        if let (Some(toml::Value::String(name)), false) = (table.get("name"), path.is_empty()) {
            found.push((path.clone(), name.clone()));
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

/// The name of the component at `path` in `table`.
pub fn component_name(table: &toml::Table, path: &[String]) -> Option<String> {
    let mut table = table;
    for key in path {
        table = table.get(key)?.as_table()?;
    }
    Some(table.get("name")?.as_str()?.to_string())
}

fn remove(table: &mut toml::Table, path: &[String]) {
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
}
