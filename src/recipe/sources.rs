//! Reads everything that a request names: the recipe and the files that it extends, the typed settings, the
//! recipe's keys and its sweep files.

use super::error::Problem;
use super::extends;
use super::file::{FileKind, ParsedFile};
use super::keys::RecipeKeys;
use super::new_keys::NewKeys;
use super::overlay::{Layer, lay, settings_only};
use super::overrides::{self, Environment};
use super::sweep;
use super::typed::Expected;
use std::path::Path;
use toml::Table;

/// A request to plan a recipe.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The file of the recipe.
    pub recipe: &'a Path,
    /// The whole environment; variables called `HARNESS_...` may be settings.
    pub environment: &'a [(String, String)],
    /// The `--set key.path=value` arguments, without `--set`.
    pub set: &'a [String],
}

impl Request<'_> {
    /// The folder of the recipe's results under `results/`; none if the recipe cannot be read.
    pub fn results(&self, new_keys: &NewKeys) -> Option<String> {
        let sources = Sources::read(self, new_keys).ok()?;
        Some(sources.keys.results)
    }
}

/// The texts of a plan. Their errors are in `problems`; the rest is still usable.
pub struct Sources {
    /// The name of the recipe: its file without folder and extension.
    pub name: String,
    /// The settings of the recipe and of the files that it extends, the lowest first; that one with the
    /// built-in defaults of the new keys that it leaves out.
    pub files: Vec<Layer>,
    /// The settings of the environment and of the `--set` arguments.
    pub typed: Vec<Layer>,
    /// The recipe's own keys, from all layers.
    pub keys: RecipeKeys,
    /// The layers that still contain the recipe's own keys: `files`, then `typed`.
    pub whole: Vec<Layer>,
    /// The sweeps that could be read, by name.
    pub sweeps: Vec<(String, ParsedFile)>,
    /// A note about variables that are no settings.
    pub foreign: Option<String>,
    pub problems: Vec<Problem>,
}

impl Sources {
    /// Reads them. `new_keys`: the keys that the lowest file may leave out.
    ///
    /// # Errors
    /// The recipe or one that it extends cannot be read, and what else is wrong up to there.
    pub fn read(request: &Request, new_keys: &NewKeys) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut files = match extends::layers(request.recipe, &mut problems) {
            Ok(files) => files,
            Err(problem) => {
                problems.push(problem);
                return Err(problems);
            }
        };
        if let Some(lowest) = files.first_mut() {
            let missing = new_keys.missing(&lowest.table);
            lay(&mut lowest.table, &missing.table);
            lowest.origins.extend(missing.origins);
        }
        let root = files
            .first()
            .map_or(Table::new(), |lowest| lowest.table.clone());
        let Environment {
            layers: mut typed,
            foreign,
        } = overrides::environment(request.environment, &root, Expected(&files));
        typed.extend(overrides::arguments(
            request.set,
            Expected(&files),
            &mut problems,
        ));
        let name = request.recipe.file_stem().and_then(|stem| stem.to_str());
        let name = name.unwrap_or("recipe").to_string();
        let keys = RecipeKeys::read(&name, &files, &typed, &mut problems);
        let mut sweeps = Vec::new();
        for (name, place) in &keys.sweeps {
            let path = sweep::locate(request.recipe, name);
            match ParsedFile::read(&path, FileKind::Sweep, place.clone()) {
                Ok(file) => sweeps.push((name.clone(), file)),
                Err(problem) => problems.push(problem),
            }
        }
        Ok(Self {
            name,
            files: settings_only(&files),
            typed: settings_only(&typed),
            keys,
            whole: files.into_iter().chain(typed).collect(),
            sweeps,
            foreign,
            problems,
        })
    }
}
