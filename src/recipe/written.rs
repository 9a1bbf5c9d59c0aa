//! What a plan was made of, for whoever reads its results later: the texts of its files, and for every setting the
//! place that gave it its value.
//!
//! Nothing here enters a hash, and no name tells where the files lie on a machine.

use super::new_keys::NewKeys;
use super::origin::{Origin, SourceFile};
use super::overlay::{Layer, Overlay, lay, paths, value_at};
use super::sources::Sources;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};
use toml::Table;

/// The origin of a value that the program computes.
const COMPUTED: &str = "follows from other settings";

/// The origins of settings by dotted key: `recipe.toml:12` (file and line), `--set key=value`, `environment variable
/// NAME`, or `built-in default`.
pub type Origins = BTreeMap<String, String>;

/// The files of a plan and the origins of its settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Written {
    /// The files: the recipe, those that it extends, each before those below it, and the sweeps.
    pub files: Vec<WrittenFile>,
    /// The origins, sweep by sweep.
    pub sweeps: Vec<SweepOrigins>,
}

/// A file of a plan as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrittenFile {
    /// Its purpose.
    pub role: FileRole,
    /// Its path from the folder of the recipe, for files in this folder and in one beside it, such as
    /// `../sweeps/modules.toml`. Of a file that lies farther away, only the name.
    pub name: String,
    /// Its whole text.
    pub text: String,
}

/// The purpose of a file of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileRole {
    /// The recipe itself.
    Recipe,
    /// A file that it extends, directly or not.
    Extended,
    /// A sweep of it.
    Sweep,
}

/// The origins of the settings of a sweep.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SweepOrigins {
    /// The name of the sweep.
    pub sweep: String,
    /// Those that all rows have in common.
    pub shared: Origins,
    /// Those of single rows by label, as far as they differ.
    pub rows: BTreeMap<String, Origins>,
}

impl SweepOrigins {
    /// The origin of `key` in the row `label`; none if nothing has set it.
    pub fn of(&self, label: &str, key: &str) -> Option<&str> {
        let own = self.rows.get(label).and_then(|row| row.get(key));
        own.or_else(|| self.shared.get(key)).map(String::as_str)
    }
}

/// Names of files that do not depend on the machine.
pub struct Names {
    /// The folder of the recipe from the root.
    folder: PathBuf,
}

impl Names {
    /// Names as the recipe in the file `recipe` sees them.
    pub fn new(recipe: &Path) -> Self {
        let whole = whole(recipe);
        Self {
            folder: whole.parent().map(Path::to_path_buf).unwrap_or_default(),
        }
    }

    /// The name of the file at `path`.
    fn of(&self, path: &Path) -> String {
        let path = whole(path);
        let inner = |folder: &Path| -> Option<Vec<String>> {
            // The root is no neighbour of a recipe.
            folder.file_name()?;
            let parts = path.strip_prefix(folder).ok()?.iter();
            let text = |part: &OsStr| part.to_string_lossy().into_owned();
            Some(parts.map(text).collect())
        };
        if let Some(parts) = inner(&self.folder) {
            return parts.join("/");
        }
        if let Some([folder, name]) = self.folder.parent().and_then(inner).as_deref() {
            return format!("../{folder}/{name}");
        }
        let name = path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// An origin in words.
    fn origin(&self, origin: &Origin) -> String {
        match origin {
            Origin::File { file, key, .. } => {
                let before = &file.text.as_bytes()[..key.start.min(file.text.len())];
                let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
                format!("{}:{line}", self.of(&file.path))
            }
            other => other.to_string(),
        }
    }

    /// The files that `sources` has read.
    pub fn files(&self, sources: &Sources) -> Vec<WrittenFile> {
        let written = |role: FileRole, source: &SourceFile| WrittenFile {
            role,
            name: self.of(&source.path),
            text: source.text.clone(),
        };
        let layers = sources.files.iter().rev().filter_map(source);
        let recipes = layers.enumerate().map(|(place, file)| match place {
            0 => written(FileRole::Recipe, file),
            _ => written(FileRole::Extended, file),
        });
        let sweeps = sources.sweeps.iter();
        let sweeps = sweeps.map(|(_, file)| written(FileRole::Sweep, &file.source));
        recipes.chain(sweeps).collect()
    }

    /// The origins of all settings of `overlay`, and of the seed in the layers `whole`.
    pub fn shared(&self, overlay: &Overlay, whole: &[Layer]) -> Origins {
        let origin = |key: String| {
            let origin = overlay.exact_origin(&key).unwrap_or(&Origin::BuiltIn);
            (key, self.origin(origin))
        };
        let mut found: Origins = leaves(&overlay.settings).map(origin).collect();
        let mut layers = whole.iter().rev();
        if let Some(seeds) = layers.find_map(|layer| layer.own_origin("seeds")) {
            found.insert("seed".into(), self.origin(seeds));
        }
        found
    }

    /// The origins that `layers` over `overlay` change: what they set, and the defaults of the components that they
    /// name anew.
    pub fn row(&self, overlay: &Overlay, layers: &[Layer], new_keys: &NewKeys) -> Origins {
        let mut settings = overlay.settings.clone();
        let (mut found, mut replaced) = (Origins::new(), Vec::new());
        for layer in layers {
            let own = lay(&mut settings, &layer.table);
            found.retain(|key, _| !own.iter().any(|outer| is_inside(key, outer)));
            replaced.extend(own);
            for key in leaves(&layer.table) {
                if let Some(origin) = layer.own_origin(&key) {
                    let origin = self.origin(origin);
                    found.insert(key, origin);
                }
            }
        }
        if !replaced.is_empty() {
            new_keys.fill(&mut settings);
            let defaults = leaves(&settings);
            let defaults =
                defaults.filter(|key| replaced.iter().any(|outer| is_inside(key, outer)));
            for key in defaults {
                found
                    .entry(key)
                    .or_insert_with(|| Origin::BuiltIn.to_string());
            }
        }
        found
    }
}

/// Marks in `found` the keys that have another value in `after` than in `before`.
pub fn mark_computed(found: &mut Origins, before: &Table, after: &Table) {
    for key in leaves(after) {
        if value_at(before, &key) != value_at(after, &key) {
            found.insert(key, COMPUTED.into());
        }
    }
}

/// The file of a layer; none if it has no key.
fn source(layer: &Layer) -> Option<&SourceFile> {
    layer.origins.values().find_map(|origin| match origin {
        Origin::File { file, .. } => Some(&**file),
        _ => None,
    })
}

/// The paths of the values of a table that are no tables.
fn leaves(table: &Table) -> impl Iterator<Item = String> {
    let is_leaf = |path: &String| value_at(table, path).is_some_and(|value| !value.is_table());
    let found: Vec<String> = paths(table).into_iter().filter(is_leaf).collect();
    found.into_iter()
}

/// Returns true if the key is in the table `outer`.
fn is_inside(key: &str, outer: &str) -> bool {
    key.strip_prefix(outer)
        .is_some_and(|rest| rest.starts_with('.'))
}

/// The path from the root, without `.` and `..`.
fn whole(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let mut found = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(found.pop()),
            Component::CurDir => {}
            other => found.push(other),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::NewKey;
    use crate::recipe::file::ParsedFile;

    #[test]
    fn names_of_files_tell_nothing_of_the_machine() {
        for recipe in [
            "/home/me/work/recipes/a.toml",
            "/home/me/work/recipes/../recipes/./a.toml",
        ] {
            let names = Names::new(Path::new(recipe));
            let of = |path: &str| names.of(Path::new(path));
            assert_eq!(of("/home/me/work/recipes/a.toml"), "a.toml");
            assert_eq!(of("/home/me/work/recipes/parts/b.toml"), "parts/b.toml");
            assert_eq!(
                of("/home/me/work/recipes/../sweeps/s.toml"),
                "../sweeps/s.toml"
            );
            assert_eq!(of("/home/me/work/c.toml"), "c.toml");
            assert_eq!(of("/home/me/work/a/b/c.toml"), "c.toml");
            assert_eq!(of("/home/me/sweeps/c.toml"), "c.toml", "two folders up");
        }
        let names = Names::new(Path::new("/a.toml"));
        assert_eq!(names.of(Path::new("/home/me/c.toml")), "c.toml");
    }

    fn layer(name: &str, text: &str) -> Layer {
        let file = ParsedFile::parse(name.as_ref(), text.to_string()).unwrap();
        file.layer(name.to_string(), &file.root, &mut Vec::new())
    }

    #[test]
    fn a_row_has_the_origins_of_what_it_changes_and_of_what_a_new_component_brings() {
        let below = [
            layer(
                "/r/base.toml",
                "seeds = [1]\nema = 0.9\n[filter]\nname = 'a'\nlow = 1\nown = 2\n",
            ),
            layer("/r/top.toml", "\nema = 0.8\n"),
        ];
        let overlay = Overlay::new(&[&below[0], &below[1]]);
        let names = Names::new(Path::new("/r/top.toml"));
        let shared = names.shared(&overlay, &below);
        let of = |found: &Origins, key: &str| found.get(key).cloned().unwrap_or_default();
        assert_eq!(of(&shared, "ema"), "top.toml:2");
        assert_eq!(of(&shared, "filter.low"), "base.toml:5");
        assert_eq!(of(&shared, "seed"), "base.toml:1");
        let new_keys = NewKeys::new(&[NewKey {
            path: "filter.low",
            of: &["b"],
            default: "7",
            hashed: true,
        }]);
        let row = [layer("/r/s.toml", "filter = { name = 'b', high = 3 }\n")];
        let found = names.row(&overlay, &row, &new_keys);
        let expected = [
            ("filter.high", "s.toml:1"),
            ("filter.low", "built-in default"),
            ("filter.name", "s.toml:1"),
        ];
        let found: Vec<(&str, &str)> = found
            .iter()
            .map(|(key, origin)| (key.as_str(), origin.as_str()))
            .collect();
        assert_eq!(
            found, expected,
            "the lower end is no longer that of base.toml"
        );
        // The upper layer of a row takes the component of the lower one away.
        let row = [
            row[0].clone(),
            layer("/r/t.toml", "\n\nfilter = { name = 'c' }"),
        ];
        let found = names.row(&overlay, &row, &new_keys);
        assert_eq!(
            found,
            Origins::from([("filter.name".into(), "t.toml:3".into())])
        );
    }

    #[test]
    fn what_a_row_computes_is_marked_and_nothing_else() {
        let table = |text: &str| text.parse::<Table>().unwrap();
        let mut found = Origins::from([("train.steps".into(), "a.toml:3".into())]);
        let before = table("train = { steps = 9, epochs = 2 }\nloader = { a = [1] }");
        let after = table("train = { steps = 70, epochs = 0 }\nloader = { a = [1] }");
        mark_computed(&mut found, &before, &after);
        let keys: Vec<(&str, &str)> = found
            .iter()
            .map(|(key, origin)| (key.as_str(), origin.as_str()))
            .collect();
        assert_eq!(
            keys,
            [("train.epochs", COMPUTED), ("train.steps", COMPUTED)]
        );
    }
}
