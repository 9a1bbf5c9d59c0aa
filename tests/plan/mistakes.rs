//! Tests the error messages: all of them at once, each with its place.

use crate::house::{House, TEXT_ONLY, mine};
use harness::recipe::Hooks;
use harness::registry::ComponentError;
use toml::Table;

#[test]
fn every_mistake_is_reported_with_its_place() {
    let house = mine(
        "train.setps = 20\n\n[train]\nrate = \"fast\"   # words\n[method]\nrange = [1, 'x']\nsteps = 3\n",
    );
    house.write("recipes/mine.toml", "extends = 'base.toml'\n[train]\nsetps = 20\nrate = \"fast\"   # words\n[method]\nrange = [1, 'x']\nsteps = 3\n");
    let expected = "\
recipes/mine.toml:6:13: `method.range[1]`: expected a number like 0.5, found the string \"x\"
  |
6 | range = [1, 'x']
  |             ^^^

recipes/mine.toml:7:1: unknown key `method.steps`; did you mean `train.steps`?
  |
7 | steps = 3
  | ^^^^^

recipes/mine.toml:4:8: `train.rate`: expected a number like 0.5, found the string \"fast\"
  |
4 | rate = \"fast\"   # words
  |        ^^^^^^

recipes/mine.toml:3:1: unknown key `train.setps`; did you mean `train.steps`?
  |
3 | setps = 20
  | ^^^^^

--set train.banana=1: unknown key `train.banana`; known: `rate`, `steps`

--set noise: expected `key.path=value`, like `train.steps=100`

6 errors";
    let found = house.refusal(&["train.banana=1", "noise"], TEXT_ONLY);
    let sorted = |text: &str| {
        let mut parts: Vec<String> = text
            .split("\n\n")
            .map(|part| part.trim().to_string())
            .collect();
        parts.sort();
        parts
    };
    assert_eq!(sorted(&found), sorted(expected), "\n{found}");
}

#[test]
fn what_a_component_refuses_is_reported_at_the_value_that_it_refuses() {
    let check = |_: &Table| {
        vec![
            ComponentError::new("train.steps", "0; allowed: 1 or more"),
            ComponentError::new(
                "method.filter",
                "unknown field `treshold`, expected `threshold`",
            ),
            ComponentError::new("method.filter", "missing field `threshold`"),
            ComponentError::new("method.range[1].area", "too large"),
        ]
    };
    let house = mine("[method.filter]\nname = 'coupled'\ntreshold = 0.7\n[train]\nsteps = 0\n");
    let expected = "\
recipes/mine.toml:6:9: `train.steps`: 0; allowed: 1 or more
  |
6 | steps = 0
  |         ^

recipes/mine.toml:4:1: unknown key `method.filter.treshold`; did you mean `threshold`?
  |
4 | treshold = 0.7
  | ^^^^^^^^

recipes/mine.toml:3:8: `method.filter`: missing field `threshold`
  |
3 | name = 'coupled'
  |        ^^^^^^^^^

recipes/base.toml:6:15: `method.range[1].area`: too large
  |
6 | range = [0.5, 1.0]
  |               ^^^

4 errors";
    assert_eq!(
        house.refusal(
            &[],
            Hooks {
                check: &check,
                ..TEXT_ONLY
            }
        ),
        expected
    );
}

#[test]
fn a_mistake_in_a_sweep_is_reported_in_the_sweep_and_with_those_of_the_recipe() {
    let sweep = "question = 'q'\nreference = 'PLDC'\ncolour = 1\n[[each]]\nlabel = 'PL-DC'\n[[each]]\nlabel = 'PL-DC'\n\
                 [[each]]\nset.x = 1\n[zip]\n'train.steps' = [1, 2]\n'train.rate' = [1]\n";
    let house = House::new(&[
        (
            "recipes/mine.toml",
            "extends = 'base.toml'\nsweeps = ['s', 'nodules']\nresults = 'a/b'\nseeds = [0, 0]",
        ),
        ("sweeps/s.toml", sweep),
        ("sweeps/modules.toml", "question = 'q'"),
    ]);
    let found = house.refusal(&[], TEXT_ONLY);
    for line in [
        "recipes/mine.toml:4:9: `seeds`: expected a list of different whole numbers from 0 on, like `[0, 1, 2]`, or `{ at-least = 3, at-most = 24, until = \"decided\" }`, found the list [0, 0]",
        "recipes/mine.toml:3:11: `results`: expected the name of a folder under results/, found the string \"a/b\"",
        "recipes/mine.toml:2:10: cannot read the sweep `sweeps/nodules.toml`: no such file; did you mean `modules.toml`?",
        "sweeps/s.toml:3:1: unknown key `colour`; known: `question`, `reference`, `negligible`, `effect-scale`, `paper`, `columns`, `set`, `each`, `walk`, `grid`, `zip`, `leave-one-out`, `add-one-in`, `cumulative`",
        "sweeps/s.toml:7:9: the label `PL-DC` appears twice",
        "sweeps/s.toml:8:1: this variant has no `label`",
        "sweeps/s.toml:12:16: `zip`: the lists have different lengths: `train.rate` 1, `train.steps` 2",
        "sweeps/s.toml:2:13: `reference`: no variant is labelled `PLDC`; did you mean `PL-DC`?",
        "8 errors",
    ] {
        assert!(
            found.lines().any(|found| found == line),
            "{line}\nis not in\n{found}"
        );
    }
}

#[test]
fn a_variant_that_sets_what_is_not_there_is_reported_once_for_all_seeds() {
    let sweep = "question = 'q'\n[[each]]\nlabel = 'a'\nset.\"method.lamda\" = 1\n[[each]]\nlabel = 'b'\nset.seeds = [1]\n";
    let house = House::new(&[
        (
            "recipes/mine.toml",
            "extends = 'base.toml'\nsweeps = ['s']\nseeds = [0, 1]\ntrain.speed = 1",
        ),
        ("sweeps/s.toml", sweep),
    ]);
    assert_eq!(
        house.refusal(&[], TEXT_ONLY),
        "\
recipes/mine.toml:4:7: unknown key `train.speed`; known: `rate`, `steps`
  |
4 | train.speed = 1
  |       ^^^^^

sweeps/s.toml:4:5: unknown key `method.lamda`; known: `ema`, `filter`, `name`, `range`
  |
4 | set.\"method.lamda\" = 1
  |     ^^^^^^^^^^^^^^

sweeps/s.toml:7:5: unknown key `seeds`; known: `method`, `train`
  |
7 | set.seeds = [1]
  |     ^^^^^

3 errors"
    );
}

#[test]
fn a_file_that_cannot_be_read_or_parsed_is_one_message() {
    let house = mine("[train\nsteps = 1\n");
    let found = house.refusal(&[], TEXT_ONLY);
    assert!(
        found.starts_with("recipes/mine.toml:2:7: not TOML: "),
        "{found}"
    );

    house.write("recipes/mine.toml", "extends = 'bose.toml'");
    assert_eq!(
        house.refusal(&[], TEXT_ONLY),
        "\
recipes/mine.toml:1:11: cannot read the recipe `recipes/bose.toml`: no such file; did you mean `base.toml`?
  |
1 | extends = 'bose.toml'
  |           ^^^^^^^^^^^"
    );

    house.write("recipes/mine.toml", "extends = 'other.toml'");
    house.write("recipes/other.toml", "extends = 'mine.toml'");
    assert!(
        house
            .refusal(&[], TEXT_ONLY)
            .starts_with("recipes/other.toml:1:11: `extends`: `mine.toml` leads back to itself")
    );

    let error = house
        .plan("recipes/absent.toml", &[], &[], TEXT_ONLY)
        .unwrap_err()
        .to_string();
    assert!(error.contains("absent.toml`: no such file"), "{error}");
    let error = house
        .plan("folder/absent.toml", &[], &[], TEXT_ONLY)
        .unwrap_err()
        .to_string();
    assert!(error.contains("does not exist either"), "{error}");
}

#[test]
fn a_plan_reports_which_rows_use_a_trial() {
    let sweep = "question = 'Which?'\nreference = 'a'\n[[each]]\nlabel = 'a'\n[[each]]\nlabel = 'b'\nset.train.steps = 10\n\
                 [[each]]\nlabel = 'c'\nset.train.steps = 11\n";
    let house = House::new(&[
        ("recipes/mine.toml", "extends = 'base.toml'\nsweeps = ['s']"),
        ("sweeps/s.toml", sweep),
    ]);
    let plan = house
        .plan("recipes/mine.toml", &[], &["seeds=[0,1]"], TEXT_ONLY)
        .unwrap();
    assert_eq!(plan.folded(), 2);
    let (shared, own) = (vec!["s: a", "s: b"], vec!["s: c"]);
    assert_eq!(plan.uses(), [shared.clone(), shared, own.clone(), own]);
}

#[test]
fn a_name_makes_no_component_of_a_plain_table() {
    let house = mine("[train]\nname = 'x'\nsetps = 1\n");
    let found = house.refusal(&[], TEXT_ONLY);
    assert!(
        found.contains("recipes/mine.toml:3:1: unknown key `train.name`"),
        "{found}"
    );
    assert!(
        found.contains("recipes/mine.toml:4:1: unknown key `train.setps`"),
        "{found}"
    );
}

#[test]
fn no_run_writes_into_the_committed_results() {
    let found = mine("results = 'published'\n").refusal(&[], TEXT_ONLY);
    let message = "recipes/mine.toml:2:11: `results`: expected a name other than that of the \
                   committed results, found the string \"published\"";
    assert!(found.starts_with(message), "{found}");
}
