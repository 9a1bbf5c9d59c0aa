//! Tests changes that people make to files while a sweep runs.

use crate::rig::{Rig, stderr};
use std::fs;
use std::process::Command;

#[test]
fn a_recipe_edited_during_the_run_changes_nothing_of_it() {
    let rig = Rig::new();
    let expected = rig.expected();
    let (recipe, sweep) = (rig.recipe(), rig.at("sweeps/parts.toml"));
    let texts = [&recipe, &sweep].map(|path| fs::read_to_string(path).unwrap());
    let child = rig.sweep("out").spawn().unwrap();
    crate::rig::wait(|| !rig.stages("out", "burn-in-").is_empty());
    fs::write(&recipe, texts[0].replace("level = 20.0", "level = 50.0")).unwrap();
    fs::write(&sweep, "question = 'half a sen").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(rig.found("out"), expected);

    // The next run uses the new recipe, beside the stages of the old one.
    fs::write(&sweep, &texts[1]).unwrap();
    rig.finish("out");
    let records = fs::read_to_string(rig.at("out/records.jsonl")).unwrap();
    assert_eq!(
        records.lines().count(),
        12,
        "the earlier trials' records stay"
    );
    let table = fs::read_to_string(rig.at("out/parts.csv")).unwrap();
    assert!(
        table.lines().nth(1).unwrap().starts_with("both,2,5"),
        "{table}"
    );
}

#[test]
fn a_stage_deleted_during_the_run_costs_its_trial_and_no_other() {
    let rig = Rig::new();
    let expected = rig.expected();
    let child = rig.sweep("out").spawn().unwrap();
    let begun = || rig.checkpoints("out", "distill-");
    crate::rig::wait(|| !begun().is_empty());
    fs::remove_dir_all(begun()[0].parent().unwrap()).ok();
    let output = child.wait_with_output().unwrap();
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert_eq!(
        text.lines()
            .filter(|line| line.starts_with("failed: "))
            .count(),
        1,
        "{text}"
    );
    rig.finish("out");
    assert_eq!(rig.found("out"), expected);
}

#[test]
fn trials_of_another_program_stand_and_are_reported() {
    let rig = Rig::new();
    let mut one = rig.sweep("out");
    let output = one.args(["--set", "seeds=[0]"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let plan = rig.plan("out");
    assert!(!plan.contains("by a program of"), "{plan}");

    // As if a program of another commit had done the work.
    let other = "1234567890abcdef1234567890abcdef12345678";
    for stage in fs::read_dir(rig.at("out/.store/stages")).unwrap() {
        let path = stage.unwrap().path().join("environment.json");
        let text = fs::read_to_string(&path).unwrap();
        let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
        json["program"] = serde_json::json!({ "commit": other, "changed": false });
        fs::remove_file(&path).unwrap();
        fs::write(&path, json.to_string()).unwrap();
    }
    let told = "3 trials were computed, at least in part, by a program of commit 1234567890";
    let plan = rig.plan("out");
    assert!(plan.contains(told), "{plan}");
    rig.finish("out");
    let table = fs::read_to_string(rig.at("out/parts.md")).unwrap();
    assert!(
        table.contains("Program: ") && table.contains("Recipe: "),
        "{table}"
    );
    assert!(table.contains(told), "{table}");
    let mut status = Command::new(env!("CARGO_BIN_EXE_harness"));
    let status = status.arg("status").arg(rig.at("out")).output().unwrap();
    let status = String::from_utf8(status.stdout).unwrap();
    assert!(status.contains(told), "{status}");
}
