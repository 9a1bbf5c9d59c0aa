//! `extends`: one file or a list of files, and the order in which they are laid over one another.

use crate::house::{House, TEXT_ONLY, at};
use harness::recipe::{Explanation, NewKeys, Plan, Request, Written};
use proptest::prelude::*;

/// A folder with `recipes/NAME.toml` for every name and text, beside `recipes/base.toml`.
fn house(files: &[(&str, &str)]) -> House {
    let house = House::new(&[]);
    for (name, text) in files {
        house.write(&format!("recipes/{name}.toml"), text);
    }
    house
}

fn planned(house: &House) -> Plan {
    house
        .plan("recipes/mine.toml", &[], &[], TEXT_ONLY)
        .unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn later_files_of_a_list_win_and_the_recipe_wins_over_them() {
    let house = house(&[
        (
            "a",
            "extends = 'base.toml'\ntrain.steps = 1\ntrain.rate = 0.25\nmethod.ema = 0.1",
        ),
        ("b", "train.steps = 2\ntrain.rate = 0.125"),
        ("mine", "extends = ['a.toml', 'b.toml']\ntrain.steps = 3"),
    ]);
    let settings = &planned(&house).trials[0].settings;
    assert_eq!(at(settings, "train.steps").as_integer(), Some(3));
    assert_eq!(at(settings, "train.rate").as_float(), Some(0.125));
    assert_eq!(at(settings, "method.ema").as_float(), Some(0.1));
    assert_eq!(at(settings, "method.name").as_str(), Some("student"));
}

#[test]
fn a_base_that_several_files_extend_is_laid_once() {
    let house = house(&[
        (
            "a",
            "extends = 'base.toml'\ntrain.steps = 1\ntrain.rate = 0.25",
        ),
        ("b", "extends = 'base.toml'\ntrain.steps = 2"),
        ("mine", "extends = ['a.toml', 'b.toml']"),
    ]);
    let settings = &planned(&house).trials[0].settings;
    assert_eq!(at(settings, "train.steps").as_integer(), Some(2));
    let rate = at(settings, "train.rate").as_float();
    assert_eq!(rate, Some(0.25), "the base below `b` does not undo `a`");
    house.write(
        "recipes/mine.toml",
        "extends = ['base.toml', 'a.toml', 'b.toml']",
    );
    assert_eq!(&planned(&house).trials[0].settings, settings);
}

#[test]
fn a_list_of_one_is_the_file_itself_and_an_empty_list_none() {
    let house = house(&[("mine", "extends = ['base.toml']\ntrain.steps = 3")]);
    let listed = planned(&house).trials;
    house.write(
        "recipes/mine.toml",
        "extends = 'base.toml'\ntrain.steps = 3",
    );
    assert_eq!(planned(&house).trials, listed);
    house.write("recipes/mine.toml", "extends = []\ntrain.steps = 3");
    assert_eq!(planned(&house).trials[0].settings.len(), 2, "train, seed");
}

#[test]
fn what_cannot_be_laid_is_told_at_the_file_that_is_named() {
    let house = house(&[
        ("a", "extends = 'base.toml'"),
        ("b", "extends = ['base.toml', 'mine.toml']"),
    ]);
    let other = "`extends`: expected the path of a recipe, or a list of paths";
    for (text, place, expected) in [
        ("3", "mine.toml:1:11", other),
        ("{ a = 1 }", "mine.toml:1:11", other),
        ("['base.toml', 3]", "mine.toml:1:25", other),
        (
            "['a.toml', 'bose.toml']",
            "mine.toml:1:22",
            "no such file; did you mean `base.toml`?",
        ),
        (
            "['a.toml', 'b.toml']",
            "b.toml:1:25",
            "`extends`: `mine.toml` leads back to itself",
        ),
        (
            "['a.toml', 'mine.toml']",
            "mine.toml:1:22",
            "`extends`: `mine.toml` leads back to itself",
        ),
        (
            "['a.toml', './a.toml']",
            "mine.toml:1:22",
            "`extends`: `./a.toml` is listed twice",
        ),
        (
            "['a.toml', 'base.toml']",
            "mine.toml:1:22",
            "`extends`: `base.toml` is listed after `a.toml`, which must stand above it: list it first, or leave it out",
        ),
    ] {
        house.write("recipes/mine.toml", &format!("extends = {text}"));
        let found = house.refusal(&[], TEXT_ONLY);
        let start = format!("recipes/{place}: ");
        assert!(found.starts_with(&start), "{text}: {found}");
        assert!(found.contains(expected), "{text}: {found}");
    }
}

#[test]
fn places_and_explanations_name_the_file_of_the_list() {
    let house = house(&[
        ("a", "extends = 'base.toml'\ntrain.steps = 1"),
        ("b", "train.steps = 2\ntrain.setps = 2"),
        ("mine", "extends = ['a.toml', 'b.toml']"),
    ]);
    let found = house.refusal(&[], TEXT_ONLY);
    assert!(
        found.starts_with(
            "recipes/b.toml:2:7: unknown key `train.setps`; did you mean `train.steps`?"
        ),
        "{found}"
    );
    let request = Request {
        recipe: &house.path("recipes/mine.toml"),
        environment: &[],
        set: &[],
    };
    let text = Explanation::new(request, &NewKeys::NONE, "train.steps")
        .unwrap()
        .to_string();
    let expected = "\
train.steps = 2
  2   recipes/b.toml:1:7
  1   recipes/a.toml:2:7      overridden
  10  recipes/base.toml:11:1  overridden";
    assert_eq!(
        text.replace(&house.path("").display().to_string(), ""),
        expected
    );
}

/// Lines of a recipe over the test's base: plain keys, a component and the same component under another name.
fn lines() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        (1i64..9).prop_map(|n| format!("train.steps = {n}")),
        (1i64..9).prop_map(|n| format!("train.rate = {n}")),
        (1i64..9).prop_map(|n| format!("method.ema = 0.{n}")),
        (1i64..9).prop_map(|n| format!("method.filter.class = 0.{n}")),
        Just("method.filter.name = 'adaptive'".to_string()),
        Just("method.filter.name = 'other'".to_string()),
        Just("method.name = 'teacher'".to_string()),
        (0i64..3).prop_map(|n| format!("seeds = [{n}, 7]")),
    ];
    proptest::collection::vec(line, 0..5).prop_map(|mut lines| {
        lines.sort();
        lines.dedup_by_key(|line| line.split(" = ").next().unwrap_or_default().to_string());
        lines.join("\n")
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A list is the same as files that extend one another.
    #[test]
    fn a_list_equals_a_chain(a in lines(), b in lines(), mine in lines()) {
        let house = house(&[
            ("a", &format!("extends = 'base.toml'\n{a}")),
            ("b", &b),
            ("mine", &format!("extends = ['a.toml', 'b.toml']\n{mine}")),
        ]);
        let plan = || house.plan("recipes/mine.toml", &[], &[], TEXT_ONLY);
        let listed = plan().map_err(|error| error.to_string());
        house.write("recipes/b.toml", &format!("extends = 'a.toml'\n{b}"));
        let both = plan().map_err(|error| error.to_string());
        house.write("recipes/mine.toml", &format!("extends = 'b.toml'\n{mine}"));
        let chained = plan().map_err(|error| error.to_string());
        prop_assert!(chained.is_ok(), "{:?}", chained);
        let settings = |plan: &Result<Plan, String>| plan.clone().map(|plan| Plan { written: Written::default(), ..plan });
        prop_assert_eq!(settings(&listed), settings(&chained), "values, hashes and seeds");
        prop_assert_eq!(settings(&both), settings(&chained), "a list may name a file and what it extends");
        let origins = |plan: &Result<Plan, String>| plan.clone().map(|plan| plan.written.sweeps);
        prop_assert_eq!(origins(&both), origins(&chained), "every value comes from the same line");
    }
}
