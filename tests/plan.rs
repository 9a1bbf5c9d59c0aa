//! The recipes of this repository and the recipe engine as a user meets them: layers, folding, and what is said of mistakes.

use harness::recipe::{Hooks, Plan, RecipeError, Request};
use harness::registry::ComponentError;
use proptest::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};
use toml::Table;

/// No knowledge of components.
const TEXT_ONLY: Hooks = Hooks {
    check: &|_| Vec::new(),
    normalise: &|_| {},
};

const BASE: &str = r#"seeds = [0]
sweeps = []
[method]
name = "student"
ema = 0.99
range = [0.5, 1.0]
[method.filter]
name = "adaptive"
class = 0.7
[train]
steps = 10
rate = 0.5
"#;

/// A folder with `recipes/base.toml` and whatever else a test needs.
struct House(tempfile::TempDir);

impl House {
    fn new(files: &[(&str, &str)]) -> Self {
        let house = Self(tempfile::tempdir().unwrap());
        house.write("recipes/base.toml", BASE);
        files
            .iter()
            .for_each(|(path, text)| house.write(path, text));
        house
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn plan(
        &self,
        recipe: &str,
        environment: &[(&str, &str)],
        set: &[&str],
        hooks: Hooks,
    ) -> Result<Plan, RecipeError> {
        let environment: Vec<(String, String)> = environment
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect();
        let set: Vec<String> = set.iter().map(|argument| argument.to_string()).collect();
        Plan::new(
            Request {
                recipe: &self.path(recipe),
                environment: &environment,
                set: &set,
            },
            hooks,
        )
    }

    /// The message for `recipes/mine.toml` with the folder's own path taken out.
    fn refusal(&self, set: &[&str], hooks: Hooks) -> String {
        let error = self
            .plan("recipes/mine.toml", &[], set, hooks)
            .expect_err("a mistake");
        error
            .to_string()
            .replace(&format!("{}/", self.0.path().display()), "")
    }
}

fn mine(text: &str) -> House {
    House::new(&[(
        "recipes/mine.toml",
        &format!("extends = \"base.toml\"\n{text}"),
    )])
}

fn shipped(recipe: &str, set: &[&str]) -> Plan {
    let set: Vec<String> = set.iter().map(|argument| argument.to_string()).collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("recipes")
        .join(recipe);
    Plan::new(
        Request {
            recipe: &path,
            environment: &[],
            set: &set,
        },
        TEXT_ONLY,
    )
    .unwrap_or_else(|error| panic!("{error}"))
}

fn at<'a>(settings: &'a Table, path: &str) -> &'a toml::Value {
    let mut keys = path.split('.');
    let first = &settings[keys.next().unwrap()];
    keys.fold(first, |value, key| &value[key])
}

// ---- the recipes of this repository

#[test]
fn the_ablation_is_22_trials_per_seed_in_four_tables() {
    for (seeds, count) in [("seeds=[0]", 1), ("seeds=[0,1,2]", 3)] {
        let plan = shipped("ablation.toml", &[seeds]);
        let tables: Vec<(&str, usize)> = plan
            .sweeps
            .iter()
            .map(|sweep| (sweep.name.as_str(), sweep.rows.len()))
            .collect();
        assert_eq!(
            tables,
            [
                ("modules", 5),
                ("thresholds", 9),
                ("ema-rate", 7),
                ("unsup-weight", 5)
            ]
        );
        assert_eq!(plan.trials.len(), 22 * count);
        assert_eq!(
            plan.folded(),
            4 * count,
            "the full method in three more tables, the coupled filter in one"
        );
        assert!(
            plan.sweeps
                .iter()
                .flat_map(|sweep| &sweep.rows)
                .all(|row| row.trials.len() == count && row.paper.is_some())
        );
        let same = plan.sweeps.iter().map(|sweep| {
            let reference = sweep.reference.as_deref().unwrap();
            &sweep
                .rows
                .iter()
                .find(|row| row.label == reference)
                .unwrap()
                .trials
        });
        assert!(
            same.clone()
                .all(|trials| *trials == plan.sweeps[0].rows[0].trials),
            "one reference trial for all tables"
        );
    }
}

#[test]
fn the_ablation_shares_one_burn_in() {
    let plan = shipped("ablation.toml", &[]);
    for trial in &plan.trials {
        assert_eq!(
            at(&trial.settings, "method.burn-in").as_integer(),
            Some(600),
            "{}",
            trial.label
        );
        assert_eq!(
            at(&trial.settings, "train.steps").as_integer(),
            Some(1400),
            "{}",
            trial.label
        );
        assert_eq!(trial.settings["train"], plan.trials[0].settings["train"]);
        assert_eq!(trial.settings["split"], plan.trials[0].settings["split"]);
    }
}

#[test]
fn the_ema_rates_are_those_of_the_paper_scaled_by_half_life() {
    let plan = shipped("ablation.toml", &["sweeps=['ema-rate']"]);
    let factor = 0.99f64.ln() / 0.9996f64.ln();
    for row in &plan.sweeps[0].rows {
        let expected = row.label.parse::<f64>().unwrap().powf(factor);
        let found = at(&plan.trials[row.trials[0]].settings, "method.ema")
            .as_float()
            .unwrap();
        assert!(
            (found - expected).abs() <= 5e-5 * expected,
            "{}: {found} for {expected}",
            row.label
        );
    }
}

#[test]
fn without_the_correction_there_is_no_medium_tier() {
    let plan = shipped("ablation.toml", &[]);
    let row = plan.sweeps[0]
        .rows
        .iter()
        .find(|row| row.label == "- DICC")
        .unwrap();
    let settings = &plan.trials[row.trials[0]].settings;
    assert_eq!(
        at(settings, "method.correction").as_table().unwrap().len(),
        1,
        "the whole table is replaced"
    );
    assert_eq!(
        at(settings, "method.filter.class-margin").as_float(),
        Some(0.0)
    );
    assert_eq!(
        at(settings, "method.filter.mask-margin").as_float(),
        Some(0.0)
    );
    assert_eq!(
        at(settings, "method.filter.name").as_str(),
        Some("adaptive")
    );
}

#[test]
fn the_baselines_stand_beside_the_ablation_and_differ_where_they_should() {
    let plan = shipped("baselines.toml", &[]);
    assert_eq!(
        (plan.results.as_str(), plan.seeds.len(), plan.trials.len()),
        ("ablation", 6, 30)
    );
    let labels: Vec<&str> = plan.sweeps[0]
        .rows
        .iter()
        .map(|row| row.label.as_str())
        .collect();
    assert_eq!(
        labels,
        [
            "supervised, all labels",
            "supervised",
            "supervised, averaged",
            "coupled",
            "PL-DC"
        ]
    );
    let trial = |row: usize| &plan.trials[plan.sweeps[0].rows[row].trials[0]].settings;
    let mut raw = trial(1).clone();
    raw["eval"]["model"] = "average".into();
    assert_eq!(
        &raw,
        trial(2),
        "averaged: the same training, another evaluation"
    );
    assert!(
        at(trial(0), "method").get("filter").is_none(),
        "supervised has no slots"
    );
    let ablation = shipped("ablation.toml", &["train.steps=2400", "method.burn-in=800"]);
    let all_off = ablation.sweeps[0]
        .rows
        .iter()
        .find(|row| row.label == "- all")
        .unwrap();
    assert_eq!(
        trial(3),
        &ablation.trials[all_off.trials[0]].settings,
        "coupled is `- all` on the full schedule"
    );
}

#[test]
fn the_other_recipes_hold_five_rows() {
    for recipe in ["smoke.toml", "coco-mini.toml"] {
        let plan = shipped(recipe, &[]);
        let labels: Vec<&str> = plan.sweeps[0]
            .rows
            .iter()
            .map(|row| row.label.as_str())
            .collect();
        assert_eq!(labels, ["PL-DC", "- DF-ACAT", "- DICC", "- PMUA", "- all"]);
        assert_eq!(plan.trials.len(), 5);
    }
    let coco = shipped("coco-mini.toml", &["data.root=elsewhere/coco"]);
    assert_eq!(
        at(&coco.trials[0].settings, "data.root").as_str(),
        Some("elsewhere/coco")
    );
    assert!(
        at(&coco.trials[0].settings, "data")
            .get("train-seed")
            .is_none(),
        "another dataset, another table"
    );
}

#[test]
fn the_defaults_are_a_recipe_of_one_trial() {
    let plan = shipped("pl-dc.toml", &[]);
    assert_eq!(
        (
            plan.trials.len(),
            plan.sweeps[0].name.as_str(),
            plan.results.as_str()
        ),
        (1, "pl-dc", "pl-dc")
    );
    assert_eq!(plan.trials[0].settings["seed"].as_integer(), Some(0));
    assert!(
        !plan.trials[0].settings.contains_key("sweeps"),
        "recipe keys are no settings"
    );
}

// ---- layers

#[test]
fn an_upper_layer_wins_and_a_variant_stands_above_all() {
    let sweep = "question = 'q'\nset.'train.steps' = 3\n[[each]]\nlabel = 'a'\n[[each]]\nlabel = 'b'\nset.train.steps = 6\n";
    let house = House::new(&[
        (
            "recipes/middle.toml",
            "extends = 'base.toml'\ntrain.steps = 1\ntrain.rate = 0.25\nmethod.ema = 0.5",
        ),
        (
            "recipes/mine.toml",
            "extends = 'middle.toml'\nsweeps = ['s']\ntrain.steps = 2",
        ),
        ("sweeps/s.toml", sweep),
    ]);
    let steps = |environment: &[(&str, &str)], set: &[&str]| -> Vec<i64> {
        let plan = house
            .plan("recipes/mine.toml", environment, set, TEXT_ONLY)
            .unwrap();
        assert_eq!(
            at(&plan.trials[0].settings, "train.rate").as_float(),
            Some(0.25),
            "the chain is followed"
        );
        let rows = &plan.sweeps[0].rows;
        rows.iter()
            .map(|row| {
                at(&plan.trials[row.trials[0]].settings, "train.steps")
                    .as_integer()
                    .unwrap()
            })
            .collect()
    };
    assert_eq!(
        steps(&[], &[]),
        [3, 6],
        "the sweep's own settings are above the recipe"
    );
    assert_eq!(
        steps(&[("HARNESS_TRAIN__STEPS", "4")], &[]),
        [4, 6],
        "the environment above the sweep's"
    );
    assert_eq!(
        steps(&[("HARNESS_TRAIN__STEPS", "4")], &["train.steps=5"]),
        [5, 6],
        "--set above the environment"
    );
    assert_eq!(
        steps(&[], &["train.steps=5", "train.steps=7"]),
        [7, 6],
        "the last --set"
    );
    assert_eq!(
        steps(&[("HARNESS_SEEDS", "[3]")], &[]),
        [3, 6],
        "recipe keys too"
    );
}

#[test]
fn a_sweep_may_stand_inside_the_recipes_folder() {
    let sweep = "question = 'q'\n[grid]\n'method.ema' = [0.1, 0.2]\ntrain.steps = [1, 2]\n[zip]\nlabel = 'z{train.steps}'\n\
                 'train.steps' = [7, 8]\npaper = [1, 2.5]\n";
    let house = House::new(&[
        ("recipes/mine.toml", "extends = 'base.toml'\nsweeps = ['s']"),
        ("recipes/sweeps/s.toml", sweep),
    ]);
    let plan = house
        .plan("recipes/mine.toml", &[], &["seeds=[5,6]"], TEXT_ONLY)
        .unwrap();
    let rows: Vec<(&str, Option<f64>)> = plan.sweeps[0]
        .rows
        .iter()
        .map(|row| (row.label.as_str(), row.paper))
        .collect();
    let grid = [
        "ema=0.1 steps=1",
        "ema=0.1 steps=2",
        "ema=0.2 steps=1",
        "ema=0.2 steps=2",
    ]
    .map(|label| (label, None));
    assert_eq!(rows[..4], grid);
    assert_eq!(rows[4..], [("z7", Some(1.0)), ("z8", Some(2.5))]);
    let seeds: Vec<u64> = plan.trials.iter().map(|trial| trial.seed).collect();
    assert_eq!(seeds, [5, 6].repeat(6));
    assert_eq!(plan.trials[1].settings["seed"].as_integer(), Some(6));
}

#[test]
fn what_a_trial_does_not_read_does_not_make_another_trial() {
    let sweep =
        "question = 'q'\n[[each]]\nlabel = 'a'\n[[each]]\nlabel = 'b'\nset.'method.ema' = 0.5\n";
    let house = House::new(&[
        ("recipes/mine.toml", "extends = 'base.toml'\nsweeps = ['s']"),
        ("sweeps/s.toml", sweep),
    ]);
    let normalise = |settings: &mut Table| {
        settings["method"].as_table_mut().unwrap().remove("ema");
    };
    assert_eq!(
        house
            .plan("recipes/mine.toml", &[], &[], TEXT_ONLY)
            .unwrap()
            .trials
            .len(),
        2
    );
    let hooks = Hooks {
        normalise: &normalise,
        ..TEXT_ONLY
    };
    let plan = house.plan("recipes/mine.toml", &[], &[], hooks).unwrap();
    assert_eq!(
        (
            plan.trials.len(),
            plan.folded(),
            plan.trials[0].label.as_str()
        ),
        (1, 1, "a")
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Variants with equal settings are one trial, others are not, whichever way the settings are written.
    #[test]
    fn folding_joins_exactly_what_is_equal(values in proptest::collection::vec((0i64..3, 0i64..3, any::<bool>()), 1..8)) {
        let mut sweep = "question = 'q'\n".to_string();
        for (index, (rate, steps, swapped)) in values.iter().enumerate() {
            let rate = if *swapped { format!("set.'train.rate' = {rate}") } else { format!("set.train.rate = {rate}.0") };
            let steps = format!("set.'train'.steps = {steps}");
            let both = if *swapped { [steps, rate] } else { [rate, steps] };
            sweep.push_str(&format!("[[each]]\nlabel = 'v{index}'\n{}\n{}\n", both[0], both[1]));
        }
        let house = House::new(&[("recipes/mine.toml", "extends = 'base.toml'\nsweeps = ['s']"), ("sweeps/s.toml", &sweep)]);
        let plan = house.plan("recipes/mine.toml", &[], &["seeds=[0,1]"], TEXT_ONLY).unwrap();
        let rows = &plan.sweeps[0].rows;
        for (i, left) in values.iter().enumerate() {
            for (j, right) in values.iter().enumerate() {
                let equal = (left.0, left.1) == (right.0, right.1);
                prop_assert_eq!(rows[i].trials == rows[j].trials, equal);
                prop_assert!(equal || rows[i].trials[0] != rows[j].trials[0]);
            }
            prop_assert_ne!(rows[i].trials[0], rows[i].trials[1], "seeds are trials of their own");
        }
        let mut hashes: Vec<&str> = plan.trials.iter().map(|trial| trial.hash.as_str()).collect();
        hashes.sort_unstable();
        hashes.dedup();
        prop_assert_eq!(hashes.len(), plan.trials.len());
    }
}

// ---- mistakes

#[test]
fn every_mistake_is_told_with_its_place() {
    let house = mine(
        "train.setps = 20\n\n[train]\nrate = \"fast\"   # words\n[method]\nrange = [1, 'x']\nsteps = 3\n",
    );
    house.write("recipes/mine.toml", "extends = 'base.toml'\n[train]\nsetps = 20\nrate = \"fast\"   # words\n[method]\nrange = [1, 'x']\nsteps = 3\n");
    let expected = "\
recipes/mine.toml:6:9: `method.range`: expected a list, each element a number like 0.5, found the list [1, \"x\"]
  |
6 | range = [1, 'x']
  |         ^^^^^^^^

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
fn what_a_component_refuses_is_told_at_the_value_that_it_refuses() {
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

recipes/base.toml:6:9: `method.range[1].area`: too large
  |
6 | range = [0.5, 1.0]
  |         ^^^^^^^^^^

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
fn a_mistake_in_a_sweep_is_told_in_the_sweep_and_with_those_of_the_recipe() {
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
        "recipes/mine.toml:4:9: `seeds`: expected a list of different whole numbers from 0 on, like `[0, 1, 2]`, found the list [0, 0]",
        "recipes/mine.toml:3:11: `results`: expected the name of a folder under results/, found the string \"a/b\"",
        "recipes/mine.toml:2:10: cannot read the sweep `sweeps/nodules.toml`: no such file; did you mean `modules.toml`?",
        "sweeps/s.toml:3:1: unknown key `colour`; known: `question`, `reference`, `paper`, `set`, `each`, `grid`, `zip`",
        "sweeps/s.toml:7:9: the label `PL-DC` is there twice",
        "sweeps/s.toml:8:1: this variant has no `label`",
        "sweeps/s.toml:12:16: `zip`: `train.rate` has 1 values, `train.steps` has 2",
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
fn a_variant_that_sets_what_is_not_there_is_told_once_for_all_seeds() {
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
    assert!(error.contains("nor is there a folder"), "{error}");
}

#[test]
fn the_listing_counts_what_will_run() {
    let sweep = "question = 'Which?'\nreference = 'a'\n[[each]]\nlabel = 'a'\n[[each]]\nlabel = 'b'\nset.train.steps = 10\n\
                 [[each]]\nlabel = 'c'\nset.train.steps = 11\n";
    let house = House::new(&[
        ("recipes/mine.toml", "extends = 'base.toml'\nsweeps = ['s']"),
        ("sweeps/s.toml", sweep),
    ]);
    let text = house
        .plan("recipes/mine.toml", &[], &["seeds=[0,1]"], TEXT_ONLY)
        .unwrap()
        .to_string();
    let tail: Vec<&str> = text.lines().rev().take(2).collect();
    assert_eq!(tail[1], "s: 3 rows, reference `a`. Which?");
    assert_eq!(
        tail[0],
        "mine: 4 trials (2 per seed, 2 seeds), 2 further results folded into them"
    );
    assert!(text.contains("s: a") && text.contains("s: b"), "{text}");
}
