//! `harness stage`: one stage of a sweep in the foreground, and what it refuses.

use crate::rig::{Rig, checkpoint, kill, stderr, wait};
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// One variant, which fails at step 42 as often as a test says.
fn failing(times: u32) -> Rig {
    Rig::with(&format!(
        "question = 'q'\n[[each]]\nlabel = 'bad'\nset.method.fail-at = 42\nset.method.fail-times = {times}\n"
    ))
}

fn command(rig: &Rig, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
    command.arg("stage").args(arguments).current_dir(rig.at(""));
    command
}

fn stage(rig: &Rig, arguments: &[&str]) -> Output {
    command(rig, arguments).output().unwrap()
}

fn stdout(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The message of a refusal.
fn refused(rig: &Rig, arguments: &[&str]) -> String {
    let output = stage(rig, arguments);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(
        output.stdout.is_empty() && text.starts_with("error: "),
        "{text}"
    );
    text
}

/// The key of the first stage of a kind in `out`.
fn key(rig: &Rig, kind: &str) -> String {
    let stages = rig.stages("out", kind);
    stages[0].file_name().unwrap().to_str().unwrap().to_string()
}

fn result(rig: &Rig, key: &str, file: &str) -> std::path::PathBuf {
    rig.at("out/.store/stages").join(key).join(file)
}

#[test]
fn a_failed_stage_runs_again_with_its_log_on_the_terminal() {
    let rig = failing(4);
    let sweep = || {
        let output = rig.sweep("out").output().unwrap();
        (output.status.code(), stderr(&output))
    };
    let (code, text) = sweep();
    assert_eq!(code, Some(1));
    let out = rig.at("out");
    let failed = format!("to debug it: harness stage {} distill-", out.display());
    assert!(text.contains(&failed), "{text}");
    let status = Command::new(env!("CARGO_BIN_EXE_harness"))
        .arg("status")
        .arg(&out)
        .output();
    let status = String::from_utf8_lossy(&status.unwrap().stdout).into_owned();
    let hint = status
        .lines()
        .find_map(|line| line.split_once("harness stage "))
        .unwrap()
        .1;
    let words: Vec<&str> = hint.split(' ').collect();

    // The settings ask for two more failures, one of them by each seed.
    let output = stage(&rig, &words);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("failed: bad, seed 0: the settings ask for a failure at step 42"),
        "{text}"
    );
    assert!(text.contains("journal.jsonl"), "{text}");
    let log = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        log.contains("{\"step\":41,"),
        "the lines up to the failure: {log}"
    );
    for _ in 0..2 {
        assert_eq!(stage(&rig, &words).status.code(), Some(1));
    }
    let text = stdout(&stage(&rig, &words));
    assert!(
        text.contains("{\"step\":60,") && text.contains("done: bad, seed 0; its result is "),
        "{text}"
    );

    // The evaluation follows by another command; the sweep takes both over.
    let evaluate = rig.at("out/.store/plans/own.json");
    let plan: serde_json::Value = serde_json::from_slice(&fs::read(evaluate).unwrap()).unwrap();
    let stages = plan["stages"].as_array().unwrap();
    let title = |stage: &&serde_json::Value| stage["title"] == "bad, seed 0: evaluation";
    let evaluate = stages.iter().find(title).unwrap()["key"].as_str().unwrap();
    assert!(stdout(&stage(&rig, &["out", evaluate])).contains("metrics.json"));
    let (_, text) = sweep();
    assert!(!text.contains("bad, seed 0 started"), "{text}");
    let table = fs::read_to_string(rig.at("out/records.jsonl")).unwrap();
    assert!(table.contains("\"status\":\"ok\""), "{table}");
}

#[test]
fn a_stage_that_cannot_run_is_refused_with_the_reason() {
    let rig = Rig::new();
    let text = refused(&rig, &["recipes", "distill-1"]);
    assert!(text.contains("no sweep has begun here"), "{text}");
    rig.finish("out");
    let (burn_in, distill) = (key(&rig, "burn-in-"), key(&rig, "distill-"));

    let text = refused(&rig, &["out", &distill.replace("distill-", "distil-")]);
    assert!(
        text.contains("no stage `distil-") && text.contains(&format!("`{distill}` (")),
        "{text}"
    );
    let text = refused(&rig, &["out"]);
    assert!(
        text.contains("give the key of a stage, or --row LABEL; the stages of out:\n  "),
        "{text}"
    );
    for key in [&burn_in, &distill, &key(&rig, "evaluate-")] {
        assert_eq!(text.matches(&format!("\n  {key}  ")).count(), 1, "{text}");
    }
    let text = refused(&rig, &["out", "distill-"]);
    assert!(
        text.contains("out: 6 stages begin with `distill-`: `distill-"),
        "{text}"
    );
    let text = refused(&rig, &["out", &burn_in]);
    assert!(
        text.contains(&format!("`{burn_in}` (burn-in, seed ")),
        "{text}"
    );
    assert!(
        text.contains("is done") && text.contains("final.safetensors") && text.contains("--again"),
        "{text}"
    );

    let trained = result(&rig, &distill, "final.safetensors");
    fs::remove_file(&trained).unwrap();
    let plan = fs::read_to_string(rig.at("out/.store/plans/own.json")).unwrap();
    let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
    let stages = plan["stages"].as_array().unwrap();
    let index = stages
        .iter()
        .position(|stage| stage["key"] == distill.as_str())
        .unwrap();
    let needs = |stage: &&serde_json::Value| stage["needs"] == serde_json::json!([index]);
    let evaluate = stages.iter().find(needs).unwrap()["key"].as_str().unwrap();
    fs::remove_file(result(&rig, evaluate, "metrics.json")).unwrap();
    let text = refused(&rig, &["out", evaluate]);
    assert!(
        text.contains("needs the results of stages that are not done. Run these first: "),
        "{text}"
    );
    assert!(text.contains(&format!("`{distill}` (")), "{text}");
    assert!(!text.contains(&burn_in), "{text}");

    // A store of an earlier program has no settings before a trial ends.
    let trials = rig.at("out/.store/trials");
    fs::rename(&trials, rig.at("aside")).unwrap();
    let text = refused(&rig, &["out", &distill]);
    assert!(
        text.contains("which `harness sweep` writes when it begins"),
        "{text}"
    );
    fs::rename(rig.at("aside"), &trials).unwrap();
    // The beginning of the key is enough.
    let beginning = &distill[..distill.len() - 3];
    assert!(stdout(&stage(&rig, &["out", beginning])).contains("done: "));
    assert!(trained.exists());
}

#[test]
fn a_stage_that_another_process_works_on_is_refused() {
    let rig = Rig::new();
    let mut command = rig.sweep("out");
    command.args(["--set", "method.sleep-ms=50"]);
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    wait(|| !rig.checkpoints("out", "burn-in-").is_empty());
    let at_work = rig.checkpoints("out", "burn-in-");
    let folder = at_work[0].parent().unwrap();
    let text = refused(
        &rig,
        &["out", folder.file_name().unwrap().to_str().unwrap()],
    );
    assert!(
        text.contains("another process is working on `burn-in-"),
        "{text}"
    );
    kill(&mut child);
}

#[test]
fn a_stage_that_is_done_runs_again_to_the_same_bytes_without_its_recipe() {
    let rig = Rig::new();
    rig.finish("out");
    fs::remove_dir_all(rig.at("recipes")).unwrap();
    fs::remove_dir_all(rig.at("sweeps")).unwrap();
    for (kind, file) in [
        ("burn-in-", "final.safetensors"),
        ("distill-", "final.safetensors"),
        ("evaluate-", "metrics.json"),
    ] {
        let key = key(&rig, kind);
        let path = result(&rig, &key, file);
        let files = || {
            let folder: &Path = path.parent().unwrap();
            let names = fs::read_dir(folder).unwrap().flatten();
            let mut names: Vec<_> = names.map(|entry| entry.file_name()).collect();
            names.sort();
            names
        };
        let (bytes, names) = (fs::read(&path).unwrap(), files());
        let time = fs::metadata(&path).unwrap().modified().unwrap();
        stdout(&stage(&rig, &["out", &key, "--again"]));
        assert_eq!(fs::read(&path).unwrap(), bytes, "{key}");
        assert_ne!(
            fs::metadata(&path).unwrap().modified().unwrap(),
            time,
            "{key}"
        );
        assert_eq!(files(), names, "nothing else is left");
    }
}

#[cfg(unix)]
#[test]
fn a_stage_stops_on_request_keeps_its_earlier_result_and_continues() {
    let rig = Rig::new();
    let slow = |out: &str| {
        let mut command = rig.sweep(out);
        command.args(["--set", "method.sleep-ms=20"]);
        command
    };
    assert_eq!(slow("out").output().unwrap().status.code(), Some(0));
    let key = key(&rig, "distill-");
    let path = result(&rig, &key, "final.safetensors");
    let bytes = fs::read(&path).unwrap();
    let mut command = command(&rig, &["out", &key, "--again"]);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let folder = rig.at("out/.store/stages").join(&key);
    wait(|| checkpoint(&folder).is_some());
    let sent = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
    let output = child.wait_with_output().unwrap();
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(130), "{text}");
    assert!(
        text.contains("the same command continues from its checkpoint"),
        "{text}"
    );
    assert_eq!(
        fs::read(&path).unwrap(),
        bytes,
        "the earlier result is back"
    );
    stdout(&stage(&rig, &["out", &key, "--again"]));
    assert_eq!(fs::read(&path).unwrap(), bytes);
    assert_eq!(checkpoint(&folder), None);
}
