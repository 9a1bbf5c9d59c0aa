//! Settings from the command line and the environment: `HARNESS_TRAIN__STEPS=10` and `--set train.steps=10`.
//!
//! [`super::typed`] reads the values.

use super::RECIPE_KEYS;
use super::error::Problem;
use super::moved::{is_earlier_place, move_path, note};
use super::origin::{Location, Origin};
use super::overlay::Layer;
use super::typed::{Expected, parse};
use std::collections::BTreeMap;

/// Environment variables with this prefix may be settings.
const PREFIX: &str = "HARNESS_";
/// The number of letters by which the table in a variable's name may differ from a known one, so that the
/// variable still counts as a mistyped setting and not as another program's.
const SLIP: usize = 1;
/// The number of foreign variables that a note names.
const NAMED: usize = 8;

/// The settings in the environment.
pub struct Environment {
    /// One layer for each variable that is a setting, sorted by name.
    pub layers: Vec<Layer>,
    /// A note about the variables with the prefix that belong to other programs.
    pub foreign: Option<String>,
}

/// Reads the settings among `variables`. `__` separates levels, `_` stands for `-`.
///
/// Other programs have variables with the same prefix: CI systems (`HARNESS_BUILD_ID`), Kubernetes beside a
/// service called `harness` (`HARNESS_PORT`). A variable is a setting if its first level is a key at the top of
/// `root`, the settings of the lowest file, or one letter away from it; a table needs a second level.
pub fn environment(
    variables: &[(String, String)],
    root: &toml::Table,
    expected: Expected,
) -> Environment {
    let mut variables: Vec<&(String, String)> = variables.iter().collect();
    variables.sort();
    let (mut layers, mut foreign) = (Vec::new(), Vec::new());
    for (name, value) in variables {
        let Some(rest) = name.strip_prefix(PREFIX) else {
            continue;
        };
        let parts = rest.split("__");
        let path: Vec<String> = parts
            .map(|part| part.to_lowercase().replace('_', "-"))
            .collect();
        match is_meant(&path, root) {
            true => {
                layers.extend(layer(
                    &path,
                    value,
                    Origin::Environment(name.clone()),
                    expected,
                ));
            }
            false => foreign.push(name.as_str()),
        }
    }
    let foreign = (!foreign.is_empty()).then(|| ignored(&foreign));
    Environment { layers, foreign }
}

/// Returns true if `path` begins with a key at the top of a recipe, perhaps mistyped. A table has further levels, so a
/// name without them is no table's: `HARNESS_DATA` is another program's.
fn is_meant(path: &[String], root: &toml::Table) -> bool {
    let (first, has_levels) = (&path[0], path.len() > 1);
    let tables = root
        .iter()
        .filter(|(_, value)| has_levels || !value.is_table());
    let known = tables.map(|(key, _)| key.as_str()).chain(RECIPE_KEYS);
    let mut near = known.filter(|key| strsim::damerau_levenshtein(key, first) <= SLIP);
    near.next().is_some() || has_levels && is_earlier_place(first)
}

/// The note about the variables `names`, which are not empty.
fn ignored(names: &[&str]) -> String {
    let named = names[..names.len().min(NAMED)].join(", ");
    let more = match names.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "ignored, because no setting has such a name: {named}{more} (in the environment; a setting is written \
         like {PREFIX}TRAIN__STEPS, and `unset` silences this warning)"
    )
}

/// Returns one layer for each `key.path=value`, in the given order. A malformed argument is a problem.
pub fn arguments(
    arguments: &[String],
    expected: Expected,
    problems: &mut Vec<Problem>,
) -> Vec<Layer> {
    let mut layers = Vec::new();
    for argument in arguments {
        let made = argument.split_once('=').and_then(|(key, value)| {
            let path: Vec<String> = key.split('.').map(|part| part.trim().to_string()).collect();
            let whole = path.iter().all(|part| !part.is_empty());
            whole
                .then(|| layer(&path, value, Origin::Argument(argument.clone()), expected))
                .flatten()
        });
        match made {
            Some(layer) => layers.push(layer),
            None => problems.push(Problem::at(
                Location::named(format!("--set {argument}")),
                "expected `key.path=value`, like `train.steps=100`",
            )),
        }
    }
    layers
}

fn layer(path: &[String], text: &str, origin: Origin, expected: Expected) -> Option<Layer> {
    let mut path = path.to_vec();
    let given = path.join(".");
    let moved = move_path(&mut path);
    let mut layer = Layer {
        name: origin.to_string(),
        table: toml::Table::new(),
        origins: BTreeMap::new(),
        note: moved.then(|| note(&given, &origin.to_string())),
    };
    layer
        .insert(&path, parse(text, &path, expected), origin.clone())
        .ok()?;
    record_inner(&mut layer, &path, &origin);
    Some(layer)
}

/// Gives the keys inside a table that was written as one value the origin of the whole value.
fn record_inner(layer: &mut Layer, path: &[String], origin: &Origin) {
    fn walk(
        value: &toml::Value,
        path: &str,
        origin: &Origin,
        origins: &mut BTreeMap<String, Origin>,
    ) {
        if let toml::Value::Table(table) = value {
            for (key, inner) in table {
                let path = format!("{path}.{key}");
                walk(inner, &path, origin, origins);
                origins.insert(path, origin.clone());
            }
        }
    }
    let value = path
        .iter()
        .try_fold(&toml::Value::Table(layer.table.clone()), |value, key| {
            value.get(key)
        })
        .cloned();
    if let Some(value) = value {
        walk(&value, &path.join("."), origin, &mut layer.origins);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_names_a_path() {
        let variables = [
            ("HARNESS_MODEL__BACKBONE__STRIDE_IN_1X1", "true"),
            ("PATH", "/bin"),
            ("HARNESS_DATA__ROOT", "../x"),
        ]
        .map(|(name, value)| (name.to_string(), value.to_string()));
        let root = "model = {}\ndata = {}".parse().unwrap();
        let Environment { layers, foreign } = environment(&variables, &root, Expected(&[]));
        assert_eq!(foreign, None);
        let tables: Vec<String> = layers
            .iter()
            .map(|layer| serde_json::to_string(&layer.table).unwrap())
            .collect();
        assert_eq!(
            tables,
            [
                r#"{"data":{"root":"../x"}}"#,
                r#"{"model":{"backbone":{"stride-in-1x1":true}}}"#
            ]
        );
        assert_eq!(
            layers[0].origins["data.root"].to_string(),
            "environment variable HARNESS_DATA__ROOT"
        );
    }

    #[test]
    fn variables_of_other_programs_are_named_once_and_a_slip_is_no_other_program() {
        let root: toml::Table = "train = {}\ndata = {}\nprecision = ''".parse().unwrap();
        let read = |names: &[&str]| {
            let pair = |name: &&str| (format!("HARNESS_{name}"), "1".to_string());
            let variables: Vec<_> = names.iter().map(pair).collect();
            let Environment { layers, foreign } = environment(&variables, &root, Expected(&[]));
            (layers.len(), foreign.unwrap_or_default())
        };
        let meant = [
            "TRAIN__STPES",
            "TRIAN__STEPS",
            "SEED",
            "LOSS__POINTS",
            "RESULTS",
        ];
        assert_eq!(read(&meant), (meant.len(), String::new()));
        let (layers, note) = read(&[
            "BUILD_ID",
            "DATA",
            "PORT",
            "PORT_80_TCP",
            "",
            "_X",
            "TRAIN__STEPS",
        ]);
        assert_eq!(layers, 1);
        let names = "HARNESS_, HARNESS_BUILD_ID, HARNESS_DATA, HARNESS_PORT, HARNESS_PORT_80_TCP, HARNESS__X (";
        assert!(note.contains(names) && note.contains("`unset`"), "{note}");
        let (layers, note) = read(&["TRAIN_STEPS"]);
        assert_eq!(layers, 0, "one underscore is part of a word");
        assert!(note.contains("HARNESS_TRAIN__STEPS"), "{note}");
        let many: Vec<String> = (11..22).map(|index| format!("STAGE_{index}")).collect();
        let (_, note) = read(&many.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(note.contains("HARNESS_STAGE_18 and 3 more ("), "{note}");
    }

    #[test]
    fn an_argument_without_value_is_a_problem_and_the_others_count() {
        let mut problems = Vec::new();
        let given = [
            "train.steps",
            "a..b=1",
            "=1",
            "method={ name = 'supervised' }",
        ]
        .map(str::to_string);
        let layers = arguments(&given, Expected(&[]), &mut problems);
        assert_eq!(problems.len(), 3);
        assert_eq!(
            problems[0].to_string(),
            "--set train.steps: expected `key.path=value`, like `train.steps=100`\n"
        );
        assert!(layers[0].origins.contains_key("method.name"));
    }
}
