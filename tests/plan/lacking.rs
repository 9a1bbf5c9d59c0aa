//! Tests the message about missing keys: all of them, over all tables, components and rows.

use crate::house::{House, TEXT_ONLY};
use harness::experiment::{NEW_KEYS, TrialSettings};
use harness::recipe::Hooks;
use toml::Table;

/// The message about `recipes/mine.toml` of `house`.
fn refusal(house: &House) -> String {
    let check = |table: &Table| {
        let errors = TrialSettings::read(table).err().into_iter().flatten();
        errors.collect()
    };
    let hooks = Hooks {
        check: &check,
        new_keys: &NEW_KEYS,
        ..TEXT_ONLY
    };
    house.refusal(&[], hooks)
}

fn has(message: &str, lines: &[&str]) {
    for line in lines {
        let found = message.lines().any(|found| found.trim() == *line);
        assert!(found, "no line `{line}` in\n{message}");
    }
}

#[test]
fn a_recipe_from_nothing_is_told_all_that_it_lacks_at_once() {
    let house = House::new(&[(
        "recipes/mine.toml",
        "seeds = [0]\n\n[data]\nname = 'scenes'\n\n[method]\nname = 'guided'\n\n[method.filter]\nname = 'coupled'\n",
    )]);
    let message = refusal(&house);
    assert!(message.starts_with("recipes/mine.toml: "), "{message}");
    assert!(message.contains(" keys are missing"), "{message}");
    has(
        &message,
        &[
            "recipes/mine.toml:7:8: `method.teacher-steps`: a whole number, 1 to 1000000000; for example 2400",
            "recipes/mine.toml:10:8: `method.filter.threshold`: a number, 0 to 1; for example 0.765",
            "`train.steps`: a whole number, 1 to 1000000000; for example 2400",
            "`eval.model`: one of `teacher`, `student`, `average`; for example \"teacher\"",
            "`model.loss.points`: a whole number, 1 to 1000000; for example 256",
            "`extends = \"pl-dc.toml\"` gives a recipe the defaults of every table",
        ],
    );
    // Nothing is told twice, and nothing that has a default.
    let lines = message.lines().filter(|line| line.contains("`: "));
    let mut keys: Vec<&str> = lines.filter_map(|line| line.split('`').nth(1)).collect();
    let count = keys.len();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), count, "{message}");
    assert!(!message.contains("method.lambda"), "{message}");
    assert!(!message.contains("data.size"), "{message}");
}

#[test]
fn the_rows_of_a_sweep_tell_theirs_in_the_same_message() {
    let defaults = include_str!("../../recipes/pl-dc.toml");
    let sweep = "question = 'q'\n[[each]]\nlabel = 'a'\nset.'method.filter' = { name = 'coupled' }\n\
                 [[each]]\nlabel = 'b'\nset.'method.filter' = { name = 'decoupled', mask = 0.5 }\n\
                 [[each]]\nlabel = 'c'\nset.'method' = { name = 'guided' }\n";
    let house = House::new(&[
        ("recipes/pl-dc.toml", defaults),
        (
            "recipes/mine.toml",
            "extends = 'pl-dc.toml'\nsweeps = ['s']\nseeds = [0, 1]\n",
        ),
        ("sweeps/s.toml", sweep),
    ]);
    let message = refusal(&house);
    assert!(message.contains("4 keys are missing"), "{message}");
    for key in [
        "method.filter.threshold",
        "method.filter.class",
        "method.teacher-steps",
        "method.filter",
    ] {
        assert_eq!(message.matches(&format!("`{key}`")).count(), 1, "{message}");
    }
    assert!(!message.contains("`extends ="), "{message}");
}

#[test]
fn missing_keys_and_wrong_values_come_together() {
    let defaults = include_str!("../../recipes/pl-dc.toml");
    let house = House::new(&[
        ("recipes/pl-dc.toml", defaults),
        (
            "recipes/mine.toml",
            "extends = 'pl-dc.toml'\n[train]\nrate = -1.0\n[method.filter]\nname = 'coupled'\n",
        ),
    ]);
    let message = refusal(&house);
    assert!(
        message.contains("`train.rate`: -1 is out of range"),
        "{message}"
    );
    let missing = "recipes/mine.toml:5:8: `method.filter.threshold`: missing; needed: a number, 0 to 1; for example 0.765";
    assert!(message.contains(missing), "{message}");
}
