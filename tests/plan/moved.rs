//! The table `[loss]` became `[model.loss]`. Old recipes, overrides and sweeps are read, their trials keep their
//! hashes, and one note tells the new place.

use crate::house::{House, at};
use harness::experiment::{NEW_KEYS, TrialSettings, identity, normalise};
use harness::recipe::{Explanation, Hooks, Plan, RecipeError, Request};
use toml::Table;

/// A recipe of the time before the table moved: it holds every key, and `[loss]` at the top.
const OLD: &str = include_str!("before-new-keys.toml");

/// The same with the table at its place of today.
fn today() -> String {
    assert!(OLD.contains("\n[loss]\n"));
    OLD.replace("\n[loss]\n", "\n[model.loss]\n")
}

fn house(base: &str, more: &str) -> House {
    let house = House::new(&[("recipes/base.toml", base)]);
    house.write(
        "recipes/mine.toml",
        &format!("extends = 'base.toml'\n{more}"),
    );
    house
}

fn planned(house: &House, environment: &[(&str, &str)], set: &[&str]) -> Result<Plan, RecipeError> {
    let check = |table: &Table| {
        let errors = TrialSettings::read(table).err().into_iter().flatten();
        errors.collect()
    };
    let hooks = Hooks {
        spell_out: &|_, _| {},
        check: &check,
        normalise: &normalise,
        identity: &identity,
        new_keys: &NEW_KEYS,
    };
    house.plan("recipes/mine.toml", environment, set, hooks)
}

/// The points of every trial, and the notes without the folder's own path.
fn points(house: &House, environment: &[(&str, &str)], set: &[&str]) -> (Vec<i64>, Vec<String>) {
    let plan = planned(house, environment, set).unwrap();
    let points = plan.trials.iter().map(|trial| {
        assert!(!trial.settings.contains_key("loss"));
        let points = at(&trial.settings, "model.loss.points").as_integer();
        points.unwrap()
    });
    let folder = format!("{}/", house.path("").display());
    let folder = folder.replace("//", "/");
    let notes = plan.notes.iter().map(|note| note.replace(&folder, ""));
    (points.collect(), notes.collect())
}

#[test]
fn an_old_recipe_and_todays_are_the_same_trials() {
    let (old, new) = (house(OLD, ""), house(&today(), ""));
    let (old_plan, new_plan) = (
        planned(&old, &[], &[]).unwrap(),
        planned(&new, &[], &[]).unwrap(),
    );
    assert_eq!(old_plan.trials, new_plan.trials);
    assert_eq!(points(&new, &[], &[]).1, Vec::<String>::new());
    let line = OLD.lines().position(|line| line == "[loss]").unwrap() + 1;
    let note =
        format!("recipes/base.toml:{line}:2: `loss` is read as `model.loss`, where it belongs now");
    assert_eq!(points(&old, &[], &[]).1, [note]);
}

#[test]
fn overrides_are_moved_wherever_the_recipe_has_the_table() {
    for base in [OLD, &today()] {
        let house = house(base, "seeds = [0]\n'loss.points' = 7");
        assert_eq!(points(&house, &[], &[]).0, [7]);
        let variable = [("HARNESS_LOSS__POINTS", "8")];
        assert_eq!(points(&house, &variable, &[]).0, [8]);
        assert_eq!(points(&house, &variable, &["loss.points=9"]).0, [9]);
        let table = ["loss={ points = 10, class = 3 }"];
        assert_eq!(points(&house, &variable, &table).0, [10]);
        let new = ["model.loss.points=11", "loss.points=12"];
        assert_eq!(points(&house, &variable, &new).0, [12]);
    }
    let house = house(&today(), "seeds = [0]");
    let (_, notes) = points(&house, &[], &["loss.points=9", "loss.class=1"]);
    let note =
        "--set loss.points=9: `loss.points` is read as `model.loss.points`, where it belongs now";
    assert_eq!(notes, [note]);
}

#[test]
fn rows_axes_and_conditions_of_a_sweep_are_moved() {
    let sweep = "question = 'q'\nset.loss.class = 3\n[[each]]\nlabel = 'a'\nset.'loss.points' = 7\n\
                 [grid]\n'loss.points' = [8, 9]\n\
                 'train.steps' = { values = [60, 61], when = { 'loss.points' = 8 } }\n\
                 exclude = [{ 'model.loss.points' = 8, 'train.steps' = 61 }]\nlabel = 'g{loss.points}'\n\
                 [leave-one-out]\nlabel = 'full'\noff.P.'loss.points' = 10\n";
    for base in [OLD, &today()] {
        let house = house(base, "seeds = [0]\nsweeps = ['s']");
        house.write("sweeps/s.toml", sweep);
        let plan = planned(&house, &[], &[]).unwrap();
        let rows = plan.sweeps[0].rows.iter();
        let found: Vec<(&str, i64)> = rows
            .map(|row| {
                let settings = &plan.trials[row.trials[0]].settings;
                assert_eq!(at(settings, "model.loss.class").as_float(), Some(3.0));
                let points = at(settings, "model.loss.points").as_integer().unwrap();
                (row.label.as_str(), points)
            })
            .collect();
        let own = OLD
            .lines()
            .find_map(|line| line.strip_prefix("points")?.split(['=', '#']).nth(1));
        let own = own.unwrap().trim().parse().unwrap();
        let expected = [("a", 7), ("g8", 8), ("g9", 9), ("full", own), ("- P", 10)];
        assert_eq!(found, expected);
        assert_eq!(plan.notes.len(), 1);
    }
}

#[test]
fn mistakes_in_a_moved_table_are_told_where_they_are_written() {
    let refused = |more: &str, set: &[&str]| {
        let house = house(&today(), more);
        let error = planned(&house, &[], set).unwrap_err().to_string();
        error.replace(
            &format!("{}/", house.path("").display()).replace("//", "/"),
            "",
        )
    };
    let found = refused("[loss]\npoint = 3", &[]);
    let expected =
        "recipes/mine.toml:3:1: unknown key `model.loss.point`; did you mean `model.loss.points`?";
    assert!(found.starts_with(expected), "{found}");
    let found = refused("[loss]\npoints = 0", &[]);
    assert!(
        found.starts_with("recipes/mine.toml:3:10: `model.loss.points`: 0"),
        "{found}"
    );
    let found = refused("[loss]\npoints = 3\n[model.loss]\npoints = 4", &[]);
    assert!(
        found.contains("`model.loss.points` is given twice"),
        "{found}"
    );
    let found = refused("", &["loss=3"]);
    assert!(
        found.contains("`model.loss`: expected a table, found 3"),
        "{found}"
    );
}

#[test]
fn the_old_key_is_explained_as_todays() {
    let house = house(OLD, "");
    let request = Request {
        recipe: &house.path("recipes/mine.toml"),
        environment: &[],
        set: &["loss.points=9".to_string()],
    };
    let text = Explanation::new(request, &NEW_KEYS, "loss.points").unwrap();
    let text = text.to_string();
    assert!(text.starts_with("model.loss.points = 9\n  9"), "{text}");
    assert!(text.contains("--set loss.points=9"), "{text}");
}
