//! Tests the death of processes. If the process that runs a sweep dies, its supervisor continues. If the
//! supervisor dies, no process stays.

use crate::rig::{Process, Rig, stderr, wait};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The exit code of a run that was asked to stop.
const STOPPED: i32 = 130;
/// The time within which a process must end if it should end at once.
const AT_ONCE: Duration = Duration::from_secs(2);

/// The usual rows, each slow enough to be interrupted while it runs.
const SLOW: &str = "question = 'q'\nreference = 'both'\n[[each]]\nlabel = 'both'\nset.'method.sleep-ms' = 10\n\
    [[each]]\nlabel = '- a'\nset.'method.modules.a' = false\nset.'method.sleep-ms' = 10\n\
    [[each]]\nlabel = '- b'\nset.'method.modules.b' = false\nset.'method.sleep-ms' = 10\n";

/// The process that the supervisor `child` has started for the sweep.
fn swept(child: &Child) -> Process {
    let mut found = None;
    wait(|| {
        let mut under = Process::under(child.id()).into_iter();
        found = under.find(|process| {
            // Before `exec`, the process is a copy of its parent.
            let words = fs::read_to_string(format!("/proc/{}/cmdline", process.0));
            words.is_ok_and(|words| words.contains("--supervised"))
        });
        found.is_some()
    });
    found.unwrap()
}

/// Whether a signal reached a process, or a process group (a negative number).
fn reached(signal: &str, process: i64) -> bool {
    let number = process.to_string();
    let mut kill = Command::new("kill");
    let sent = kill.args([signal, "--", &number]).stderr(Stdio::null());
    sent.status().unwrap().success()
}

fn send(signal: &str, process: i64) {
    assert!(reached(signal, process), "{signal} {process}");
}

/// Kills a process. One that ended by itself a moment before is as dead.
fn kill(process: Process) {
    assert!(reached("-KILL", process.0.into()) || !process.lives());
}

/// The rows of a run's table by label.
fn rows(rig: &Rig, out: &str) -> BTreeMap<String, String> {
    let table = fs::read_to_string(rig.at(out).join("parts.csv")).unwrap();
    let row = |line: &str| {
        (
            line.split(',').next().unwrap().to_string(),
            line.to_string(),
        )
    };
    table.lines().map(row).collect()
}

/// Waits until two trainings are running, each with a checkpoint.
fn two_at_work(rig: &Rig, out: &str) {
    let checkpoints = || rig.checkpoints(out, "distill-");
    wait(|| checkpoints().len() == 2);
}

fn output(child: Child, code: i32) -> String {
    let output: Output = child.wait_with_output().unwrap();
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{text}");
    text
}

#[test]
fn a_trial_that_ends_its_process_costs_its_own_row() {
    let rows_of = |sweep: &str, more: &str| {
        let rig = Rig::with(&format!("{sweep}{more}"));
        let code = i32::from(!more.is_empty());
        let text = output(rig.sweep("out").spawn().unwrap(), code);
        (rows(&rig, "out"), text, rig)
    };
    let (expected, _, _) = rows_of(SLOW, "");
    for (failure, reason) in [
        (
            "memory",
            "the process was killed by signal 6 (SIGABRT; out of memory?)",
        ),
        (
            "kill",
            "the process was killed by signal 9 (SIGKILL; out of memory?)",
        ),
    ] {
        let hungry = format!(
            "[[each]]\nlabel = 'hungry'\nset.method.fail-at = 42\nset.method.failure = '{failure}'\nset.'method.sleep-ms' = 2\n"
        );
        let (mut found, text, rig) = rows_of(SLOW, &hungry);
        let row = found.remove("hungry").unwrap();
        assert!(row.contains(&format!("failed: {reason}")), "{row}");
        assert_eq!(found, expected, "{text}");
        for seed in [0, 1] {
            let told = format!("failed: hungry, seed {seed}: {reason}\n");
            assert!(text.contains(&told), "{text}");
        }
        assert_eq!(text.contains("memory allocation of"), failure == "memory");
        let trials = fs::read_dir(rig.at("out/.store/trials")).unwrap().flatten();
        let status = |path: PathBuf| fs::read_to_string(path.join("status.json")).unwrap();
        let failed = trials.filter(|trial| status(trial.path()).contains(reason));
        assert_eq!(failed.count(), 2);
    }
}

#[test]
fn trials_that_die_only_beside_each_other_succeed_one_by_one() {
    // The trial ends the process at the first attempt only, as if there had been too little memory beside the
    // other trial.
    let sweep = |fail_at: usize| {
        format!(
            "question = 'q'\n[[each]]\nlabel = 'one'\nset.'method.sleep-ms' = 5\nset.'method.fail-at' = {fail_at}\n\
             set.'method.failure' = 'kill'\nset.'method.fail-times' = 1\n\
             [[each]]\nlabel = 'other'\nset.'method.level' = 30\nset.'method.sleep-ms' = 20\n"
        )
    };
    let run = |fail_at: usize| {
        let rig = Rig::with(&sweep(fail_at));
        let mut command = rig.sweep("out");
        command.args(["--set", "method.burn-in=0", "--set", "seeds=[0]"]);
        let text = output(command.spawn().unwrap(), 0);
        (rows(&rig, "out"), text)
    };
    let (found, text) = run(30);
    assert_eq!(found, run(0).0);
    let (_, after) = text.split_once("warning: ").unwrap();
    assert!(
        after.contains("(SIGKILL; out of memory?) with 2 stages running: `"),
        "{text}"
    );
    let order: Vec<&str> = after
        .lines()
        .filter(|line| line.contains(" started") || line.contains(" ended after "))
        .map(|line| {
            if line.contains(" started") {
                "started"
            } else {
                "ended"
            }
        })
        .collect();
    assert_eq!(order, ["started", "ended", "started", "ended"], "{text}");
}

#[test]
fn a_death_counts_as_a_failure() {
    let failing = "question = 'q'\n[[each]]\nlabel = 'twice'\nset.'method.fail-at' = 30\nset.'method.fail-times' = 2\n\
                   set.'method.failure' = 'kill'\n";
    let run = |sweep: &str, more: &[&str], code: i32| {
        let rig = Rig::with(sweep);
        let mut command = rig.sweep("out");
        command.args(["--set", "seeds=[0]"]).args(more);
        output(command.spawn().unwrap(), code)
    };
    let text = run(failing, &["--retries", "1"], 1);
    assert_eq!(text.matches("tries that stage again").count(), 1, "{text}");
    assert_eq!(text.matches("that stage has failed").count(), 1, "{text}");
    run(failing, &["--retries", "2"], 0);
    let others = "[zip]\n'method.level' = [10, 11, 12, 13, 14]\n";
    let first = failing.replace("'method.fail-times' = 2", "'method.fail-times' = 0");
    let text = run(&format!("{first}{others}"), &["--fail-fast"], 1);
    assert!(text.contains("not finished: "), "{text}");
}

#[test]
fn a_killed_process_is_replaced_and_a_recipe_edited_meanwhile_changes_nothing() {
    let rig = Rig::with(SLOW);
    let expected = rig.expected();
    let child = rig.sweep("out").spawn().unwrap();
    two_at_work(&rig, "out");
    fs::write(rig.at("sweeps/parts.toml"), "question = 'half a sen").unwrap();
    kill(swept(&child));
    let text = output(child, 0);
    assert!(text.contains("with 2 stages running"), "{text}");
    assert_eq!(rig.found("out"), expected);
}

#[test]
fn a_process_killed_at_any_moment_leaves_what_the_same_command_goes_on_with() {
    let rig = Rig::new();
    let start = Instant::now();
    let expected = rig.expected();
    let whole = start.elapsed();
    for part in 1..=5 {
        let out = format!("killed-{part}");
        let child = rig.sweep(&out).spawn().unwrap();
        let process = swept(&child);
        std::thread::sleep(whole * part / 6);
        kill(process);
        // If it was killed between two stages, it ends. If it was killed in a stage, that stage has failed.
        let ended = child.wait_with_output().unwrap();
        let text = stderr(&ended);
        assert!([Some(0), Some(1)].contains(&ended.status.code()), "{text}");
        rig.finish(&out);
        assert_eq!(rig.found(&out), expected, "{text}");
    }
}

#[test]
fn without_its_supervisor_the_process_ends_at_once() {
    let rig = Rig::with(SLOW);
    let expected = rig.expected();
    let mut child = rig.sweep("out").stderr(Stdio::null()).spawn().unwrap();
    two_at_work(&rig, "out");
    let process = swept(&child);
    crate::rig::kill(&mut child);
    let start = Instant::now();
    wait(|| !process.lives());
    assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
    rig.finish("out");
    assert_eq!(rig.found("out"), expected);
}

#[test]
fn a_request_to_stop_reaches_both_processes_however_it_comes() {
    let rig = Rig::with(SLOW);
    let expected = rig.expected();
    let begin = |out: &str| {
        let child = rig.sweep(out).process_group(0).spawn().unwrap();
        two_at_work(&rig, out);
        child
    };
    for group in [false, true] {
        let out = format!("asked-{group}");
        let child = begin(&out);
        let number = i64::from(child.id());
        send("-INT", if group { -number } else { number });
        let text = output(child, STOPPED);
        assert_eq!(text.matches("stopping on SIGINT: ").count(), 1, "{text}");
        assert!(
            text.contains("run the same command again to continue"),
            "{text}"
        );
        assert!(
            !text.contains("failed") && !text.contains("warning"),
            "{text}"
        );
        rig.finish(&out);
        assert_eq!(rig.found(&out), expected);
    }
    // Twice: at once, although a step takes longer than this test may.
    let rig = Rig::new();
    let mut command = rig.sweep("twice");
    command.args(["--set", "method.sleep-ms=60000"]);
    let child = command.spawn().unwrap();
    wait(|| rig.stages("twice", "burn-in-").len() == 2);
    let process = swept(&child);
    for _ in 0..2 {
        send("-INT", child.id().into());
        std::thread::sleep(Duration::from_millis(100));
    }
    let start = Instant::now();
    output(child, STOPPED);
    wait(|| !process.lives());
    assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
}

#[test]
fn nobody_else_can_be_the_supervisor() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
    command
        .args(["sweep", "--supervised"])
        .arg(Path::new("recipes/mock.toml"));
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = stderr(&output);
    assert!(
        text.contains("only for processes started by `harness` itself"),
        "{text}"
    );
}
