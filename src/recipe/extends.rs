//! The files that a recipe extends, in the order in which they are laid over one another.
//!
//! `extends = "a.toml"` names one file, `extends = ["a.toml", "b.toml"]` several; a path is relative to the
//! file that names it, and `~` is the user's home. Keys of `b` win over those of `a`, keys of the file itself over
//! both. The named files may extend others.
//!
//! Each file is laid once, however many files extend it. It stands above every file that it extends and above
//! every file that is listed before it, so two files that extend the same base change that base one after the
//! other:
//!
//! ```text
//! base <- a <- b <- recipe        for a and b that extend base, and a recipe that extends [a, b]
//! ```
//!
//! The lowest file holds every key; [`super::check`] compares the others with it.

use super::error::Problem;
use super::file::{FileKind, ParsedFile};
use super::origin::{Location, Origin};
use super::overlay::Layer;
use super::paths::at_home;
use std::fs;
use std::path::{Path, PathBuf};

/// The key that names the files.
const KEY: &str = "extends";

/// The layers of `recipe` and of all files that it extends, the lowest first.
///
/// A key that a file gives twice is added to `problems`.
///
/// # Errors
/// A file cannot be read, `extends` is no path and no list of paths, files extend each other in a circle, or
/// a list names files in an order that cannot be kept.
pub fn layers(recipe: &Path, problems: &mut Vec<Problem>) -> Result<Vec<Layer>, Problem> {
    layers_named(recipe, None, problems)
}

/// The same for a recipe that a file names at `named`.
///
/// # Errors
/// Those of [`layers`].
pub fn layers_named(
    recipe: &Path,
    named: Option<Location>,
    problems: &mut Vec<Problem>,
) -> Result<Vec<Layer>, Problem> {
    let mut reader = Reader {
        problems,
        open: Vec::new(),
        laid: Vec::new(),
    };
    reader.read(recipe, named)?;
    Ok(reader.laid.into_iter().map(|(_, layer)| layer).collect())
}

/// A file that `extends` names.
struct Base {
    /// The path as it is written.
    name: String,
    /// The path from the working directory.
    path: PathBuf,
    /// The place of that path.
    place: Location,
}

/// Reads the files depth first, so that each is laid after those that it extends.
struct Reader<'a> {
    problems: &'a mut Vec<Problem>,
    /// The files whose `extends` is being followed, the recipe first.
    open: Vec<PathBuf>,
    /// The files that are laid, by their real path.
    laid: Vec<(PathBuf, Layer)>,
}

impl Reader<'_> {
    /// Lays the file at `path` above all that it extends, unless it is laid already. `named` is the place
    /// that names it.
    fn read(&mut self, path: &Path, named: Option<Location>) -> Result<(), Problem> {
        let real = real(path);
        if self.height(&real).is_some() {
            return Ok(());
        }
        let file = ParsedFile::read(path, FileKind::Recipe, named)?;
        let mut layer = file.layer(path.display().to_string(), &file.root, self.problems);
        let bases = bases(&mut layer)?;
        self.open.push(real.clone());
        for (index, base) in bases.iter().enumerate() {
            let refused = |message: String| {
                let message = format!("`{KEY}`: `{}` {message}", base.name);
                Err(Problem::at(base.place.clone(), message))
            };
            let (lower, real) = (&bases[..index], self::real(&base.path));
            if self.open.contains(&real) {
                return refused("leads back to itself".to_string());
            }
            if lower.iter().any(|other| self::real(&other.path) == real) {
                return refused("is listed twice".to_string());
            }
            if let Some(other) = lower.iter().find(|other| self.stands_above(other, &real)) {
                return refused(format!(
                    "is listed after `{}`, which must stand above it: list it first, or leave it out",
                    other.name
                ));
            }
            self.read(&base.path, Some(base.place.clone()))?;
        }
        self.open.pop();
        self.laid.push((real, layer));
        Ok(())
    }

    /// True if both files are laid and `upper` is above `lower`.
    fn stands_above(&self, upper: &Base, lower: &Path) -> bool {
        let lower = self.height(lower);
        lower.is_some() && self.height(&real(&upper.path)) > lower
    }

    /// The position of a file among those that are laid.
    fn height(&self, real: &Path) -> Option<usize> {
        self.laid.iter().position(|(laid, _)| laid == real)
    }
}

/// The same path for a file, in whichever way it is written.
fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf())
}

/// Removes `extends` from the layer of a file and returns the files that it names.
fn bases(layer: &mut Layer) -> Result<Vec<Base>, Problem> {
    let value = layer.table.remove(KEY);
    let origin = layer.origins.remove(KEY);
    let Some((value, origin)) = value.zip(origin) else {
        return Ok(Vec::new());
    };
    let base = |value: &toml::Value, origin: &Origin| match value {
        toml::Value::String(name) => Ok(Base {
            name: name.clone(),
            path: origin.folder().join(at_home(name)),
            place: origin.value_place(),
        }),
        _ => Err(Problem::at(
            origin.value_place(),
            format!("`{KEY}`: expected the path of a recipe, or a list of paths"),
        )),
    };
    let toml::Value::Array(items) = &value else {
        return Ok(vec![base(&value, &origin)?]);
    };
    let items = items.iter().enumerate().map(|(index, item)| {
        let own = layer.origins.remove(&format!("{KEY}[{index}]"));
        base(item, own.as_ref().unwrap_or(&origin))
    });
    items.collect()
}
