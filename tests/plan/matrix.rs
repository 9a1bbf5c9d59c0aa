//! `columns`, and rows of `[[each]]` that begin with a recipe of their own or stand for a list of values.

use crate::house::{House, TEXT_ONLY, at};
use harness::recipe::Plan;

/// Two recipes beside `base.toml`, of which one has a sweep of the given text.
fn house(sweep: &str) -> House {
    House::new(&[
        (
            "recipes/mine.toml",
            "extends = 'base.toml'\nsweeps = ['t']\ntrain.rate = 0.75",
        ),
        (
            "recipes/other.toml",
            "extends = 'base.toml'\nseeds = [7, 8]\nsweeps = ['none']\n[method]\nema = 0.5\n[method.filter]\nname = 'fixed'\nbar = 3",
        ),
        ("sweeps/t.toml", &format!("question = 'Which?'\n{sweep}")),
    ])
}

fn planned(house: &House, set: &[&str]) -> Plan {
    house
        .plan("recipes/mine.toml", &[], set, TEXT_ONLY)
        .unwrap_or_else(|error| panic!("{error}"))
}

const MATRIX: &str = "columns = { key = 'train.steps', values = [5, 9], titles = ['short', 'long'] }\n\
    [[each]]\nlabel = 'own'\npaper = [1.5, 2]\nzip.'train.steps' = [5, 9]\nzip.'method.ema' = [0.25, 0.125]\n\
    [[each]]\nlabel = 'other'\nrecipe = '../recipes/other.toml'\npaper = 3.5\nset.'train.steps' = 9\n";

#[test]
fn a_row_of_lists_is_a_line_and_a_recipe_is_the_beginning_of_a_row() {
    let house = house(MATRIX);
    let plan = planned(&house, &[]);
    let sweep = &plan.sweeps[0];
    assert_eq!(sweep.columns, ["short", "long"]);
    let rows: Vec<_> = sweep
        .rows
        .iter()
        .map(|row| {
            let place = row.place.as_ref().unwrap();
            let (line, column) = (place.line.as_str(), place.column.as_str());
            (row.label.as_str(), line, column, row.paper)
        })
        .collect();
    let expected = [
        ("own, short", "own", "short", Some(1.5)),
        ("own, long", "own", "long", Some(2.0)),
        ("other", "other", "long", Some(3.5)),
    ];
    assert_eq!(rows, expected);
    assert_eq!(
        plan.seeds,
        [0],
        "the seeds are those of the recipe with the sweep"
    );
    let settings: Vec<_> = plan.trials.iter().map(|trial| &trial.settings).collect();
    let ema = |row: usize| at(settings[row], "method.ema").as_float().unwrap();
    assert_eq!([ema(0), ema(1), ema(2)], [0.25, 0.125, 0.5]);
    let rate = |row: usize| at(settings[row], "train.rate").as_float().unwrap();
    assert_eq!(
        [rate(0), rate(2)],
        [0.75, 0.5],
        "`other` is not based on `mine`"
    );
    assert_eq!(at(settings[2], "method.filter.bar").as_integer(), Some(3));
    // The row is the trial of its recipe with what the row sets.
    let alone = ["train.steps=9", "seeds=[0]", "sweeps=[]"];
    let alone = house
        .plan("recipes/other.toml", &[], &alone, TEXT_ONLY)
        .unwrap();
    assert_eq!(alone.trials[0].hash, plan.trials[2].hash);
}

#[test]
fn what_the_user_types_wins_over_the_recipe_of_a_row_and_what_the_row_sets_over_both() {
    let plan = planned(&house(MATRIX), &["method.ema=0.75", "train.steps=7"]);
    let settings = &plan.trials[2].settings;
    assert_eq!(at(settings, "method.ema").as_float(), Some(0.75));
    assert_eq!(at(settings, "train.steps").as_integer(), Some(9));
}

#[test]
fn columns_without_values_are_those_of_the_rows() {
    let sweep = "columns = 'method.name'\n\
        [[each]]\nlabel = 'a'\nzip.'method.name' = ['x', 'y']\n[[each]]\nlabel = 'b'\nset.'method.name' = 'x'\n";
    let plan = planned(&house(sweep), &[]);
    let places = plan.sweeps[0]
        .rows
        .iter()
        .map(|row| row.place.as_ref().unwrap());
    let columns: Vec<&str> = places.map(|place| place.column.as_str()).collect();
    assert_eq!(columns, ["x", "y", "x"]);
    assert_eq!(plan.sweeps[0].rows[1].label, "a, y");
    assert!(plan.sweeps[0].columns.is_empty());
}

#[test]
fn mistakes_are_told_with_their_place() {
    let row = "[[each]]\nlabel = 'a'\n";
    for (sweep, parts) in [
        (
            format!("{row}zip.'train.steps' = [1, 2]\nzip.'train.rate' = [0.5]\n"),
            &["sweeps/t.toml:5:", "`train.rate` 1, `train.steps` 2"][..],
        ),
        (
            format!("{row}paper = [1, 2, 3]\nzip.'train.steps' = [1, 2]\n"),
            &["sweeps/t.toml:3:", "`paper` has 3 numbers for 2 variants"],
        ),
        (
            format!("{row}paper = [1, 2]\n"),
            &["sweeps/t.toml:3:", "`zip`"],
        ),
        (
            format!("{row}zip = {{}}\n"),
            &["sweeps/t.toml:4:", "`zip`: expected"],
        ),
        (
            format!("{row}zip.'train.stepz' = [1]\n"),
            &["sweeps/t.toml:4:", "`train.stepz`", "did you mean"],
        ),
        (
            format!("{row}recipe = '../recipes/otter.toml'\n"),
            &["sweeps/t.toml:4:", "otter.toml"],
        ),
        (
            "[[walk]]\nlabel = 'a'\nzip.'train.steps' = [1]\n".to_string(),
            &["sweeps/t.toml:4:", "`zip` is for `[[each]]`"],
        ),
        (
            format!("columns = 3\n{row}"),
            &["sweeps/t.toml:2:", "expected a key"],
        ),
        (
            format!("columns = {{ keys = 'train.steps' }}\n{row}"),
            &["sweeps/t.toml:2:", "`keys`", "`key`"],
        ),
        (
            format!("columns = {{ key = 'train.steps', values = [1], titles = [] }}\n{row}"),
            &["sweeps/t.toml:2:", "0 titles for 1 values"],
        ),
        (
            format!("columns = {{ key = 'train.steps', values = [1] }}\n{row}"),
            &[
                "sweeps/t.toml:2:",
                "`train.steps` = 10",
                "not one of `values`",
            ],
        ),
        (
            format!("columns = 'train.stepz'\n{row}"),
            &["sweeps/t.toml:2:", "no key `train.stepz`"],
        ),
    ] {
        let message = house(&sweep).refusal(&[], TEXT_ONLY);
        for part in parts {
            assert!(
                message.contains(part),
                "`{part}` is not in:\n{message}\nof:\n{sweep}"
            );
        }
    }
}
