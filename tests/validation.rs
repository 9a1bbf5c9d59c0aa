//! Tests the keys `eval.period` and `eval.select` through the program: a curve of validation changes nothing in the
//! training, a stopped training goes on to the same bytes, and the best networks are those of their own step.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// A burn-in of 3 steps, then 9 under a teacher; nothing learns enough for an mAP above 0.
const TINY: [&str; 9] = [
    "sweeps=[]",
    "method.burn-in=3",
    "train.steps=12",
    "train.checkpoint=5",
    "train.average=0.9",
    "train.drop=1.0",
    "train.warm-up=1",
    "data.val-images=6",
    "method.correction={name=\"keep\"}",
];

fn sweep(out: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
    command.args(["sweep", "recipes/smoke.toml", "--out"]);
    command.arg(out);
    for setting in TINY.iter().chain(more) {
        command.args(["--set", setting]);
    }
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

fn run(out: &Path, more: &[&str]) {
    let output = sweep(out, more).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
}

/// The file `name` of the only stage called `kind`.
fn of_stage(out: &Path, kind: &str, name: &str) -> PathBuf {
    let stages = std::fs::read_dir(out.join(".store/stages")).unwrap();
    let mut stages = stages
        .flatten()
        .filter(|stage| stage.file_name().to_string_lossy().starts_with(kind));
    let found = stages.next().expect("the stage is there").path().join(name);
    assert!(stages.next().is_none(), "one stage {kind}");
    found
}

fn bytes(out: &Path, kind: &str, name: &str) -> Vec<u8> {
    let path = of_stage(out, kind, name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn lines(out: &Path, kind: &str) -> Vec<serde_json::Value> {
    let text = String::from_utf8(bytes(out, kind, "journal.jsonl")).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The values of all networks in the result of a stage, without its key.
fn networks(out: &Path, kind: &str) -> Vec<(String, Vec<u8>)> {
    let file = bytes(out, kind, "final.safetensors");
    let tensors = safetensors::SafeTensors::deserialize(&file).unwrap();
    let mut all: Vec<(String, Vec<u8>)> = tensors
        .tensors()
        .into_iter()
        .map(|(name, tensor)| (name, tensor.data().to_vec()))
        .collect();
    all.sort();
    assert!(all.len() > 50);
    all
}

#[test]
fn a_curve_changes_no_step_and_a_stopped_training_writes_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let [plain, curve, stopped] =
        ["plain", "curve", "stopped"].map(|name| folder.path().join(name));
    run(&plain, &[]);
    let period = ["eval.period=4"];
    run(&curve, &period);
    for kind in ["burn-in-", "distill-"] {
        assert_eq!(networks(&curve, kind), networks(&plain, kind), "{kind}");
    }
    let metrics = |out: &Path| bytes(out, "evaluate-", "metrics.json");
    assert_eq!(metrics(&curve), metrics(&plain));
    // The burn-in ends after step 3, where it is evaluated too.
    let seen = |out: &Path, kind: &str, key: &str| -> Vec<u64> {
        let with = lines(out, kind)
            .into_iter()
            .filter(|line| line[key].is_number());
        with.map(|line| line["step"].as_u64().unwrap()).collect()
    };
    assert_eq!(seen(&curve, "burn-in-", "val-student"), [3]);
    assert_eq!(seen(&curve, "distill-", "val-teacher"), [4, 8, 12]);
    assert!(seen(&plain, "distill-", "val-teacher").is_empty());
    let last = lines(&curve, "distill-").pop().unwrap();
    let of_stage: serde_json::Value = serde_json::from_slice(&metrics(&curve)).unwrap();
    assert_eq!(
        last["val-metrics"],
        of_stage["models"]["teacher"]["metrics"]
    );

    stop_often(&stopped, &period);
    for kind in ["burn-in-", "distill-"] {
        for name in ["journal.jsonl", "final.safetensors"] {
            let same = bytes(&stopped, kind, name) == bytes(&curve, kind, name);
            assert!(same, "{kind} {name}");
        }
    }
    assert_eq!(metrics(&stopped), metrics(&curve));
}

/// Asks the run to stop again and again, at times that grow, until it is done.
#[cfg(unix)]
fn stop_often(out: &Path, more: &[&str]) {
    let mut stops = 0;
    for wait in (1..).map(|turn| Duration::from_millis(150 * turn)) {
        let child = sweep(out, more).spawn().unwrap();
        std::thread::sleep(wait);
        let sent = Command::new("kill")
            .args(["-INT", &child.id().to_string()])
            .stderr(Stdio::null())
            .status();
        sent.unwrap();
        let output = child.wait_with_output().unwrap();
        match output.status.code() {
            Some(0) => break,
            code => {
                let text = String::from_utf8_lossy(&output.stderr);
                assert_eq!(code, Some(130), "{text}");
                stops += 1;
            }
        }
    }
    assert!(stops > 0, "the run was stopped");
}

#[cfg(not(unix))]
fn stop_often(out: &Path, more: &[&str]) {
    run(out, more);
}

/// Here all evaluations of the last phase give 0, and the first of equal ones stays: the networks after step 4.
#[test]
fn the_best_networks_are_those_of_their_step_and_the_tables_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let [best, short] = ["best", "short"].map(|name| folder.path().join(name));
    run(&best, &["eval.period=4", "eval.select=\"best-on-val\""]);
    run(&short, &["train.steps=4"]);
    let curve = lines(&best, "distill-");
    let values: Vec<f64> = curve
        .iter()
        .filter_map(|line| line["val-teacher"].as_f64())
        .collect();
    assert_eq!(values, [0.0; 3], "three equal values");
    assert_eq!(networks(&best, "distill-"), networks(&short, "distill-"));
    assert!(!of_stage(&best, "distill-", "best.safetensors").exists());
    let metrics = String::from_utf8(bytes(&best, "evaluate-", "metrics.json")).unwrap();
    let warning = "the networks after step 4 were chosen by the evaluated images";
    assert!(metrics.contains(warning), "{metrics}");
    let table = std::fs::read_to_string(best.join("smoke.md")).unwrap();
    let line = "the evaluated images also chose the networks (eval.select = \"best-on-val\")";
    assert!(table.contains(line), "{table}");
    let records = std::fs::read_to_string(best.join("records.jsonl")).unwrap();
    assert!(records.contains("\"steps\":12"), "{records}");
}
