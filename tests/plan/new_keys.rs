//! Recipes of the time before a key existed: they stay valid, and their trials keep their hashes.

use crate::house::{House, at};
use harness::experiment::{NEW_KEYS, TrialSettings, identity, normalise};
use harness::recipe::{Explanation, Hooks, Plan, Request, content_hash, value_at};
use toml::Table;

/// Its trials at seeds 0 and 1, as the program hashed them before there were built-in defaults.
const HASHES: [&str; 2] = [
    "2cb42b6cb81571b8da1e849a76268b85",
    "31df5b41080b59f9ecfa5701dc1606fd",
];

/// A folder in which `recipes/base.toml` is a recipe of that time and `recipes/mine.toml` extends it with
/// `more`.
fn old(more: &str) -> House {
    let house = House::new(&[("recipes/base.toml", include_str!("before-new-keys.toml"))]);
    house.write(
        "recipes/mine.toml",
        &format!("extends = 'base.toml'\n{more}"),
    );
    house
}

fn hooks(run: impl Fn(Hooks)) {
    let check = |table: &Table| {
        let errors = TrialSettings::read(table).err().into_iter().flatten();
        errors.collect()
    };
    run(Hooks {
        spell_out: &|_, _| {},
        check: &check,
        normalise: &normalise,
        identity: &identity,
        new_keys: &NEW_KEYS,
    });
}

fn hashes(plan: &Plan) -> Vec<&str> {
    let trials = plan.trials.iter();
    trials.map(|trial| trial.hash.as_str()).collect()
}

#[test]
fn an_old_recipe_is_planned_with_the_hashes_of_its_time() {
    hooks(|hooks| {
        let plan = old("").plan("recipes/base.toml", &[], &[], hooks).unwrap();
        assert_eq!(hashes(&plan), HASHES);
        for (key, _) in NEW_KEYS.iter().filter(|(key, _)| key.of.is_empty()) {
            assert!(value_at(&plan.trials[0].settings, key.path).is_none());
        }
    });
}

/// Of every component that a shipped recipe names.
#[test]
fn writing_out_what_a_shipped_recipe_leaves_out_changes_nothing() {
    hooks(|hooks| {
        for file in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/recipes")).unwrap() {
            let recipe = file.unwrap().path();
            if recipe.extension().is_none_or(|ending| ending != "toml") {
                continue;
            }
            let request = Request {
                recipe: &recipe,
                environment: &[],
                set: &[],
            };
            for trial in Plan::new(request, hooks).unwrap().trials {
                let mut written = trial.settings.clone();
                NEW_KEYS.fill(&mut written);
                let read = |table| format!("{:?}", TrialSettings::read(table).unwrap());
                assert_eq!(read(&written), read(&trial.settings), "{}", trial.label);
                normalise(&mut written);
                assert_eq!(
                    content_hash(&identity(&written)),
                    trial.hash,
                    "{}",
                    trial.label
                );
            }
        }
    });
}

#[test]
fn a_new_key_at_its_default_makes_no_other_trial_and_at_another_value_does() {
    hooks(|hooks| {
        let planned = |more: &str, set: &[&str]| {
            let plan = old(more)
                .plan("recipes/mine.toml", &[], set, hooks)
                .unwrap();
            (hashes(&plan) == HASHES, plan.trials[0].settings.clone())
        };
        for (key, default) in NEW_KEYS.iter().filter(|(key, _)| key.of.is_empty()) {
            let text = format!("{} = {default}", key.path);
            assert!(planned(&text, &[]).0, "{text}");
            assert!(planned("", &[&text.replacen(" = ", "=", 1)]).0, "{text}");
        }
        let (same, settings) = planned("precision = 'bf16'", &[]);
        assert!(!same && at(&settings, "precision").as_str() == Some("bf16"));
    });
}

#[test]
fn the_report_of_a_recipe_makes_no_other_trial_and_is_checked() {
    hooks(|hooks| {
        let planned = |more: &str| old(more).plan("recipes/mine.toml", &[], &[], hooks);
        let plan = planned("[report]\nanalyse = true\nsimilar = [['a', 'b'], ['c', 'd']]").unwrap();
        assert_eq!(hashes(&plan), HASHES);
        assert_eq!(
            at(&plan.trials[0].settings, "report.analyse").as_bool(),
            Some(true)
        );
        for (key, expected) in [
            (
                "analyse = 'yes'",
                "`report.analyse`: expected `true` or `false`",
            ),
            (
                "similar = [['a']]",
                "`report.similar`: [[\"a\"]] does not fit; allowed: lists of two or more",
            ),
            ("similar = [['a', 'b'], ['b', 'c']]", "does not fit"),
            (
                "similiar = []",
                "unknown key `report.similiar`; did you mean `report.similar`?",
            ),
        ] {
            let found = old(&format!("[report]\n{key}")).refusal(&[], hooks);
            assert!(found.contains(expected), "{key}: {found}");
        }
    });
}

#[test]
fn a_sweep_finds_the_default_of_a_key_that_the_recipe_leaves_out() {
    let house = old("sweeps = ['s']\nseeds = [0]");
    let sweep = "question = 'q'\n[grid]\n'precision' = ['f32', 'tf32']\n\
                 'train.steps' = { values = [60, 61], when = { precision = 'tf32' } }\n\
                 [zip]\n'train.steps' = { values = [62, 63], when = { precision = 'f32' } }\n";
    house.write("sweeps/s.toml", sweep);
    hooks(|hooks| {
        let plan = house.plan("recipes/mine.toml", &[], &[], hooks).unwrap();
        let found = plan.sweeps[0].rows.iter();
        let found = found.map(|row| &plan.trials[row.trials[0]]);
        let found: Vec<(bool, i64)> = found
            .map(|trial| {
                let steps = at(&trial.settings, "train.steps").as_integer().unwrap();
                (trial.settings.contains_key("precision"), steps)
            })
            .collect();
        assert_eq!(
            found,
            [
                (false, 60),
                (true, 60),
                (true, 61),
                (false, 62),
                (false, 63)
            ]
        );
    });
}

#[test]
fn mistakes_in_a_new_key_are_told_as_in_any_other() {
    hooks(|hooks| {
        let refused = |more: &str| old(more).refusal(&[], hooks);
        let found = refused("precison = 'bf16'");
        let expected = "recipes/mine.toml:2:1: unknown key `precison`; did you mean `precision`?";
        assert!(found.starts_with(expected), "{found}");
        let found = refused("precision = 3");
        let expected =
            "recipes/mine.toml:2:13: `precision`: expected a string like \"f32\", found 3";
        assert!(found.starts_with(expected), "{found}");
    });
}

#[test]
fn evaluators_that_cannot_be_used_are_refused_where_they_are_named() {
    hooks(|hooks| {
        for (list, expected) in [
            (
                "[]",
                "2:16: `eval.metrics`: [] does not fit; allowed: one or more of `coco`",
            ),
            (
                "['coco', 'cocoa']",
                "2:25: `eval.metrics[1]`: unknown `cocoa`; did you mean `coco`?",
            ),
            (
                "['coco', 'coco']",
                "2:25: `eval.metrics[1]`: `coco` is there twice",
            ),
            (
                "'coco'",
                "2:16: `eval.metrics`: expected a list, found the string \"coco\"",
            ),
            (
                "['coco', 3]",
                "2:25: `eval.metrics[1]`: expected a string like \"coco\", found 3",
            ),
        ] {
            let found = old(&format!("eval.metrics = {list}")).refusal(&[], hooks);
            let expected = format!("recipes/mine.toml:{expected}");
            assert!(found.starts_with(&expected), "{list}: {found}");
        }
    });
}

#[test]
fn the_explanation_names_the_built_in_default() {
    let house = old("");
    let recipe = house.path("recipes/mine.toml");
    let explained = |set: &[String], key: &str| {
        let request = Request {
            recipe: &recipe,
            environment: &[],
            set,
        };
        Explanation::new(request, &NEW_KEYS, key)
            .unwrap()
            .to_string()
    };
    let text = explained(&[], "precision");
    assert_eq!(text, "precision = \"f32\"\n  \"f32\"  built-in default");
    let text = explained(&["precision=bf16".to_string()], "precision");
    let expected = "precision = \"bf16\"\n  \"bf16\"  --set precision=bf16\n  \"f32\"   built-in default      overridden";
    assert_eq!(text, expected);
}
