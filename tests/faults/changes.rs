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

#[test]
fn trials_of_another_commit_stand_and_are_reported() {
    let rig = Rig::new();
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=n", "-c", "user.email=e"]);
        let output = git.args(arguments).current_dir(rig.at("")).output();
        output.ok().filter(|output| output.status.success())
    };
    if git(&["init", "-q"]).is_none() {
        eprintln!("skipped: there is no git here");
        return;
    }
    let commit = || {
        git(&["commit", "-q", "--allow-empty", "-m", "m"]).unwrap();
        let head = git(&["rev-parse", "HEAD"]).unwrap().stdout;
        String::from_utf8(head).unwrap()[..10].to_string()
    };
    let first = commit();
    let mut one = rig.sweep("out");
    let output = one.args(["--set", "seeds=[0]"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let plan = rig.plan("out");
    assert!(!plan.contains("at commit"), "{plan}");

    let second = commit();
    assert_ne!(first, second);
    let told = format!("3 trials were computed, at least in part, at commit {first}");
    let plan = rig.plan("out");
    assert!(plan.contains(&told), "{plan}");
    rig.finish("out");
    let table = fs::read_to_string(rig.at("out/parts.md")).unwrap();
    assert!(table.contains(&format!("Commit: {second}")), "{table}");
    assert!(table.contains(&told), "{table}");
    let mut status = Command::new(env!("CARGO_BIN_EXE_harness"));
    let status = status.arg("status").arg(rig.at("out")).output().unwrap();
    let status = String::from_utf8(status.stdout).unwrap();
    assert!(status.contains(&told), "{status}");
}
