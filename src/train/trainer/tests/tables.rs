//! Tables `[method]` and `[model]` of recipes, for every method and network.

use crate::detector::DETECTORS;
use crate::method::METHODS;
use crate::registry::Check;

/// A table of every method that trains networks, on pseudo-labels that a filter without a threshold keeps.
pub fn methods() -> Vec<toml::Table> {
    let recipe: toml::Table = include_str!("../../../../recipes/pl-dc.toml")
        .parse()
        .unwrap();
    let mut pair = recipe["method"].as_table().unwrap().clone();
    pair["burn-in"] = 2.into();
    let rule = |text: &str| toml::Value::Table(text.parse().unwrap());
    pair["filter"] = rule("name = 'coupled'\nthreshold = 0.0");
    pair["correction"] = rule("name = 'keep'");
    let mut guided = pair.clone();
    guided["name"] = "guided".into();
    guided.insert("teacher-steps".into(), 2.into());
    let mut offline = pair.clone();
    for key in [
        "burn-in",
        "ema",
        "ema-ramp",
        "area",
        "mask-target",
        "mask-quality",
    ] {
        offline.remove(key);
    }
    offline["name"] = "offline".into();
    offline["weighting"] = rule("name = 'uniform'");
    offline.insert("teacher-steps".into(), 2.into());
    let views = "short-sides = []\nflip = false\nmerge = 'mean-by-proposal'";
    offline.insert("test-views".into(), rule(views));
    let supervised = "name = 'supervised'\nburn-in = 2\nempty-image = 'zero-batch'";
    let consistency = |rule: &str| {
        let text = format!(
            "name = 'consistency'\nlambda = 1.0\nempty-image = 'zero-batch'\nconsistency = {rule}"
        );
        text.parse().unwrap()
    };
    let flip = consistency(
        "{ name = 'flip', applies-to = 'all', regions = 40, ramp = { up = 0.2, down-from = 1.0 } }",
    );
    let perturb = consistency(
        "{ name = 'perturb', applies-to = 'unlabelled', others = 9, ramp = { up = 0.2, down-from = 1.0 }, \
         kinds = ['feature-noise', 'spatial-dropout'] }",
    );
    vec![
        supervised.parse().unwrap(),
        pair,
        guided,
        offline,
        flip,
        perturb,
    ]
}

/// Table `[model]` of a recipe of every detector.
pub fn models() -> Vec<toml::Table> {
    let recipes = [
        include_str!("../../../../recipes/pl-dc.toml"),
        include_str!("../../../../recipes/bodies/mask-rcnn-scenes.toml"),
        include_str!("../../../../recipes/bodies/centermask-scenes.toml"),
    ];
    let model = |text: &str| {
        let recipe: toml::Table = text.parse().unwrap();
        recipe["model"].as_table().unwrap().clone()
    };
    recipes.map(model).into()
}

/// The same with every head that a recipe may add.
pub fn models_with_heads() -> Vec<toml::Table> {
    let mut models = models();
    for model in &mut models {
        for (key, head) in [("iou-head", "flat"), ("mask-head", "noise-tolerant")] {
            if let Some(value) = model.get_mut(key) {
                *value = head.into();
            }
        }
        // So that a network that has learned nothing has candidates.
        let detections = model.get_mut("detections");
        if let Some(least) = detections.and_then(|table| table.get_mut("probability")) {
            *least = 0.0.into();
        }
    }
    models
}

/// `model` with the auxiliary heads that `method` needs; none if the method refuses the network.
pub fn suited(method: &toml::Table, model: &toml::Table) -> Option<toml::Table> {
    let mut model = model.clone();
    let kinds = method.get("consistency").and_then(|rule| rule.get("kinds"));
    if let (Some(kinds), Some(heads)) = (kinds, model.get_mut("auxiliary-heads")) {
        *heads = (kinds.as_array().expect("a list").len() as i64).into();
    }
    let detector = crate::registry::build(DETECTORS, model.clone()).unwrap();
    let mut check = Check::new();
    let method = crate::registry::build(METHODS, method.clone()).unwrap();
    method.check_detector(&*detector, &mut check);
    check.finish().ok().map(|()| model)
}
