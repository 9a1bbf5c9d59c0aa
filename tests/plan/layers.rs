//! Tests which layer overrides which, and which trials are the same.

use crate::house::{House, TEXT_ONLY, at};
use harness::recipe::Hooks;
use proptest::prelude::*;
use toml::Table;

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

    /// Variants with equal settings are one trial and others are not, in whatever way the settings are
    /// written.
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

/// `augment.size` is the side of a square or a pair, `train.drop` one drop or several.
#[test]
fn a_number_replaces_a_pair_and_a_pair_a_number_in_every_layer() {
    let house = House::new(&[
        (
            "recipes/root.toml",
            "seeds = [0]\nsweeps = []\naugment.size = 64\ntrain.drop = 0.85\n",
        ),
        (
            "recipes/pair.toml",
            "extends = 'root.toml'\naugment.size = [192, 96]\ntrain.drop = [0.6, 0.8]",
        ),
        (
            "recipes/number.toml",
            "extends = 'pair.toml'\naugment.size = 128\nsweeps = ['s']",
        ),
        (
            "sweeps/s.toml",
            "question = 'q'\n[grid]\naugment.size = [32, [64, 32]]\n",
        ),
    ]);
    let size = |recipe: &str, environment: &[(&str, &str)], set: &[&str]| -> Vec<String> {
        let plan = house.plan(recipe, environment, set, TEXT_ONLY).unwrap();
        let sizes = plan.trials.iter();
        sizes
            .map(|trial| at(&trial.settings, "augment.size").to_string())
            .collect()
    };
    let pair = "recipes/pair.toml";
    assert_eq!(size(pair, &[], &[]), ["[192, 96]"]);
    assert_eq!(size(pair, &[], &["augment.size=192"]), ["192"]);
    assert_eq!(size(pair, &[], &["augment.size=64,32"]), ["[64, 32]"]);
    let variable = [("HARNESS_AUGMENT__SIZE", "192")];
    assert_eq!(size(pair, &variable, &[]), ["192"]);
    let root = "recipes/root.toml";
    assert_eq!(size(root, &[], &["augment.size=64,32"]), ["[64, 32]"]);
    assert_eq!(size(root, &[], &["augment.size=[64, 32]"]), ["[64, 32]"]);
    let mut swept = size("recipes/number.toml", &[], &[]);
    swept.sort();
    assert_eq!(swept, ["32", "[64, 32]"]);
    let drop = house
        .plan(pair, &[], &["train.drop=0.9"], TEXT_ONLY)
        .unwrap();
    let drop = at(&drop.trials[0].settings, "train.drop");
    assert_eq!(drop.as_float(), Some(0.9));
}
