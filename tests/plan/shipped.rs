//! The recipes of this repository: the trials and tables that they promise.

use crate::house::{TEXT_ONLY, at};
use harness::recipe::{Plan, Request};
use std::path::Path;

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
