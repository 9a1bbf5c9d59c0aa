//! `harness work` on a submission: its exit codes, signals, and what it leaves in the store. The submissions are made
//! by `harness submit` with stand-ins for Slurm's commands, so that nothing but the program runs.

use crate::rig::{self, Process, Rig, wait};
use crate::stand_in::{Cluster, code};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// The exit codes of a job.
const YIELDED: i32 = 75;
const NOT_READY: i32 = 76;
const STOPPED: i32 = 130;

/// A sweep of one variant and one seed: a burn-in and a training are one element.
const ONE: &str = "question = 'q'\n[[each]]\nlabel = 'one'\n";

fn work(cluster: &Cluster, element: usize) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
    command.arg("work").arg(cluster.submission());
    command.args([
        "--element",
        &element.to_string(),
        "--device",
        "cpu",
        "--patience",
        "1",
    ]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn send(signal: &str, process: u32) {
    let sent = Command::new("kill")
        .args([format!("-{signal}"), process.to_string()])
        .status();
    assert!(sent.unwrap().success());
}

/// Waits until the element that `child` works on has taken steps after the line `after` of its journal.
fn at_work(rig: &Rig, after: &str) {
    wait(|| rig.journals("out", "").contains(after));
    std::thread::sleep(Duration::from_millis(50));
}

/// Runs an element and sends `signals` to its process, or to all its processes, in the middle of its first step.
fn signalled(rig: &Rig, cluster: &Cluster, signals: &[&str], to_all: bool) -> Output {
    let child: Child = work(cluster, 0).spawn().unwrap();
    wait(|| !rig.files("out", "burn-in-", "environment.json").is_empty());
    std::thread::sleep(Duration::from_millis(300));
    let mut processes = vec![child.id()];
    if to_all {
        processes.extend(Process::under(child.id()).iter().map(|process| process.0));
    }
    for signal in signals {
        for process in &processes {
            send(signal, *process);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.wait_with_output().unwrap()
}

#[test]
#[cfg(target_os = "linux")]
fn usr2_yields_and_every_other_signal_stops_each_with_a_checkpoint() {
    for (signals, to_all, expected) in [
        (&["USR2"][..], false, YIELDED),
        (&["USR2"], true, YIELDED),
        (&["TERM"], true, STOPPED),
        // A shell forwards what Slurm has sent already.
        (&["TERM", "TERM"], true, STOPPED),
        (&["USR1"], false, STOPPED),
        // Who is cancelled while it yields is not queued again.
        (&["USR2", "TERM"], true, STOPPED),
        (&["TERM", "USR2"], true, STOPPED),
    ] {
        let rig = Rig::with(ONE);
        let set = ["seeds=[0]", "method.sleep-ms=2000", "train.checkpoint=1000"];
        let cluster = Cluster::submitted(&rig, &set);
        let output = signalled(&rig, &cluster, signals, to_all);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(expected), "{signals:?}: {text}");
        let kept = rig.checkpoints("out", "");
        assert_eq!(kept.len(), 1, "{signals:?}: {text}");
        assert!(
            !rig.at("out/records.jsonl").exists(),
            "an element writes no records"
        );
        let word = if expected == YIELDED {
            "yielded: "
        } else {
            "stopped: "
        };
        assert!(text.contains(word), "{text}");
    }
}

#[test]
fn elements_and_the_last_job_leave_the_bytes_of_a_sweep() {
    let rig = Rig::new();
    let expected = rig.expected();
    let cluster = Cluster::submitted(&rig, &[]);
    assert_eq!(cluster.elements(), 2 + 6, "two burn-ins and six trials");
    for element in 0..cluster.elements() {
        let output = work(&cluster, element).output().unwrap();
        assert_eq!(code(&output), 0, "{element}: {}", rig::stderr(&output));
    }
    let again = work(&cluster, 3).output().unwrap();
    assert_eq!(code(&again), 0, "what is done is done");
    let mut finish = Command::new(env!("CARGO_BIN_EXE_harness"));
    finish.arg("work").arg(cluster.submission()).arg("--finish");
    let output = finish.output().unwrap();
    assert_eq!(code(&output), 0, "{}", rig::stderr(&output));
    assert_eq!(rig.found("out"), expected);
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(shown.contains("Results: "), "{shown}");
}

#[test]
fn an_element_whose_needs_are_not_there_says_so() {
    let rig = Rig::new();
    let cluster = Cluster::submitted(&rig, &[]);
    let output = work(&cluster, 2).output().unwrap();
    let text = rig::stderr(&output);
    assert_eq!(code(&output), NOT_READY, "{text}");
    assert!(
        text.contains("it needs a result that is not there: ") && text.contains("burn-in-"),
        "{text}"
    );
}

#[test]
fn an_element_that_another_process_works_on_is_left_to_it() {
    let rig = Rig::with(ONE);
    let cluster = Cluster::submitted(&rig, &["seeds=[0]", "method.sleep-ms=150"]);
    let mut first = work(&cluster, 0).stderr(Stdio::null()).spawn().unwrap();
    at_work(&rig, "\"step\":20,");
    let output = work(&cluster, 0).output().unwrap();
    let text = rig::stderr(&output);
    assert_eq!(code(&output), NOT_READY, "{text}");
    assert!(text.contains("another process works on"), "{text}");
    assert_eq!(first.wait().unwrap().code(), Some(0));
}

#[test]
fn a_failed_stage_fails_its_element_and_the_records_say_so() {
    let sweep = "question = 'q'\n[[each]]\nlabel = 'well'\n[[each]]\nlabel = 'badly'\nset.'method.fail-at' = 55\n";
    let rig = Rig::with(sweep);
    let cluster = Cluster::submitted(&rig, &["seeds=[0]"]);
    let codes: Vec<i32> = (0..cluster.elements())
        .map(|element| code(&work(&cluster, element).output().unwrap()))
        .collect();
    assert_eq!(codes, [0, 0, 1]);
    let mut finish = Command::new(env!("CARGO_BIN_EXE_harness"));
    finish.arg("work").arg(cluster.submission()).arg("--finish");
    let output = finish.output().unwrap();
    assert_eq!(code(&output), 1);
    assert!(
        rig::stderr(&output).contains("failed: badly, seed 0"),
        "{}",
        rig::stderr(&output)
    );
    let records = std::fs::read_to_string(rig.at("out/records.jsonl")).unwrap();
    assert_eq!(records.lines().count(), 2, "{records}");
    assert_eq!(records.matches("\"failed\"").count(), 1, "{records}");
}

#[test]
fn a_recipe_that_is_edited_or_a_variable_of_the_shell_changes_no_job() {
    let rig = Rig::with(ONE);
    let expected = {
        let output = rig
            .sweep("straight")
            .args(["--set", "seeds=[0]"])
            .output()
            .unwrap();
        assert_eq!(code(&output), 0, "{}", rig::stderr(&output));
        rig.found("straight")
    };
    let cluster = Cluster::submitted(&rig, &["seeds=[0]"]);
    std::fs::write(rig.recipe(), "this is no recipe").unwrap();
    let mut command = work(&cluster, 0);
    command.env("HARNESS_TRAIN__STEPS", "3");
    let output = command.output().unwrap();
    assert_eq!(code(&output), 0, "{}", rig::stderr(&output));
    let mut finish = Command::new(env!("CARGO_BIN_EXE_harness"));
    finish.arg("work").arg(cluster.submission()).arg("--finish");
    assert_eq!(code(&finish.output().unwrap()), 0);
    let found = rig.found("out");
    for (path, text) in &expected {
        // The heads of the tables name what was set by hand, which is the same here.
        assert_eq!(found.get(path), Some(text), "{}", path.display());
    }
}

#[test]
fn a_file_asks_for_a_yield_and_only_once() {
    let rig = Rig::with(ONE);
    let set = ["seeds=[0]", "method.sleep-ms=150", "train.checkpoint=1000"];
    let cluster = Cluster::submitted(&rig, &set);
    let child = work(&cluster, 0).spawn().unwrap();
    wait(|| !rig.files("out", "burn-in-", "environment.json").is_empty());
    std::fs::write(cluster.submission().join("yield"), "").unwrap();
    let output = child.wait_with_output().unwrap();
    let text = rig::stderr(&output);
    assert_eq!(code(&output), YIELDED, "{text}");
    assert!(text.contains("yield was touched"), "{text}");
    assert_eq!(rig.checkpoints("out", "").len(), 1, "{text}");
    // The job that comes after it is not meant.
    let mut command = work(&cluster, 0);
    let output = command.output().unwrap();
    assert_eq!(code(&output), 0, "{}", rig::stderr(&output));
}

#[test]
fn wrong_arguments_are_answered_with_what_is_allowed() {
    let rig = Rig::with(ONE);
    let cluster = Cluster::submitted(&rig, &["seeds=[0]"]);
    let output = work(&cluster, 7).output().unwrap();
    let text = rig::stderr(&output);
    assert_eq!(code(&output), 2, "{text}");
    assert!(
        text.contains("--element 7") && text.contains("0 to 0"),
        "{text}"
    );
    let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
    let output = command
        .arg("work")
        .arg(rig.at("recipes"))
        .args(["--element", "0"])
        .output();
    let output = output.unwrap();
    assert_eq!(code(&output), 2);
    let text = rig::stderr(&output);
    assert!(
        text.contains("is no submission") && text.contains(".store/submissions/ID"),
        "{text}"
    );
}
