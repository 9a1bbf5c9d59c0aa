//! Tests the recipes of this repository: the trials and tables that they promise.

use crate::house::{TEXT_ONLY, at};
use harness::experiment::{NEW_KEYS, TrialSettings, identity, normalise};
use harness::recipe::{Hooks, Plan, Request, Trial, content_hash, value_at};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use toml::{Table, Value};

fn shipped(recipe: &str, set: &[&str]) -> Plan {
    planned(recipe, set, TEXT_ONLY)
}

/// Does the same as `harness plan`, without checking data and weights.
fn checked(recipe: &str, set: &[&str]) -> Plan {
    let check = |table: &Table| {
        TrialSettings::read(table)
            .err()
            .into_iter()
            .flatten()
            .collect()
    };
    let hooks = Hooks {
        spell_out: &|_, _| {},
        check: &check,
        normalise: &normalise,
        identity: &identity,
        new_keys: &NEW_KEYS,
    };
    planned(recipe, set, hooks)
}

fn planned(recipe: &str, set: &[&str], hooks: Hooks) -> Plan {
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
        hooks,
    )
    .unwrap_or_else(|error| panic!("{recipe}: {error}"))
}

/// The names of the TOML files in a folder of the repository.
fn names(folder: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let files = std::fs::read_dir(folder).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".toml")).collect()
}

/// Every value of `settings` under its dotted path.
fn flat(settings: &Table) -> BTreeMap<String, Value> {
    let mut values = BTreeMap::new();
    for (key, value) in settings {
        match value {
            Value::Table(inner) => {
                let inner = flat(inner).into_iter();
                values.extend(inner.map(|(path, value)| (format!("{key}.{path}"), value)));
            }
            value => drop(values.insert(key.clone(), value.clone())),
        }
    }
    values
}

/// The paths at which two settings differ.
fn differences(one: &Table, other: &Table) -> Vec<String> {
    let (one, other) = (flat(one), flat(other));
    let paths = one
        .keys()
        .chain(other.keys().filter(|path| !one.contains_key(*path)));
    let mut paths: Vec<String> = paths
        .filter(|path| one.get(*path) != other.get(*path))
        .cloned()
        .collect();
    paths.sort();
    paths
}

#[test]
fn every_recipe_and_every_sweep_plans() {
    for recipe in names("recipes") {
        assert!(!checked(&recipe, &[]).trials.is_empty());
    }
    for sweep in names("sweeps") {
        let set = format!("sweeps=['{}']", sweep.trim_end_matches(".toml"));
        // The walk sets a key of a released CLIP.
        let base = match sweep.as_str() {
            "paper-vs-released.toml" => "pl-dc-paper.toml",
            // Their references are rows with values of their own recipes.
            own @ ("coco.toml" | "cityscapes.toml") => own,
            // It has weights of losses that a Mask R-CNN alone has.
            "systems-mask-rcnn.toml" => "systems-mask-rcnn.toml",
            // Its masks are scored by a head that a CenterMask has.
            "polite-teacher.toml" => "centermask-scenes.toml",
            // It has modules of its own.
            "mock-decided.toml" => "mock-decided.toml",
            mock if mock.starts_with("mock-") => "mock.toml",
            _ => "pl-dc.toml",
        };
        let plan = checked(base, &[&set]);
        assert!(
            plan.sweeps.len() == 1 && plan.sweeps[0].rows.len() > 1,
            "{sweep}"
        );
    }
}

/// The keys in which the paper of PL-DC and its released code differ.
const PAPER_OR_RELEASED: [&str; 28] = [
    "augment.cutout-fill",
    "eval.model",
    "loader.labelled-views",
    "method.candidates",
    "method.correction.aggregation",
    "method.correction.along",
    "method.correction.logit-scale",
    "method.correction.pooling",
    "method.correction.scope",
    "method.correction.vlm.normalise",
    "method.empty-image",
    "method.filter.alpha",
    "method.filter.class",
    "method.filter.class-margin",
    "method.filter.counts",
    "method.filter.mask",
    "method.filter.mask-margin",
    "method.filter.period",
    "method.filter.statistic",
    "method.min-area",
    "method.score",
    "method.weighting.divisor",
    "method.weighting.points",
    "model.decoder-layers",
    "split.unlabelled-backgrounds",
    "train.decay-embeddings",
    "train.drop",
    "train.steps",
];

#[test]
fn paper_and_released_code_differ_in_exactly_the_keys_that_are_listed() {
    let settings = |recipe| checked(recipe, &[]).trials[0].settings.clone();
    let (paper, released) = (
        settings("pl-dc-paper.toml"),
        settings("pl-dc-released.toml"),
    );
    assert_eq!(differences(&paper, &released), PAPER_OR_RELEASED);
    // Keys that neither recipe sets are common to both, so each recipe sets exactly these.
    let root = env!("CARGO_MANIFEST_DIR");
    for recipe in ["pl-dc-paper.toml", "pl-dc-released.toml"] {
        let text = std::fs::read_to_string(format!("{root}/recipes/{recipe}")).unwrap();
        let mut own: Table = text.parse().unwrap();
        own.remove("extends");
        let own: Vec<String> = flat(&own).into_keys().collect();
        assert_eq!(own, PAPER_OR_RELEASED, "{recipe}");
    }
}

#[test]
fn the_walk_from_the_paper_to_the_released_code_takes_one_key_at_a_time() {
    let plan = checked("paper-vs-released.toml", &[]);
    let rows = &plan.sweeps[0].rows;
    let settings: Vec<&Table> = rows
        .iter()
        .map(|row| &plan.trials[row.trials[0]].settings)
        .collect();
    let alone = |recipe| checked(recipe, &[]).trials[0].settings.clone();
    assert_eq!(*settings[0], alone("pl-dc-paper.toml"));
    assert_eq!(**settings.last().unwrap(), alone("pl-dc-released.toml"));
    let mut walked = Vec::new();
    for pair in settings.windows(2) {
        let step = differences(pair[0], pair[1]);
        assert_eq!(step.len(), 1, "{step:?}");
        walked.extend(step);
    }
    walked.sort();
    assert_eq!(walked, PAPER_OR_RELEASED);
}

#[test]
fn the_full_size_recipe_is_mask2former_r50() {
    let plan = checked("mask2former-r50.toml", &[]);
    let settings = &plan.trials[0].settings;
    for (path, expected) in [
        ("model.queries", 100),
        ("model.width", 256),
        ("model.encoder-layers", 6),
        ("model.encoder-points", 4),
        ("model.encoder-ffn", 1024),
        ("model.heads", 8),
        ("model.decoder-layers", 9),
        ("model.decoder-ffn", 2048),
        ("model.loss.points", 12544),
        ("augment.size", 1024),
    ] {
        assert_eq!(at(settings, path).as_integer(), Some(expected), "{path}");
    }
    assert_eq!(at(settings, "model.loss.oversample").as_float(), Some(3.0));
    assert_eq!(at(settings, "model.loss.importance").as_float(), Some(0.75));
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

/// Keys added to recipes/pl-dc.toml since the records were made, each with the value that the code used
/// before.
const ADDED_SINCE_THE_RECORDS: [&str; 12] = [
    "split.unlabelled-backgrounds",
    "augment.scale-distribution",
    "augment.cutout-fill",
    "model.fpn-width",
    "model.weights",
    "method.filter.counts",
    "method.correction.along",
    "method.correction.logit-scale",
    "method.correction.pooling",
    "method.weighting.points",
    "method.weighting.divisor",
    "eval.shorter",
];

/// `settings` without the value at a dotted path.
fn without(settings: &mut Table, path: &str) {
    match path.split_once('.') {
        None => drop(settings.remove(path)),
        Some((key, rest)) => {
            if let Some(Value::Table(inner)) = settings.get_mut(key) {
                without(inner, rest);
            }
        }
    }
}

#[test]
fn every_record_of_the_ablation_is_of_a_trial_that_is_planned_today() {
    let root = env!("CARGO_MANIFEST_DIR");
    let text = std::fs::read_to_string(format!("{root}/results/published/ablation/records.jsonl"))
        .unwrap();
    let recorded: BTreeSet<(String, u64, String)> = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .filter(|record| record["recipe"] == "ablation")
        .map(|record| {
            let text = |key: &str| record[key].as_str().unwrap().to_string();
            (
                text("label"),
                record["seed"].as_u64().unwrap(),
                text("hash"),
            )
        })
        .collect();
    let plan = checked("ablation.toml", &["seeds=[0,1,2]"]);
    assert_eq!(plan.trials.len(), recorded.len());
    for Trial {
        label,
        seed,
        hash,
        settings,
        ..
    } in plan.trials
    {
        let mut before = settings.clone();
        for path in ADDED_SINCE_THE_RECORDS {
            without(&mut before, path);
        }
        let is_recorded = [hash, content_hash(&identity(&before))]
            .into_iter()
            .any(|hash| recorded.contains(&(label.clone(), seed, hash)));
        assert!(is_recorded, "{label}, seed {seed}");
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
fn the_question_of_table_3_is_asked_on_two_networks() {
    let plan = checked("network.toml", &[]);
    let schedule = [
        "train.steps=1400",
        "method.burn-in=600",
        "sweeps=['modules']",
    ];
    let rows = |plan: &Plan| -> Vec<(String, Table)> {
        let rows = plan.sweeps[0].rows.iter();
        let settings = |row: usize| plan.trials[row].settings.clone();
        rows.map(|row| (row.label.clone(), settings(row.trials[0])))
            .collect()
    };
    let mut expected = Vec::new();
    for (network, recipe) in [
        ("Mask2Former", "pl-dc.toml"),
        ("Mask R-CNN", "mask-rcnn-scenes.toml"),
    ] {
        let modules = rows(&checked(recipe, &schedule)).into_iter();
        expected.extend(modules.map(|(label, row)| (format!("{label}, {network}"), row)));
    }
    assert_eq!(rows(&plan), expected);
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

/// Results that exist have these identities. The recipes named their files from the folder above once.
#[test]
fn the_recipes_of_files_have_the_identities_that_they_always_had() {
    let published = ["data.root=../shared/data/coco-mini"];
    for (recipe, set, expected) in [
        (
            "coco-mini.toml",
            &[][..],
            "16c252e4e2cdc981b83d90cb53e693b3",
        ),
        (
            "coco-mini.toml",
            &published,
            "4cc1723bb56fd756070bfecab7dede5d",
        ),
        (
            "mask2former-r50.toml",
            &[],
            "f940d36ac5a2fb369046b80f0bb9e0dd",
        ),
        ("pl-dc-paper.toml", &[], "1610e6b617afa9baeceedda300c7f40c"),
        (
            "pl-dc-released.toml",
            &[],
            "6f9aa9373dd87ccca869f8d291c9dd89",
        ),
        (
            "guided-distillation.toml",
            &[],
            "51d78da2fbd7c8df9f1ca4aa4fa8ada2",
        ),
    ] {
        let plan = checked(recipe, set);
        assert_eq!(plan.trials[0].hash, expected, "{recipe} {set:?}");
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let places = &checked("coco-mini.toml", &[]).trials[0].places;
    for (key, below) in [
        ("data.root", "data/coco-mini"),
        (
            "model.backbone.weights",
            "weights/resnet50_imagenet.safetensors",
        ),
    ] {
        assert_eq!(Path::new(&places[key]), root.join(below));
    }
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

/// The rows of the paper's tables, but for the keys in which the tables have one value for all systems.
/// The rows of the matrices of the paper's Tables 1 and 2 are the trials of the systems' own recipes.
#[test]
fn the_rows_of_the_paper_s_tables_are_those_of_the_systems_own_recipes() {
    let [first, second] = ["table-1.toml", "table-2.toml"].map(|recipe| checked(recipe, &[]));
    for (plan, label, recipe, set) in [
        (&first, "DD, 1 %", "dd.toml", &[][..]),
        (
            &first,
            "Noisy Boundaries, 1 %",
            "noisy-boundaries.toml",
            &[],
        ),
        (&first, "PAIS, 1 %", "pais.toml", &[]),
        (&first, "Polite Teacher, 1 %", "polite-teacher.toml", &[]),
        (
            &first,
            "GuidedDistillation, 5 %",
            "guided-distillation.toml",
            &["split.labelled=0.05"],
        ),
        (
            &first,
            "PL-DC, 10 %",
            "pl-dc-paper.toml",
            &["split.labelled=0.1"],
        ),
        (&second, "STAC, 20 %", "stac.toml", &[]),
        (&second, "CCT, 30 %", "cct.toml", &["split.labelled=0.3"]),
        (&second, "Dual-branch, 20 %", "dual-branch.toml", &[]),
        (
            &second,
            "PL-DC, 10 %",
            "cityscapes.toml",
            &["split.labelled=0.1", "sweeps=[]"],
        ),
    ] {
        let rows = plan.sweeps[0].rows.iter();
        let row = rows.clone().find(|row| row.label == label);
        let row = row.unwrap_or_else(|| panic!("no row `{label}`"));
        let own = checked(recipe, set);
        assert_eq!(
            plan.trials[row.trials[0]].hash, own.trials[0].hash,
            "{label}"
        );
    }
    for (plan, fractions) in [(&first, 5), (&second, 4)] {
        assert_eq!(plan.sweeps[0].columns.len(), fractions);
        assert!(plan.sweeps[0].rows.iter().all(|row| row.paper.is_some()));
    }
}

#[test]
fn guided_distillation_is_in_the_tables_as_its_own_recipe_has_it() {
    let own = checked("guided-distillation.toml", &[]);
    for (recipe, keys) in [
        ("coco.toml", &["steps", "drop", "weight-decay"][..]),
        ("cityscapes.toml", &["weight-decay"][..]),
    ] {
        let plan = checked(recipe, &[]);
        let rows = plan.sweeps[0].rows.iter();
        let mut count = 0;
        for row in rows.filter(|row| row.label.starts_with("GuidedDistillation")) {
            let settings = &plan.trials[row.trials[0]].settings;
            let own = &own.trials[0].settings;
            for table in ["loader", "phase", "model"] {
                assert_eq!(settings[table], own[table], "{}: {table}", row.label);
            }
            for key in keys {
                let path = format!("train.{key}");
                assert_eq!(at(settings, &path), at(own, &path), "{}: {path}", row.label);
            }
            let keys = [
                "name",
                "ema",
                "lambda",
                "min-area",
                "area",
                "mask-target",
                "empty-image",
                "filter",
            ];
            for key in keys {
                let path = format!("method.{key}");
                assert_eq!(value_at(settings, &path), value_at(own, &path), "{path}");
            }
            assert_eq!(at(settings, "augment.cutout"), at(own, "augment.cutout"));
            count += 1;
        }
        assert_eq!(count, 4, "{recipe}");
    }
}

#[test]
fn the_tables_of_coco_compare_three_systems_on_the_same_labels() {
    let plan = checked("coco.toml", &[]);
    let rows = &plan.sweeps[0].rows;
    assert_eq!(
        rows.len(),
        14,
        "no published number of GuidedDistillation with all labels"
    );
    let mut fractions: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for row in rows {
        let (system, percent) = row.label.rsplit_once(", ").unwrap();
        let percent: f64 = percent.trim_end_matches(" %").parse().unwrap();
        let settings = &plan.trials[row.trials[0]].settings;
        let labelled = at(settings, "split.labelled").as_float().unwrap();
        assert!((100.0 * labelled - percent).abs() < 1e-9, "{}", row.label);
        assert_eq!(at(settings, "split.rule").as_str(), Some("numpy"));
        assert_eq!(at(settings, "split.seed").as_integer(), Some(1));
        let method = at(settings, "method.name").as_str().unwrap();
        let expected = match system {
            "supervised" => "supervised",
            "GuidedDistillation" => "guided",
            "PL-DC" => "teacher-student",
            other => panic!("{other}"),
        };
        assert_eq!(method, expected);
        fractions.entry(method.into()).or_default().push(percent);
    }
    assert_eq!(fractions["supervised"], [1.0, 2.0, 5.0, 10.0, 100.0]);
    assert_eq!(fractions["supervised"], fractions["teacher-student"]);
    assert_eq!(fractions["guided"], [1.0, 2.0, 5.0, 10.0]);
}
