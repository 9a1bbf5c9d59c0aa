//! Compares the counted work of the shipped recipes with the time that their published runs took.

use crate::experiment::settings::{identity::identity, new_keys::NEW_KEYS, normalise::normalise};
use crate::experiment::store::frozen::FrozenPlan;
use crate::experiment::trial::planned::stages_of;
use crate::experiment::trial::work::{Pictures, UNIT};
use crate::recipe::{Hooks, Plan, Request};
use serde_json::Value;
use std::path::Path;

/// Operations per second of a worker on the processors of the published runs (AMD EPYC and Intel Xeon at 2.5 GHz, two
/// cores): the geometric mean over the runs.
const SPEED: f64 = 29e9;

/// The published runs: the folder, the recipe, and the evaluated pictures where the recipe does not tell them.
const RUNS: [(&str, &str, Option<Pictures>); 5] = [
    ("ablation", "ablation", None),
    ("ablation", "baselines", None),
    ("coco-mini", "coco-mini", Some(COCO_MINI)),
    (
        "guided-distillation-scenes",
        "guided-distillation-scenes",
        None,
    ),
    ("smoke", "smoke", None),
];

const COCO_MINI: Pictures = Pictures {
    images: 206,
    size: (428, 640),
    train: 1800,
    further: 0,
};

/// The operations of all stages of `recipe` with the settings `set` by hand.
fn operations(recipe: &str, set: &[String], pictures: Option<Pictures>) -> f64 {
    let path = format!("{}/recipes/{recipe}.toml", env!("CARGO_MANIFEST_DIR"));
    let request = Request {
        recipe: Path::new(&path),
        environment: &[],
        set,
    };
    let hooks = Hooks {
        spell_out: &|_, _| {},
        check: &|_| Vec::new(),
        normalise: &normalise,
        identity: &identity,
        new_keys: &NEW_KEYS,
    };
    let plan = Plan::new(request, hooks).unwrap();
    let mut frozen = FrozenPlan::new(recipe, 1);
    for trial in &plan.trials {
        let (_, mut stages) = stages_of(trial).unwrap();
        if pictures.is_some() {
            stages.iter_mut().for_each(|stage| stage.count(pictures));
        }
        frozen.add(trial, &stages);
    }
    let cost: u64 = frozen.stages.iter().map(|stage| stage.cost).sum();
    cost as f64 * UNIT
}

/// Recipes of very different sizes: 18 seconds to two hours of work; 32 to 192 pixels; a drawn dataset and COCO's
/// pictures; a network from nothing and a frozen ResNet-50; one worker with two threads and two workers with one.
#[test]
fn the_counted_work_of_every_published_run_is_within_a_factor_of_two_of_its_time() {
    for (folder, recipe, pictures) in RUNS {
        let root = env!("CARGO_MANIFEST_DIR");
        let path = format!("{root}/results/published/{folder}/run-{recipe}.json");
        let run: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let set = run["set"].as_array().unwrap().iter();
        let set: Vec<String> = set.map(|text| text.as_str().unwrap().to_string()).collect();
        let told = operations(recipe, &set, pictures) / SPEED;
        let took = run["work_seconds"].as_f64().unwrap();
        let factor = told / took;
        assert!(
            (0.5..=2.0).contains(&factor),
            "{recipe}: told {told:.0} s, took {took:.0} s"
        );
    }
}
