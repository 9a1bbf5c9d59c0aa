//! Tests random texts and mutated recipes: planning always ends with a plan or with errors that have a place.

use harness::experiment::{NEW_KEYS, Settings, identity, normalise};
use harness::recipe::{Explanation, Hooks, Plan, Request};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::TestRunner;
use std::fs;
use std::path::Path;
use tempfile::TempDir;
use toml::Table;

/// The number of cases of each property: 11,000 in all in an optimised build.
const CASES: u32 = if cfg!(debug_assertions) { 40 } else { 2750 };

/// A copy of the repository's recipes and sweeps.
fn copied() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["recipes", "sweeps"] {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        let to = folder.path().join(name);
        fs::create_dir(&to).unwrap();
        for file in fs::read_dir(from).unwrap() {
            let path = file.unwrap().path();
            if path
                .extension()
                .is_some_and(|extension| extension == "toml")
            {
                fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
            }
        }
    }
    folder
}

/// Plans `recipe` and fails if an error has no place.
fn plan(
    recipe: &Path,
    environment: &[(String, String)],
    set: &[String],
) -> Result<(), TestCaseError> {
    let check = |table: &Table| Settings::read(table).err().into_iter().flatten().collect();
    let hooks = Hooks {
        spell_out: &|_, _| {},
        check: &check,
        normalise: &normalise,
        identity: &identity,
        new_keys: &NEW_KEYS,
    };
    let request = Request {
        recipe,
        environment,
        set,
    };
    match Plan::new(request, hooks) {
        Ok(plan) => {
            prop_assert!(!plan.trials.is_empty());
            prop_assert!(plan.uses().iter().all(|rows| !rows.is_empty()));
        }
        Err(error) => {
            prop_assert!(!error.problems.is_empty());
            for problem in &error.problems {
                let place = problem.place.as_ref();
                prop_assert!(
                    place.is_some_and(|place| !place.position.is_empty()),
                    "{}",
                    problem
                );
            }
        }
    }
    // Explaining reads the same files by another way.
    if let Err(error) = Explanation::new(request, &NEW_KEYS, "train.steps") {
        prop_assert!(
            error.problems.iter().all(|problem| problem.place.is_some()),
            "{}",
            error
        );
    }
    Ok(())
}

/// Words of recipes, and some other words.
fn word() -> impl Strategy<Value = String> {
    const KNOWN: &[&str] = &[
        "train",
        "steps",
        "method",
        "filter",
        "name",
        "'adaptive'",
        "'coupled'",
        "seeds",
        "sweeps",
        "['modules']",
        "extends",
        "'pl-dc.toml'",
        "['pl-dc.toml', 'smoke.toml']",
        "results",
        "grid",
        "zip",
        "each",
        "leave-one-out",
        "off",
        "label",
        "when",
        "values",
        "exclude",
        "set",
        "data",
        "'scenes'",
        "augment",
        "cutout",
        "=",
        "=",
        "=",
        ".",
        "[",
        "]",
        "[[",
        "]]",
        "{",
        "}",
        ",",
        "\n",
        "\n",
        "\n",
        "0",
        "1",
        "-1",
        "0.5",
        "1e400",
        "nan",
        "-inf",
        "9223372036854775807",
        "true",
        "''",
        "\"",
        "'",
        "#",
        "1979-05-27",
        "\u{fc}",
        "\"a.b\"",
        "\"\"",
    ];
    prop_oneof![9 => select(KNOWN).prop_map(str::to_string), 1 => "\\PC{0,4}"]
}

fn text() -> impl Strategy<Value = String> {
    proptest::collection::vec(word(), 0..40).prop_map(|words| words.join(" "))
}

/// A value of some type, right or wrong.
fn value() -> impl Strategy<Value = String> {
    const KNOWN: &[&str] = &[
        "0",
        "-1",
        "1",
        "3",
        "0.5",
        "-0.0",
        "1e308",
        "nan",
        "inf",
        "9223372036854775807",
        "true",
        "''",
        "'x'",
        "[]",
        "[0]",
        "[0.5, 'x']",
        "[[1]]",
        "{}",
        "{ name = 'coupled' }",
        "{ name = 'keep', x = 1 }",
        "{ name = 3 }",
        "[{ probability = 2 }]",
        "1979-05-27",
        "[1979-05-27]",
        "'adaptive'",
        "\"\\u0000\"",
        "{ values = [1, 2], when = { 'train.steps' = 1 } }",
    ];
    select(KNOWN).prop_map(str::to_string)
}

/// A change to a line of a file.
#[derive(Clone, Debug)]
enum Change {
    Delete,
    Repeat,
    Swap(Index),
    Value(String),
    Char(Index, char),
    Text(String),
}

fn change() -> impl Strategy<Value = (Index, Change)> {
    let change = prop_oneof![
        Just(Change::Delete),
        Just(Change::Repeat),
        any::<Index>().prop_map(Change::Swap),
        value().prop_map(Change::Value),
        (any::<Index>(), any::<char>()).prop_map(|(at, c)| Change::Char(at, c)),
        text().prop_map(Change::Text),
    ];
    (any::<Index>(), change)
}

fn changed(text: &str, changes: &[(Index, Change)]) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_string).collect();
    for (at, change) in changes {
        if lines.is_empty() {
            break;
        }
        let at = at.index(lines.len());
        match change {
            Change::Delete => drop(lines.remove(at)),
            Change::Repeat => lines.insert(at, lines[at].clone()),
            Change::Swap(other) => {
                let other = other.index(lines.len());
                lines.swap(at, other);
            }
            Change::Value(value) => {
                if let Some((key, _)) = lines[at].split_once('=') {
                    lines[at] = format!("{key}= {value}");
                }
            }
            Change::Char(position, c) => {
                let mut line: Vec<char> = lines[at].chars().collect();
                line.insert(position.index(line.len() + 1), *c);
                lines[at] = line.into_iter().collect();
            }
            Change::Text(text) => lines[at] = text.clone(),
        }
    }
    lines.join("\n")
}

/// A key path, mostly one that exists.
fn path() -> impl Strategy<Value = String> {
    const KNOWN: &[&str] = &[
        "train.steps",
        "train",
        "method.filter",
        "method.filter.class",
        "method.filter.name",
        "method",
        "augment.cutout",
        "seeds",
        "sweeps",
        "results",
        "extends",
        "data.name",
        "data",
        "method.correction.vlm",
        "eval.model",
        "loader.threads",
        "",
        ".",
        "seed",
    ];
    prop_oneof![4 => select(KNOWN).prop_map(str::to_string), 1 => "[a-z.\\-_]{0,12}", 1 => "\\PC{0,6}"]
}

/// Tests `property` for many values, in one copy of the recipes and sweeps.
fn holds<S: Strategy>(values: S, property: impl Fn(&Path, S::Value) -> Result<(), TestCaseError>) {
    let folder = copied();
    let config = ProptestConfig {
        cases: CASES,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    TestRunner::new(config)
        .run(&values, |value| property(folder.path(), value))
        .unwrap_or_else(|error| panic!("{error}"));
}

/// Plans `recipe` while `file` has these changes.
fn planned_with(
    file: &Path,
    changes: &[(Index, Change)],
    recipe: &Path,
    set: &[String],
) -> Result<(), TestCaseError> {
    let text = fs::read_to_string(file).unwrap();
    fs::write(file, changed(&text, changes)).unwrap();
    let result = plan(recipe, &[], set);
    fs::write(file, text).unwrap();
    result
}

#[test]
fn any_text_is_planned_or_reported() {
    holds((text(), text()), |folder, (recipe, sweep)| {
        fs::write(folder.join("sweeps/mine.toml"), sweep).unwrap();
        let file = folder.join("recipes/mine.toml");
        fs::write(&file, recipe).unwrap();
        plan(&file, &[], &[])?;
        fs::write(&file, "extends = 'pl-dc.toml'\nsweeps = ['mine']").unwrap();
        plan(&file, &[], &[])
    });
}

#[test]
fn a_mutated_recipe_is_planned_or_reported() {
    let names = select(
        &[
            "pl-dc",
            "smoke",
            "ablation",
            "coco-mini",
            "pl-dc-paper",
            "baselines",
        ][..],
    );
    let changes = proptest::collection::vec(change(), 1..4);
    holds((names, changes), |folder, (name, changes)| {
        let file = folder.join(format!("recipes/{name}.toml"));
        planned_with(&file, &changes, &file, &[])
    });
}

#[test]
fn a_mutated_sweep_is_planned_or_reported() {
    let names = select(
        &[
            "modules",
            "thresholds",
            "ema-rate",
            "unsup-weight",
            "baselines",
        ][..],
    );
    let changes = proptest::collection::vec(change(), 1..4);
    holds((names, changes), |folder, (name, changes)| {
        let file = folder.join(format!("sweeps/{name}.toml"));
        let recipe = folder.join("recipes/pl-dc.toml");
        planned_with(&file, &changes, &recipe, &[format!("sweeps=['{name}']")])
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_override_is_planned_or_reported(
        typed in proptest::collection::vec((path(), prop_oneof![value(), text(), "\\PC{0,8}"]), 0..3),
        variables in proptest::collection::vec((path(), value()), 0..3),
    ) {
        let recipe = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes/smoke.toml");
        let set: Vec<String> = typed.into_iter().map(|(key, value)| format!("{key}={value}")).collect();
        let variable = |(key, value): (String, String)| {
            let name = key.to_uppercase().replace('.', "__").replace('-', "_");
            (format!("HARNESS_{name}"), value)
        };
        let variables: Vec<(String, String)> = variables.into_iter().map(variable).collect();
        plan(&recipe, &variables, &set)?;
    }
}
