//! Tests the keys of a recipe that differ in one phase of the method.

use crate::house::{House, TEXT_ONLY};
use harness::recipe::value_at;
use toml::Value;

fn house(mine: &str) -> House {
    let mine = format!("extends = 'base.toml'\nsweeps = ['s']\n{mine}");
    let sweep = "question = 'q'\n[grid]\n'phase.first.train.rate' = [1, 2.5]\n";
    House::new(&[
        (
            "recipes/base.toml",
            "seeds = [0]\nsweeps = []\n[train]\nsteps = 10\nrate = 0.5\ndrop = 0.5\nbetas = [0.9, 0.98]\n[phase]\n",
        ),
        ("recipes/mine.toml", &mine),
        ("sweeps/s.toml", sweep),
    ])
}

#[test]
fn a_phase_has_the_keys_and_types_of_the_recipe() {
    let house = house("[phase.first.train]\nsteps = 3\ndrop = [0.25, 1]");
    let set = ["phase.second.train.betas=0,1", "phase.second.train.rate=2"];
    let plan = house.plan("recipes/mine.toml", &[], &set, TEXT_ONLY);
    let plan = plan.unwrap();
    let found = |trial: usize, path: &str| value_at(&plan.trials[trial].settings, path).cloned();
    let rates = [0, 1].map(|trial| found(trial, "phase.first.train.rate"));
    assert_eq!(rates, [Some(1.0.into()), Some(2.5.into())]);
    assert_eq!(found(0, "train.rate"), Some(0.5.into()));
    assert_eq!(found(1, "phase.first.train.steps"), Some(3.into()));
    assert_eq!(found(1, "phase.second.train.rate"), Some(2.0.into()));
    let betas = vec![Value::from(0.0), 1.0.into()];
    assert_eq!(found(1, "phase.second.train.betas"), Some(betas.into()));
}

#[test]
fn a_mistake_in_a_phase_is_told_with_its_place() {
    for (mine, message) in [
        (
            "[phase.first.train]\nrat = 1",
            "recipes/mine.toml:4:1: unknown key `phase.first.train.rat`; did you mean `phase.first.train.rate`?",
        ),
        (
            "[phase.first.train]\nrate = 'x'",
            "recipes/mine.toml:4:8: `phase.first.train.rate`: expected a number like 0.5, found the string \"x\"",
        ),
        (
            "[phase.first.trian]\nrate = 1",
            "recipes/mine.toml:3:14: unknown key `phase.first.trian`; did you mean `phase.first.train`?",
        ),
    ] {
        let found = house(mine).refusal(&[], TEXT_ONLY);
        assert!(found.lines().any(|line| line.trim() == message), "{found}");
    }
}
