//! Tests stopping, retrying and watching: `sweep` with signals and options, `plan` and `status` beside it.

use crate::rig::{Rig, kill, stderr, wait};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// The exit code of a run that was asked to stop.
const STOPPED: i32 = 130;

fn harness(rig: &Rig, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
    let output = command.args(arguments).current_dir(rig.at("")).output();
    output.unwrap()
}

fn stdout(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn ask_to_stop(child: &Child) {
    let sent = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
}

#[test]
fn a_run_asked_to_stop_ends_at_its_next_step_and_goes_on_to_the_same_bytes() {
    let rig = Rig::new();
    // The recipe asks for no checkpoint, and a step is slow enough to be interrupted inside a stage.
    let slow = |rig: &Rig, out: &str| {
        let mut command = rig.sweep(out);
        command.args(["--set", "method.sleep-ms=10"]);
        command.args(["--set", "train.checkpoint=1000"]);
        command
    };
    let output = slow(&rig, "straight").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let expected = rig.found("straight");
    let child = slow(&rig, "out").spawn().unwrap();
    // A few steps before the second line of a journal.
    wait(|| rig.journals("out", "distill-").contains("\"step\":40,"));
    std::thread::sleep(Duration::from_millis(50));
    ask_to_stop(&child);
    let output = child.wait_with_output().unwrap();
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(STOPPED), "{text}");
    assert!(
        text.contains("each training ends after its current step"),
        "{text}"
    );
    assert!(
        text.contains("left; run the same command again to continue"),
        "{text}"
    );
    assert!(!text.contains("failed:"), "{text}");
    assert_eq!(
        rig.files("out", "distill-", "checkpoint.safetensors").len(),
        2,
        "both were inside a training"
    );

    let status = stdout(&harness(&rig, &["status", "out"]));
    assert!(status.contains("interrupted: "), "{status}");
    assert!(status.contains("no process is working on it"), "{status}");
    let mut arguments = vec!["plan", "recipes/own.toml", "--out", "out"];
    arguments.extend(["--set", "method.sleep-ms=10"]);
    arguments.extend(["--set", "train.checkpoint=1000"]);
    let plan = stdout(&harness(&rig, &arguments));
    assert!(plan.contains("interrupted after step "), "{plan}");
    assert!(!plan.contains("interrupted after step 40\n"), "{plan}");

    let output = slow(&rig, "out").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(rig.found("out"), expected);
    let status = stdout(&harness(&rig, &["status", "out"]));
    assert!(
        status.starts_with("own: 6 of 6 trials done, best mAP "),
        "{status}"
    );
}

const TWICE: &str = "question = 'q'\n[[each]]\nlabel = 'twice'\nset.method.fail-at = 30\nset.method.fail-times = 2\n";

#[test]
fn a_failure_is_tried_again_as_often_as_one_asks() {
    let rig = Rig::with(TWICE);
    let output = rig.sweep("few").args(["--retries", "1"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let status = stdout(&harness(&rig, &["status", "few"]));
    assert!(
        status.contains("(2 attempts, would continue after step 25/60); log: "),
        "{status}"
    );
    let output = rig
        .sweep("enough")
        .args(["--retries", "2"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn after_the_first_failure_nothing_starts_if_one_asks() {
    let sweep = "question = 'q'\n[[each]]\nlabel = 'bad'\nset.method.fail-at = 3\n\
                 [zip]\n'method.level' = [10, 11, 12, 13, 14]\n";
    let rig = Rig::with(sweep);
    let run = |out: &str, more: &[&str]| {
        let output = rig.sweep(out).args(more).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        stderr(&output)
    };
    let text = run("all", &[]);
    assert!(!text.contains("run the same command again"), "{text}");
    let text = run("first", &["--fail-fast"]);
    assert!(text.contains("not finished: "), "{text}");
    assert!(text.contains("run the same command again"), "{text}");
}

#[test]
fn status_reports_what_runs_while_it_runs() {
    let rig = Rig::new();
    let mut command = rig.sweep("out");
    command.args(["--set", "method.sleep-ms=20"]);
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    wait(|| {
        !rig.files("out", "burn-in-", "checkpoint.safetensors")
            .is_empty()
    });
    let status = stdout(&harness(&rig, &["status", "out"]));
    assert!(status.contains("running: burn-in, seed "), "{status}");
    assert!(status.contains("/20, loss "), "{status}");
    let json = stdout(&harness(&rig, &["status", "out", "--json"]));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["recipes"][0]["trials"], 6);
    assert_eq!(json["recipes"][0]["running"][0]["state"], "running");
    kill(&mut child);
    let status = stdout(&harness(&rig, &["status", "out"]));
    assert!(status.contains("no process is working on it"), "{status}");
}

#[test]
fn a_plan_reports_what_would_run_and_why() {
    let rig = Rig::new();
    let plan = |more: &[&str]| {
        let mut arguments = vec!["plan", "recipes/own.toml", "--out", "out"];
        arguments.extend(more);
        stdout(&harness(&rig, &arguments))
    };
    let text = plan(&[]);
    assert_eq!(text.matches(" new").count(), 6, "{text}");
    assert!(
        text.contains("to run: 6 of 6 trials in 14 stages; the time is unknown"),
        "{text}"
    );
    assert!(
        text.contains("shared: burn-in, seed 0, used by 3 trials"),
        "{text}"
    );
    assert!(!rig.at("out").exists(), "a plan writes nothing");
    rig.finish("out");
    let text = plan(&[]);
    assert!(
        text.ends_with("to run: 0 of 6 trials in 0 stages\n"),
        "{text}"
    );
    // The burn-in stays; the stage after it is a new one.
    let more = ["--set", "method.effects.b=3.5"];
    let text = plan(&more);
    assert!(
        text.contains("changed: method.effects.b: 1.0 -> 3.5"),
        "{text}"
    );
    assert!(text.contains(" of work, "), "{text}");
    assert!(text.contains("timed in this folder"), "{text}");
    let json = plan(&[&more[..], &["--json"]].concat());
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["trials"][0]["what"], "changed");
    assert_eq!(json["stages"][0]["state"], "done");
    assert!(json["estimate"]["clock-seconds"].as_f64().unwrap() > 0.0);
}

#[test]
fn a_folder_without_a_sweep_has_no_status() {
    let rig = Rig::new();
    for folder in ["recipes", "nowhere"] {
        let output = harness(&rig, &["status", folder]);
        assert_eq!(output.status.code(), Some(2));
        let text = stderr(&output);
        assert!(text.contains("no sweep has begun here"), "{text}");
    }
}
