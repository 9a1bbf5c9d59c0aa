//! Tests stopping, retrying and watching: `sweep` with signals and options, `plan` and `status` beside it.

use crate::rig::{Process, Rig, kill, stderr, wait};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// Keeps a terminal that is opened from becoming that of this process (Linux).
#[cfg(target_os = "linux")]
const O_NOCTTY: i32 = 0o400;
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

/// Sends the process of `child` a signal, such as `INT`.
fn send(signal: &str, child: &Child) {
    let sent = Command::new("kill")
        .args([&format!("-{signal}"), &child.id().to_string()])
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
    send("INT", &child);
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
        rig.checkpoints("out", "distill-").len(),
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

/// One trial without a checkpoint of its own, with steps of 100 ms.
fn slow(command: &mut Command) -> &mut Command {
    command.args(["--set", "seeds=[0]", "--set", "sweeps=[]"]);
    command.args([
        "--set",
        "train.checkpoint=1000",
        "--set",
        "train.steps=4000",
    ]);
    command.args(["--set", "method.sleep-ms=100"])
}

/// The command `sweep`, which hears SIGHUP even if these tests run under nohup.
#[cfg(target_os = "linux")]
fn as_from_a_terminal(sweep: &Command) -> Command {
    let mut command = Command::new("env");
    command.arg("--default-signal=HUP").arg(sweep.get_program());
    command.args(sweep.get_args());
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// Waits until the burn-in into `out` has begun.
fn begun(rig: &Rig, out: &str) {
    wait(|| !rig.files(out, "burn-in-", "environment.json").is_empty());
    std::thread::sleep(Duration::from_millis(300));
}

#[test]
#[cfg(target_os = "linux")]
fn every_signal_that_ends_or_announces_the_end_of_a_job_leaves_a_checkpoint() {
    let rig = Rig::new();
    for signal in ["TERM", "HUP", "USR1", "USR2"] {
        let mut command = as_from_a_terminal(&rig.sweep(signal));
        let child = slow(&mut command).spawn().unwrap();
        begun(&rig, signal);
        let under = Process::under(child.id());
        // A cluster may signal every process of a job.
        for process in &under {
            let mut command = Command::new("kill");
            command.args([format!("-{signal}"), process.0.to_string()]);
            assert!(command.status().unwrap().success());
        }
        send(signal, &child);
        let output = child.wait_with_output().unwrap();
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(STOPPED), "{signal}: {text}");
        assert!(text.contains(&format!("stopping on SIG{signal}")), "{text}");
        assert!(text.contains("run the same command again"), "{text}");
        assert!(!under.iter().any(|process| process.lives()), "{signal}");
        let kept = rig.checkpoints(signal, "burn-in-");
        assert_eq!(kept.len(), 1, "{signal}");
    }
}

#[test]
fn a_forwarded_sigterm_is_waited_for_and_a_second_ctrl_c_is_not() {
    let rig = Rig::new();
    for (signal, waits) in [("TERM", true), ("INT", false)] {
        let child = slow(&mut rig.sweep(signal)).spawn().unwrap();
        begun(&rig, signal);
        send(signal, &child);
        std::thread::sleep(Duration::from_millis(20));
        send(signal, &child);
        let output = child.wait_with_output().unwrap();
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(STOPPED), "{signal}: {text}");
        assert_eq!(text.contains("stopped: "), waits, "{signal}: {text}");
    }
}

#[test]
fn a_single_stage_stops_at_a_warning_too() {
    let rig = Rig::new();
    let child = slow(&mut rig.sweep("out")).spawn().unwrap();
    begun(&rig, "out");
    send("INT", &child);
    child.wait_with_output().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
    command
        .args(["stage", "out", "burn-in"])
        .current_dir(rig.at(""));
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let child = child.unwrap();
    std::thread::sleep(Duration::from_millis(500));
    send("USR1", &child);
    let output = child.wait_with_output().unwrap();
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(STOPPED), "{text}");
    assert!(text.contains("continues from its checkpoint"), "{text}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_sweep_under_nohup_outlives_its_terminal() {
    let rig = Rig::new();
    let sweep = rig.sweep("out");
    let mut command = Command::new("nohup");
    command.arg(sweep.get_program()).args(sweep.get_args());
    command.args(["--set", "method.sleep-ms=10"]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let child = child.unwrap();
    wait(|| !rig.files("out", "burn-in-", "environment.json").is_empty());
    send("HUP", &child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
#[cfg(target_os = "linux")]
fn a_closed_terminal_leaves_a_checkpoint_and_no_failure() {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let rig = Rig::new();
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    let screen = || {
        let mut open = std::fs::File::options();
        let open = std::os::unix::fs::OpenOptionsExt::custom_flags(&mut open, O_NOCTTY);
        open.read(true).write(true).open(name.to_str().unwrap())
    };
    let mut command = as_from_a_terminal(&rig.sweep("out"));
    let child = slow(&mut command)
        .stdout(screen().unwrap())
        .stderr(screen().unwrap());
    let mut child = child.spawn().unwrap();
    begun(&rig, "out");
    drop((command, terminal));
    send("HUP", &child);
    assert_eq!(child.wait().unwrap().code(), Some(STOPPED));
    let failed = rig.files("out", "burn-in-", "failure.json").len();
    let kept = rig.checkpoints("out", "burn-in-").len();
    assert_eq!((kept, failed), (1, 0));
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
    wait(|| !rig.checkpoints("out", "burn-in-").is_empty());
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
    let hasty = harness(&rig, &["status", "out", "--watch", "29"]);
    assert_eq!(hasty.status.code(), Some(2));
    assert!(stderr(&hasty).contains("29 is not in 30..=86400"));
    stdout(&rig.sweep("out").output().unwrap());
    // What is done is printed once, without a pause.
    let watched = stdout(&harness(&rig, &["status", "out", "--watch"]));
    assert_eq!(watched, stdout(&harness(&rig, &["status", "out"])));
    assert!(watched.contains("6 of 6 trials done"), "{watched}");
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
    let told = [
        ("recipes", "no sweep has begun here"),
        ("nowhere", "no folder `nowhere`"),
    ];
    for (folder, part) in told {
        let output = harness(&rig, &["status", folder]);
        assert_eq!(output.status.code(), Some(2));
        let text = stderr(&output);
        assert!(text.contains(part), "{text}");
    }
}
