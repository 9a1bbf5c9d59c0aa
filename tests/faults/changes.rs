//! What people do to files while a sweep runs.

use crate::rig::{Rig, stderr};
use std::fs;

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

    // The next run is that of the new recipe, beside the old one's stages.
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
    let begun = || rig.files("out", "distill-", "checkpoint.safetensors");
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
