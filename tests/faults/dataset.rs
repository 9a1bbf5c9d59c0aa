//! Tests a dataset that disappears during the training.

use crate::rig::{checkpoint, stderr, wait};
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A small network on the drawn dataset as COCO files: 120 steps of a few milliseconds.
const RECIPE: &str = "sweeps = []\n\
    [data]\nname = 'coco'\nroot = 'coco'\nclasses = 'all'\non-bad-annotation = 'error'\n\
    train-annotations = 'annotations/instances_train2017.json'\ntrain-images = 'images'\n\
    val-annotations = 'annotations/instances_val2017.json'\nval-images = 'images'\nunlabelled-images = ''\narea-bounds = [25.0, 81.0]\n\
    [method]\nname = 'supervised'\nburn-in = 0\nempty-image = 'background'\n\
    [train]\nsteps = 120\ncheckpoint = 20\n[eval]\nmodel = 'student'\n";

fn harness(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
    command
        .args(arguments)
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

fn ends_well(output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
}

#[test]
#[cfg_attr(debug_assertions, ignore = "trains a network: in release only")]
fn a_dataset_removed_during_a_run_costs_no_finished_step() {
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path);
    let smoke = Path::new("recipes/smoke.toml").canonicalize().unwrap();
    let smoke = smoke.to_str().unwrap();
    let exported = harness(folder.path(), &["data", "export", smoke, "--out", "coco"]);
    ends_well(&{ exported }.output().unwrap());
    fs::write(at("own.toml"), format!("extends = {smoke:?}\n{RECIPE}")).unwrap();
    let sweep = |out: &str| harness(folder.path(), &["sweep", "own.toml", "--out", out]);
    ends_well(&sweep("straight").output().unwrap());

    let child = sweep("out").spawn().unwrap();
    wait(|| {
        let stages = fs::read_dir(at("out/.store/stages")).into_iter().flatten();
        let mut stages = stages.flatten();
        stages.any(|stage| checkpoint(&stage.path()).is_some())
    });
    fs::rename(at("coco/images"), at("coco/elsewhere")).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let images = format!("failed: own, seed 0: {}/", at("coco/images").display());
    assert!(text.contains(&images), "{text}");
    assert!(text.contains("last lines:"), "{text}");

    fs::rename(at("coco/elsewhere"), at("coco/images")).unwrap();
    let output = sweep("out").output().unwrap();
    ends_well(&output);
    for name in ["own.csv", "records.jsonl"] {
        let read = |out: &str| fs::read_to_string(at(out).join(name)).unwrap();
        assert_eq!(read("out"), read("straight"), "{name}");
    }
}
