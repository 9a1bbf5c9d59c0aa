//! The keys of a recipe that are not settings of a trial: `seeds`, `sweeps` and `results`.

use super::check;
use super::error::Problem;
use super::origin::{Location, Origin};
use super::overlay::{Layer, Overlay};
use super::seeds::Seeds;
use toml::Value;

/// The folder under `results/` that holds what is committed; no run writes there.
const PUBLISHED: &str = "published";

/// The values of these keys; `sweeps` also holds the place that names each sweep.
pub struct RecipeKeys {
    pub seeds: Seeds,
    /// The place of `seeds`; none if nothing names them.
    pub seeds_place: Option<Location>,
    pub sweeps: Vec<(String, Option<Location>)>,
    pub results: String,
}

impl RecipeKeys {
    /// Reads the keys from the files and from the typed layers. Errors are added to `problems`, and the
    /// default is used instead.
    pub fn read(name: &str, files: &[Layer], typed: &[Layer], problems: &mut Vec<Problem>) -> Self {
        for layer in typed
            .iter()
            .filter(|layer| layer.table.contains_key("extends"))
        {
            let place = layer.origins.get("extends").map(Origin::key_place);
            problems.push(Problem {
                place,
                message: "`extends` is read from recipe files only".to_string(),
            });
        }
        let overlay = Overlay::new(&files.iter().chain(typed).collect::<Vec<_>>());
        let mut report = |key: &str, expected: &str, found: &Value| {
            let message = format!(
                "`{key}`: expected {expected}, found {}",
                check::describe(found)
            );
            problems.push(Problem {
                place: overlay.origin(key).map(Origin::value_place),
                message,
            });
        };
        let sweeps = match overlay.settings.get("sweeps") {
            None => Vec::new(),
            Some(value) => names_of(value).unwrap_or_else(|| {
                report(
                    "sweeps",
                    "a list of different names of files under sweeps/, without .toml",
                    value,
                );
                Vec::new()
            }),
        };
        let results = match overlay.settings.get("results") {
            None => name.to_string(),
            Some(value @ Value::String(folder)) if folder == PUBLISHED => {
                report(
                    "results",
                    "a name other than that of the committed results",
                    value,
                );
                name.to_string()
            }
            Some(Value::String(folder)) if is_plain_name(folder) => folder.clone(),
            Some(value) => {
                report("results", "the name of a folder under results/", value);
                name.to_string()
            }
        };
        let seeds = match overlay.settings.get("seeds").map(Seeds::read) {
            None => Seeds::fixed(vec![0]),
            Some(Ok(seeds)) => seeds,
            Some(Err(message)) => {
                problems.push(Problem {
                    place: overlay.origin("seeds").map(Origin::value_place),
                    message,
                });
                Seeds::fixed(vec![0])
            }
        };
        let place = overlay.origin("sweeps").map(Origin::value_place);
        Self {
            seeds_place: overlay.origin("seeds").map(Origin::value_place),
            seeds,
            sweeps: sweeps
                .into_iter()
                .map(|sweep| (sweep, place.clone()))
                .collect(),
            results,
        }
    }
}

fn names_of(value: &Value) -> Option<Vec<String>> {
    let names: Vec<String> = value
        .as_array()?
        .iter()
        .map(|name| name.as_str().map(str::to_string))
        .collect::<Option<_>>()?;
    (names.iter().all(|name| is_plain_name(name)) && are_distinct(&names)).then_some(names)
}

fn is_plain_name(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\\'])
}

fn are_distinct<T: PartialEq>(items: &[T]) -> bool {
    items
        .iter()
        .enumerate()
        .all(|(index, item)| !items[..index].contains(item))
}
