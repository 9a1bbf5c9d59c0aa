//! Tests the paths in recipes: where they begin, and that no trial's identity depends on it.

use crate::house::{House, TEXT_ONLY};
use harness::recipe::{Plan, RecipeError};

const ROOT: &str =
    "seeds = [0]\nsweeps = []\n[data]\nroot = ''\n[model]\nweights = ''\n[train]\nsteps = 1\n";

/// A folder with a recipe in `recipes/`, its base in `shared/`, and a sweep.
fn house(recipe: &str) -> House {
    House::new(&[
        ("shared/root.toml", ROOT),
        (
            "shared/base.toml",
            "extends = 'root.toml'\nmodel.weights = 'net.safetensors'\n",
        ),
        (
            "recipes/own.toml",
            &format!("extends = '../shared/base.toml'\n{recipe}"),
        ),
        (
            "sweeps/places.toml",
            "question = 'Where?'\n[[each]]\nlabel = 'beside'\nset.'data.root' = '../near'\n\
             [[each]]\nlabel = 'far'\nset.'data.root' = '/far'\n",
        ),
    ])
}

fn plan(house: &House, environment: &[(&str, &str)], set: &[&str]) -> Result<Plan, RecipeError> {
    house.plan("recipes/own.toml", environment, set, TEXT_ONLY)
}

/// The place of `key` in the trial `index`, relative to the house.
fn place(house: &House, plan: &Plan, index: usize, key: &str) -> String {
    let root = format!("{}/", house.path("").display()).replace("//", "/");
    plan.trials[index].places[key].replace(&root, "")
}

#[test]
fn a_path_begins_in_the_folder_of_the_file_that_holds_it() {
    let house = house("sweeps = ['places']\ndata.root = 'data'\n");
    let planned = plan(&house, &[], &[]).unwrap();
    let weights = "model.weights";
    assert_eq!(
        place(&house, &planned, 0, weights),
        "shared/net.safetensors"
    );
    assert_eq!(place(&house, &planned, 0, "data.root"), "near");
    assert_eq!(place(&house, &planned, 1, "data.root"), "/far");
    let planned = plan(&house, &[], &["sweeps=[]"]).unwrap();
    assert_eq!(place(&house, &planned, 0, "data.root"), "recipes/data");
    let here = std::env::current_dir().unwrap();
    let here = here.join("data").to_str().unwrap().to_string();
    let typed = plan(&house, &[], &["sweeps=[]", "data.root=data"]).unwrap();
    assert_eq!(place(&house, &typed, 0, "data.root"), here);
    let environment = [("HARNESS_DATA__ROOT", "data")];
    let found = plan(&house, &environment, &["sweeps=[]"]).unwrap();
    assert_eq!(place(&house, &found, 0, "data.root"), here);
    let hash = |plan: &Plan| plan.trials[0].hash.clone();
    assert_eq!(hash(&found), hash(&typed), "the text is the same");
    assert_ne!(hash(&planned), hash(&typed), "another folder");
}

#[test]
fn the_identity_of_a_trial_is_that_of_the_text_wherever_the_recipe_lies() {
    let [one, other] = [(); 2].map(|()| house("sweeps = ['places']\ndata.root = 'data'\n"));
    let (one, other) = (
        plan(&one, &[], &[]).unwrap(),
        plan(&other, &[], &[]).unwrap(),
    );
    for (one, other) in one.trials.iter().zip(&other.trials) {
        assert_eq!((&one.hash, &one.settings), (&other.hash, &other.settings));
        assert_ne!(one.places, other.places);
    }
    // The path that a recipe in recipes/ had when it was read from the folder above.
    let today = plan(&house("data.root = '../data/mine'\n"), &[], &[]).unwrap();
    let before = plan(&house(""), &[], &["data.root=data/mine"]).unwrap();
    assert_eq!(today.trials[0].hash, before.trials[0].hash);
    assert_eq!(today.trials[0].settings, before.trials[0].settings);
    let beside = plan(&house("data.root = 'data/mine'\n"), &[], &[]).unwrap();
    assert_ne!(beside.trials[0].hash, today.trials[0].hash);
    let further = plan(&house("data.root = '../../data/mine'\n"), &[], &[]).unwrap();
    assert_ne!(further.trials[0].hash, before.trials[0].hash);
}

#[test]
fn two_folders_never_become_one_trial() {
    let sweep = "question = 'Where?'\n[[each]]\nlabel = 'deep'\n\
                 [[each]]\nlabel = 'beside'\nset.'data.root' = '../near'\n";
    let house = house("");
    house.write(
        "shared/deep/base.toml",
        "extends = '../root.toml'\ndata.root = '../near'\n",
    );
    house.write(
        "recipes/own.toml",
        "extends = '../shared/deep/base.toml'\nsweeps = ['twice']\n",
    );
    house.write("sweeps/twice.toml", sweep);
    let error = plan(&house, &[], &[]).unwrap_err().to_string();
    for part in ["`data.root`", "shared/near", "absolute path", "one trial"] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn a_tilde_is_the_home_in_recipes_arguments_and_extends() {
    let home = std::env::home_dir().unwrap();
    let at = |below: &str| home.join(below).to_str().unwrap().to_string();
    let house = house("data.root = '~/coco'\n");
    let planned = plan(&house, &[], &[]).unwrap();
    assert_eq!(planned.trials[0].places["data.root"], at("coco"));
    let typed = plan(&house, &[], &["model.weights=~/w#student"]).unwrap();
    assert_eq!(typed.trials[0].places["model.weights"], at("w#student"));
    house.write("recipes/own.toml", "extends = '~/no/such/recipe.toml'\n");
    let error = plan(&house, &[], &[]).unwrap_err().to_string();
    assert!(error.contains(&at("no/such/recipe.toml")), "{error}");
}

#[test]
fn variables_of_other_programs_are_told_and_change_nothing() {
    let house = house("data.root = 'data'\n");
    let environment = [
        ("HARNESS_PORT", "tcp://10.0.0.1:80"),
        ("HARNESS_BUILD_ID", "17"),
        ("HARNESS_TRAIN__STEPS", "5"),
    ];
    let planned = plan(&house, &environment, &[]).unwrap();
    let [note] = &planned.notes[..] else {
        panic!("one note: {:?}", planned.notes);
    };
    assert!(note.contains("HARNESS_BUILD_ID, HARNESS_PORT ("), "{note}");
    let (names, _) = note.split_once(" (").unwrap();
    assert!(!names.contains("HARNESS_TRAIN__STEPS"), "{note}");
    assert_eq!(planned.trials[0].settings["train"]["steps"], 5.into());
    for (name, hint) in [
        ("HARNESS_TRAIN__STPES", "did you mean `train.steps`"),
        ("HARNESS_TRIAN__STEPS", "did you mean `train`"),
        ("HARNESS_SEED", "did you mean `seeds`"),
    ] {
        let refused = plan(&house, &[(name, "1")], &[]).unwrap_err().to_string();
        let advice = format!("`unset {name}`");
        assert!(refused.contains(hint), "{refused}");
        assert!(refused.contains(&advice), "{refused}");
    }
}
