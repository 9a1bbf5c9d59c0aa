//! Absurd numbers: every whole number of a recipe is refused with what is allowed before memory is asked for,
//! or does no harm.

use crate::house::TEXT_ONLY;
use harness::data;
use harness::experiment::Settings;
use harness::recipe::{Plan, Request};
use harness::registry::{self, ComponentError};
use std::path::Path;
use toml::{Table, Value};

/// The largest whole number of TOML, and the first that has 32 bits.
const ABSURD: [i64; 2] = [i64::MAX, 1 << 31];

/// Seeds, and a number of objects that the split itself compares with those that there are.
const ANY_NUMBER: [&str; 5] = [
    "data.train-seed",
    "data.val-seed",
    "method.correction.vlm.seed",
    "seed",
    "split.min-instances",
];

/// The settings of `recipes/pl-dc.toml`, with a dataset that is drawn at once.
fn settings() -> Table {
    let request = Request {
        recipe: &Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes/pl-dc.toml"),
        environment: &[],
        set: &["data.train-images=2".into(), "data.val-images=1".into()],
    };
    let plan = Plan::new(request, TEXT_ONLY).expect("a plan");
    plan.trials[0].settings.clone()
}

/// The path of every whole number in `value`, those of lists without their places.
fn whole_numbers(value: &Value, path: &str) -> Vec<String> {
    match value {
        Value::Integer(_) => vec![path.to_string()],
        Value::Array(list) => list
            .first()
            .map_or(Vec::new(), |first| whole_numbers(first, path)),
        Value::Table(table) => table
            .iter()
            .flat_map(|(key, value)| whole_numbers(value, &registry::joined(path, key)))
            .collect(),
        _ => Vec::new(),
    }
}

/// The settings with `number` at `path`, in a list at its end.
fn with(path: &str, number: i64) -> Table {
    let mut settings = settings();
    let (parents, key) = path.rsplit_once('.').unwrap_or(("", path));
    let parents = parents.split('.').filter(|parent| !parent.is_empty());
    let table = parents.fold(&mut settings, |table, key| {
        table[key].as_table_mut().expect("a table")
    });
    match &mut table[key] {
        Value::Array(list) => *list.last_mut().expect("a number") = number.into(),
        value => *value = number.into(),
    }
    settings
}

/// The errors of reading the settings; if there are none, the dataset of the settings can be drawn.
fn refused(settings: &Table) -> Vec<ComponentError> {
    match Settings::read(settings) {
        Ok(settings) => {
            data::load(settings.data).expect("a dataset");
            Vec::new()
        }
        Err(errors) => errors.into_iter().collect(),
    }
}

#[test]
fn every_absurd_number_is_refused_with_its_key_and_what_is_allowed() {
    let paths = whole_numbers(&Value::Table(settings()), "");
    assert!(paths.len() > 45, "{paths:?}");
    for path in &paths {
        for number in ABSURD {
            let errors = refused(&with(path, number));
            if ANY_NUMBER.contains(&path.as_str()) {
                assert_eq!(errors, [], "{path} = {number}");
                continue;
            }
            // A number in a list is named with its place.
            let of_path = |key: &str| key.split('[').next() == Some(path);
            let own = errors.iter().find(|error| of_path(&error.key));
            let message = &own.unwrap_or_else(|| panic!("{path} = {number}")).message;
            assert!(message.contains(&number.to_string()), "{path}: {message}");
            let limits = [" allowed: ", "a whole number from 0 to 255, "];
            let told = limits.iter().any(|limit| message.contains(limit));
            assert!(told, "{path}: {message}");
        }
    }
}

#[test]
fn negative_numbers_are_refused_with_their_keys() {
    for path in whole_numbers(&Value::Table(settings()), "") {
        let errors = refused(&with(&path, -1));
        let own = errors.iter().any(|error| error.key.starts_with(&path));
        assert!(own, "{path}: {errors:?}");
    }
}
