//! Tests two processes on one results folder.

use crate::rig::{Rig, kill, stderr, wait};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};

/// The number of times that each training was begun, by its title.
fn begun(texts: &[String]) -> BTreeMap<String, usize> {
    let mut begun = BTreeMap::new();
    for line in texts.iter().flat_map(|text| text.lines()) {
        if let Some(title) = line.strip_suffix(" started") {
            let (_, title) = title.split_once("] ").unwrap();
            *begun.entry(title.to_string()).or_default() += 1;
        }
    }
    begun
}

#[test]
fn two_sweeps_share_the_work_and_both_end_with_whole_tables() {
    let rig = Rig::new();
    let expected = rig.expected();
    let children = [(); 2].map(|()| rig.sweep("out").spawn().unwrap());
    let outputs = children.map(|child| child.wait_with_output().unwrap());
    let texts = outputs.each_ref().map(stderr);
    for (output, text) in outputs.iter().zip(&texts) {
        assert_eq!(output.status.code(), Some(0), "{text}");
    }
    assert_eq!(rig.found("out"), expected);
    let begun = begun(&texts);
    assert_eq!(begun.len(), 8, "two burn-ins and six trainings: {begun:?}");
    assert!(begun.values().all(|times| *times == 1), "{begun:?}");
}

#[test]
fn what_a_killed_process_had_in_hand_is_taken_over_at_once() {
    let rig = Rig::new();
    let expected = rig.expected();
    let mut first = rig.sweep("out").spawn().unwrap();
    wait(|| !rig.checkpoints("out", "distill-").is_empty());
    let second = rig.sweep("out").spawn().unwrap();
    kill(&mut first);
    let output = second.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(rig.found("out"), expected);
}

#[test]
fn a_failure_in_one_process_is_one_in_the_other_and_not_tried_again() {
    // The failure comes after the other trials have begun.
    let sweep = "question = 'q'\n[[each]]\nlabel = 'well'\n\
                 [[each]]\nlabel = 'badly'\nset.'method.fail-at' = 55\nset.'method.sleep-ms' = 12\n";
    let rig = Rig::with(sweep);
    let children = [(); 2].map(|()| rig.sweep("out").spawn().unwrap());
    let outputs = children.map(|child| child.wait_with_output().unwrap());
    let texts = outputs.each_ref().map(stderr);
    for (output, text) in outputs.iter().zip(&texts) {
        assert_eq!(output.status.code(), Some(1), "{text}");
        for seed in [0, 1] {
            let failure =
                format!("failed: badly, seed {seed}: the settings ask for a failure at step 55");
            assert!(text.contains(&failure), "{text}");
        }
    }
    let begun = begun(&texts);
    for seed in [0, 1] {
        assert_eq!(begun[&format!("badly, seed {seed}")], 1, "{begun:?}");
    }
}

#[test]
fn two_recipes_in_one_folder_keep_each_others_records() {
    let rig = Rig::new();
    let seeds = |seeds: &str| {
        let mut command = rig.sweep("out");
        command.args(["--set", seeds]);
        command.spawn().unwrap()
    };
    let children = ["seeds=[0]", "seeds=[1]"].map(seeds);
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
    let records = std::fs::read_to_string(rig.at("out/records.jsonl")).unwrap();
    assert_eq!(records.lines().count(), 6, "{records}");
}

#[test]
fn a_command_with_other_trials_tells_of_the_process_at_work() {
    let rig = Rig::new();
    let mut first = rig.sweep("out");
    first.args(["--set", "method.sleep-ms=20"]);
    let mut first = first.spawn().unwrap();
    wait(|| {
        let begun = rig.checkpoints("out", "burn-in-");
        !begun.is_empty()
    });
    let second = rig.sweep("out").output().unwrap();
    let told = stderr(&second);
    assert_eq!(second.status.code(), Some(0), "{told}");
    assert!(
        told.contains("another process works in this folder"),
        "{told}"
    );
    kill(&mut first);
    let alone = stderr(&rig.sweep("out").output().unwrap());
    assert!(!alone.contains("another process"), "{alone}");
}

/// `harness COMMAND RECIPE --out out` in the folder of `rig`.
fn run(rig: &Rig, command: &str, recipe: &str, more: &[&str]) -> Output {
    let mut harness = Command::new(env!("CARGO_BIN_EXE_harness"));
    harness.current_dir(rig.at("")).args([command, recipe]);
    harness.args(["--out", "out"]).args(more).output().unwrap()
}

#[test]
fn another_recipe_is_told_before_it_replaces_a_table() {
    let rig = Rig::new();
    rig.finish("out");
    let found = rig.found("out");
    let text = fs::read_to_string(rig.recipe()).unwrap();
    fs::create_dir(rig.at("second")).unwrap();
    let changed = text.replace("level = 20.0", "level = 30.0");
    fs::write(rig.at("second/own.toml"), &changed).unwrap();
    fs::write(rig.at("recipes/named-otherwise.toml"), &changed).unwrap();
    fs::write(rig.at("second/copy-of-the-first.toml"), &text).unwrap();
    for recipe in ["second/own.toml", "recipes/named-otherwise.toml"] {
        let output = run(&rig, "sweep", recipe, &[]);
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{told}");
        for part in [
            "recipes/own.toml",
            recipe,
            "`parts`",
            "--out DIR",
            "--replace",
        ] {
            assert!(told.contains(part), "`{part}` is not in: {told}");
        }
        assert_eq!(rig.found("out"), found, "nothing is lost");
        let told = stderr(&run(&rig, "plan", recipe, &[]));
        assert!(told.contains("a sweep would stop here"), "{told}");
    }
    let code = |recipe: &str, more: &[&str]| {
        let output = run(&rig, "sweep", recipe, more);
        (output.status.code(), stderr(&output))
    };
    let (own, same) = (Some(0), "the same trials replace nothing");
    assert_eq!(code("second/copy-of-the-first.toml", &[]).0, own, "{same}");
    rig.finish("out");
    let (ended, told) = code("second/own.toml", &["--replace"]);
    assert_eq!(ended, own, "{told}");
    assert_ne!(
        rig.found("out")[Path::new("parts.md")],
        found[Path::new("parts.md")]
    );
    assert_eq!(code("recipes/own.toml", &[]).0, Some(2));
    assert_eq!(code("recipes/own.toml", &["--replace"]).0, own);
    let again = rig.found("out");
    assert_eq!(again[Path::new("parts.csv")], found[Path::new("parts.csv")]);
}

#[test]
fn a_recipe_that_is_edited_or_moved_stays_the_same_recipe() {
    let rig = Rig::new();
    rig.finish("out");
    let text = fs::read_to_string(rig.recipe()).unwrap();
    fs::write(rig.recipe(), text.replace("level = 20.0", "level = 25.0")).unwrap();
    let ends_well = |recipe: &str| {
        let output = run(&rig, "sweep", recipe, &[]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    };
    ends_well("recipes/own.toml");
    ends_well(rig.recipe().to_str().unwrap());
    fs::rename(rig.at("recipes"), rig.at("elsewhere")).unwrap();
    fs::write(rig.at("elsewhere/own.toml"), &text).unwrap();
    ends_well("elsewhere/own.toml");
}

#[test]
fn what_another_process_would_try_again_is_tried_again_and_has_not_failed() {
    let sweep = "question = 'q'\n[[each]]\nlabel = 'late'\nset.method.fail-at = 30\nset.method.fail-times = 3\n";
    let rig = Rig::with(sweep);
    let run = |out: &str, more: &[&str]| {
        let mut command = rig.sweep(out);
        command.args(["--set", "seeds=[0]"]).args(more);
        command
    };
    let straight = run("straight", &["--retries", "3"]).output().unwrap();
    assert_eq!(straight.status.code(), Some(0), "{}", stderr(&straight));
    let stage = rig.stages("straight", "distill-").remove(0);

    for (retries, code) in [(2, 0), (1, 1), (0, 1)] {
        let out = format!("out-{retries}");
        // This test acts as the other process: it holds the stage, fails in its second attempt, and releases
        // it.
        let folder = rig.at(&out).join(".store/stages");
        let folder = folder.join(stage.file_name().unwrap());
        std::fs::create_dir_all(&folder).unwrap();
        let mut lease = File::create(folder.join("lease")).unwrap();
        lease.lock().unwrap();
        write!(lease, "{:020}", 1).unwrap();
        let child = run(&out, &[]).spawn().unwrap();
        wait(|| !rig.files(&out, "burn-in-", "final.safetensors").is_empty());
        std::fs::write(folder.join("lease"), format!("{:020}\n", 2)).unwrap();
        let failure = serde_json::json!({ "attempt": 2, "reason": "no luck", "retries": retries });
        std::fs::write(folder.join("failure.json"), failure.to_string()).unwrap();
        drop(lease);
        let output = child.wait_with_output().unwrap();
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{retries}: {text}");
        match retries {
            0 => assert!(text.contains("failed: late, seed 0: no luck"), "{text}"),
            1 => assert!(
                text.contains("seed 0: the settings ask for a failure"),
                "{text}"
            ),
            _ => assert_eq!(rig.found(&out), rig.found("straight")),
        }
    }
}
