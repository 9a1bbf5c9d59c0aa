//! `--explain`: which layer set a key, what it overrode, which rows change it.

use crate::house::House;
use harness::recipe::{Explanation, Request};

const SWEEP: &str = "question = 'q'\nset.train.rate = 0.75\n[leave-one-out]\nlabel = 'full'\n\
                     off.F = { 'method.filter' = { name = 'plain' } }\noff.E.method.ema = 0.5\n";

fn explained(set: &[&str], key: &str) -> String {
    let house = House::new(&[
        (
            "recipes/mine.toml",
            "extends = 'base.toml'\nsweeps = ['s']\ntrain.steps = 2\ntrain.rate = 0.25\n",
        ),
        ("sweeps/s.toml", SWEEP),
    ]);
    let environment = [("HARNESS_TRAIN__STEPS".to_string(), "3".to_string())];
    let set: Vec<String> = set.iter().map(|argument| argument.to_string()).collect();
    let request = Request {
        recipe: &house.path("recipes/mine.toml"),
        environment: &environment,
        set: &set,
    };
    let text = match Explanation::new(request, key) {
        Ok(explanation) => explanation.to_string(),
        Err(error) => error.to_string(),
    };
    text.replace(&house.path("").display().to_string(), "")
}

#[test]
fn the_layers_are_told_top_first() {
    let expected = "\
train.steps = 4
  4   --set train.steps=4
  3   environment variable HARNESS_TRAIN__STEPS  overridden
  2   recipes/mine.toml:3:7      overridden
  10  recipes/base.toml:11:1     overridden";
    assert_eq!(explained(&["train.steps=4"], "train.steps"), expected);
}

#[test]
fn a_sweep_and_its_rows_are_told() {
    let expected = "\
train.rate = 0.25
  0.25  recipes/mine.toml:4:7
  0.5   recipes/base.toml:12:1  overridden
in the sweep s:
  0.75  sweeps/s.toml:2:11
  0.25  recipes/mine.toml:4:7   overridden
  0.5   recipes/base.toml:12:1  overridden";
    assert_eq!(explained(&[], "train.rate"), expected);
    let expected = "\
method.filter.class = 0.7
  0.7  recipes/base.toml:9:1
rows that set it:
  s: - F    gone: method.filter.name = \"plain\"  sweeps/s.toml:5:31
  s: - all  gone: method.filter.name = \"plain\"  sweeps/s.toml:5:31";
    assert_eq!(explained(&[], "method.filter.class"), expected);
    assert!(explained(&[], "method.ema").contains("s: - E    0.5  sweeps/s.toml:6:14"));
}

#[test]
fn the_keys_of_the_recipe_itself_are_explained_and_unknown_ones_told() {
    let seeds = explained(&["seeds=[1]"], "seeds");
    assert_eq!(
        seeds,
        "seeds = [1]\n  [1]  --set seeds=[1]\n  [0]  recipes/base.toml:1:1  overridden"
    );
    assert_eq!(
        explained(&[], "train.setps"),
        "--explain train.setps: no key `train.setps`; did you mean `train.steps`?"
    );
}
