//! Tests `--explain`: the layer that set a key, the layers it overrode, and the rows that change it.

use crate::house::House;
use harness::recipe::{Explanation, NewKeys, Request};

const SWEEP: &str = "question = 'q'\nset.train.rate = 0.75\n[leave-one-out]\nlabel = 'full'\n\
                     off.F = { 'method.filter' = { name = 'plain' } }\noff.E.method.ema = 0.5\n";

fn explained(set: &[&str], key: &str) -> String {
    explained_in(SWEEP, set, key)
}

fn explained_in(sweep: &str, set: &[&str], key: &str) -> String {
    let house = House::new(&[
        (
            "recipes/mine.toml",
            "extends = 'base.toml'\nsweeps = ['s']\ntrain.steps = 2\ntrain.rate = 0.25\n",
        ),
        ("sweeps/s.toml", sweep),
    ]);
    let environment = [("HARNESS_TRAIN__STEPS".to_string(), "3".to_string())];
    let set: Vec<String> = set.iter().map(|argument| argument.to_string()).collect();
    let request = Request {
        recipe: &house.path("recipes/mine.toml"),
        environment: &environment,
        set: &set,
    };
    let text = match Explanation::new(request, &NewKeys::NONE, key) {
        Ok(explanation) => explanation.to_string(),
        Err(error) => error.to_string(),
    };
    text.replace(&house.path("").display().to_string(), "")
}

#[test]
fn the_layers_are_reported_top_first() {
    let expected = "\
train.steps = 4
  4   --set train.steps=4
  3   environment variable HARNESS_TRAIN__STEPS  overridden
  2   recipes/mine.toml:3:7      overridden
  10  recipes/base.toml:11:1     overridden";
    assert_eq!(explained(&["train.steps=4"], "train.steps"), expected);
}

#[test]
fn a_sweep_and_its_rows_are_reported() {
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
rows that change it:
  s: - F    removed by method.filter.name = \"plain\"  sweeps/s.toml:5:31
  s: - all  removed by method.filter.name = \"plain\"  sweeps/s.toml:5:31";
    assert_eq!(explained(&[], "method.filter.class"), expected);
    assert!(explained(&[], "method.ema").contains("s: - E    0.5  sweeps/s.toml:6:14"));
}

#[test]
fn of_a_table_every_key_is_reported_and_every_key_that_a_row_sets() {
    let sweep = "question = 'q'\n[leave-one-out]\nlabel = 'full'\n\
                 off.F = { 'method.filter' = { name = 'plain', limit = 3 } }\noff.E.method.ema = 0.5\n";
    let expected = "\
method: 5 keys
  method.ema = 0.9                 --set method.ema=0.9
  method.ema = 0.99                recipes/base.toml:5:1  overridden
  method.filter.class = 0.7        recipes/base.toml:9:1
  method.filter.name = \"adaptive\"  recipes/base.toml:8:1
  method.name = \"student\"          recipes/base.toml:4:1
  method.range = [0.5, 1.0]        recipes/base.toml:6:1
rows that change it:
  s: - F    method.filter.limit = 3       sweeps/s.toml:4:47
  s: - F    method.filter.name = \"plain\"  sweeps/s.toml:4:31
  s: - E    method.ema = 0.5              sweeps/s.toml:5:14
  s: - all  method.ema = 0.5              sweeps/s.toml:5:14
  s: - all  method.filter.limit = 3       sweeps/s.toml:4:47
  s: - all  method.filter.name = \"plain\"  sweeps/s.toml:4:31";
    let text = explained_in(sweep, &["method.ema=0.9"], "method");
    assert_eq!(text, expected);
}

#[test]
fn a_long_value_is_shortened_and_its_line_alone_is_long() {
    let long = format!("text='{}'", "long ".repeat(60));
    let text = explained(&[&format!("method.{long}"), "method.other=1"], "method");
    assert!(
        text.lines().all(|line| line.chars().count() <= 160),
        "{text}"
    );
    assert!(text.contains("lo...  --set method.text='long "), "{text}");
    assert!(text.contains("\n  method.name = \"student\" "), "{text}");
}

#[test]
fn the_keys_of_the_recipe_itself_are_explained_and_unknown_ones_reported() {
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
