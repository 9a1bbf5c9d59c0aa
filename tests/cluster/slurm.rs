//! The whole way on a real Slurm: submitted work is disturbed in every way that a cluster has, and ends in the bytes
//! of an undisturbed sweep.

use crate::loopback::{Loopback, Shown};
use crate::rig::{Rig, stderr, wait};
use crate::stand_in::{code, stdout};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// No part of a test takes as long.
const LONG: Duration = Duration::from_secs(240);
/// The age at which a process has begun just now: long beside its start, short beside its training.
const JUST_NOW: Duration = Duration::from_millis(1200);
/// The time that an element trains before it is disturbed.
const SOME_STEPS: Duration = Duration::from_millis(400);
/// The profile of the tests: two elements run on each node.
const PROFILE: &str =
    "[profile.loopback]\npartition = 'low'\ntime = '60'\ngpus = 0\ncpus = 1\nlead = 120\n";
/// Seven variants of recipes/mock.toml.
const SEVEN: &str = "question = 'q'\nreference = 'effect 0'\n[zip]\nlabel = 'effect {method.effects.weighting}'\n\
    'method.effects.weighting' = [0, 0.5, 1, 1.5, 2, 3, 4]\n";

/// A recipe that extends recipes/mock.toml, with a profile beside it.
struct Work<'a> {
    rig: Rig,
    slurm: &'a Loopback,
}

impl<'a> Work<'a> {
    fn new(slurm: &'a Loopback, sweep: &str, recipe: &str) -> Self {
        let rig = Rig::with(sweep);
        let mock = Path::new("recipes/mock.toml").canonicalize().unwrap();
        let text = format!(
            "extends = {:?}\nsweeps = ['parts']\n{recipe}",
            mock.to_str().unwrap()
        );
        fs::write(rig.recipe(), text).unwrap();
        let work = Self { rig, slurm };
        work.profile(PROFILE);
        work
    }

    fn harness(&self, words: &[&str]) -> Output {
        let mut command = self.slurm.command(env!("CARGO_BIN_EXE_harness"));
        // Variables of the shell must not reach the jobs.
        command
            .args(words)
            .current_dir(self.rig.at(""))
            .env_remove("HARNESS_TRAIN__STEPS");
        command.output().unwrap()
    }

    /// Runs the sweep without Slurm, and returns what it leaves.
    fn undisturbed(&self, trials: usize) -> BTreeMap<PathBuf, String> {
        let words = ["sweep", "recipes/own.toml", "--out", "undisturbed"];
        let sweep = self.harness(&[&words[..], &["--workers", "24"]].concat());
        assert_eq!(code(&sweep), 0, "{}", stderr(&sweep));
        let found = self.found("undisturbed");
        assert_eq!(found.len(), 3 + 4 * trials, "{trials} trials");
        found
    }

    fn profile(&self, text: &str) {
        fs::write(self.rig.at("recipes/harness.slurm.toml"), text).unwrap();
    }

    fn submit(&self) -> String {
        let output = self.harness(&["submit", "recipes/own.toml", "--out", "out"]);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        stdout(&output)
    }

    fn status(&self) -> String {
        let output = self.harness(&["status", "out"]);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        stdout(&output)
    }

    /// Waits until an element that is not in `apart` has begun to train just now, and returns it. No other element
    /// waits for it.
    fn training(&self, apart: &BTreeSet<String>) -> Shown {
        let mut found = None;
        self.slurm.wait(LONG, "an element trains", |queue| {
            let trains = |job: &&Shown| {
                let place = job.place();
                let is_trial = job.state == "RUNNING" && job.name.contains("-1-");
                // The shell, the supervisor and the process that trains.
                let ages = || {
                    self.slurm
                        .processes(&place)
                        .into_iter()
                        .map(age)
                        .collect::<Vec<_>>()
                };
                let is_new = || matches!(ages()[..], [_, _, age] if age < JUST_NOW);
                is_trial && !apart.contains(&place) && is_new()
            };
            found = queue.iter().find(trains).cloned();
            found.is_some()
        });
        // Some steps.
        std::thread::sleep(SOME_STEPS);
        found.unwrap()
    }

    /// Waits until no job of ours waits or runs.
    fn await_end(&self) {
        self.slurm.wait(LONG, "all jobs end", |queue| {
            let ours = queue.iter().filter(|job| job.name.starts_with("hs-"));
            ours.clone().count() > 0
                && ours.into_iter().all(|job| {
                    !["PENDING", "CONFIGURING", "RUNNING", "COMPLETING"].contains(&&*job.state)
                })
        });
    }

    /// What a sweep and a submission have to have the same.
    fn found(&self, out: &str) -> BTreeMap<PathBuf, String> {
        self.rig.found(out)
    }
}

/// The time since a process began.
fn age(process: u32) -> Duration {
    let read = |path: String| fs::read_to_string(path).unwrap_or_default();
    let since_start = read("/proc/uptime".into());
    let now: f64 = since_start
        .split(' ')
        .next()
        .and_then(|word| word.parse().ok())
        .unwrap_or(f64::MAX);
    let text = read(format!("/proc/{process}/stat"));
    // The name before it may contain anything; the 20th word after it is the start in hundredths of a second.
    let start = text
        .rsplit_once(')')
        .and_then(|(_, rest)| rest.split_whitespace().nth(19)?.parse::<f64>().ok());
    Duration::from_secs_f64((now - start.unwrap_or(0.0) / 100.0).clamp(0.0, 1e6))
}

fn send(signal: &str, process: u32) {
    let mut command = Command::new("kill");
    command
        .args([format!("-{signal}"), process.to_string()])
        .stderr(Stdio::null());
    command.status().unwrap();
}

#[test]
fn a_disturbed_submission_ends_in_the_bytes_of_an_undisturbed_sweep() {
    let Some(slurm) = Loopback::start() else {
        return;
    };
    let work = Work::new(
        &slurm,
        SEVEN,
        "seeds = [0, 1, 2]\n[method]\nsleep-ms = 80\n",
    );
    let expected = work.undisturbed(21);

    let text = work.submit();
    assert!(text.contains("24 elements in 4 arrays"), "{text}");
    let mut apart = BTreeSet::new();
    // One is killed with all its processes, as by a machine that is out of memory.
    let killed = work.training(&apart).place();
    apart.insert(killed.clone());
    for process in slurm.processes(&killed) {
        send("KILL", process);
    }
    // One is told that its time is nearly over.
    let yields = work.training(&apart).place();
    apart.insert(yields.clone());
    send("USR2", slurm.processes(&yields)[0]);
    // One is cancelled.
    let cancelled = work.training(&apart).place();
    apart.insert(cancelled.clone());
    slurm.run("scancel", &[&cancelled]);
    // One, and what runs beside it, makes room for a job of more weight. One that ends before Slurm has looked is none.
    let preempted = loop {
        let one = work.training(&apart);
        apart.insert(one.place());
        let node = format!("--nodelist={}", one.node);
        slurm.run(
            "sbatch",
            &[
                "--partition=high",
                &node,
                "-n2",
                "--time=5",
                "--output=/dev/null",
                "--wrap=sleep 1",
            ],
        );
        let mut state = String::new();
        slurm.wait(LONG, "it makes room or ends", |queue| {
            let job = queue.iter().find(|job| job.place() == one.place());
            state = job.map_or_else(String::new, |job| job.state.clone());
            !["RUNNING", "COMPLETING"].contains(&&*state)
        });
        if state != "COMPLETED" {
            break one.place();
        }
    };

    slurm.wait(LONG, "every disturbance has its consequence", |queue| {
        let state = |place: &str| {
            let job = queue.iter().find(|job| job.place() == place).unwrap();
            (job.state.clone(), job.reason.clone())
        };
        let is_over = |place: &str| ["FAILED", "CANCELLED"].contains(&&*state(place).0);
        is_over(&killed) && is_over(&cancelled)
    });
    let text = work.submit();
    assert!(
        text.contains("2 elements in "),
        "the killed one and the cancelled one: {text}"
    );
    work.await_end();
    let restarted = |place: &str| {
        let text = slurm.run("scontrol", &["show", "job", place]);
        assert!(text.contains("Restarts="), "{text}");
        !text.contains("Restarts=0")
    };
    assert!(restarted(&yields), "it was queued again");
    assert!(restarted(&preempted), "it was queued again");
    assert!(
        !restarted(&cancelled),
        "a cancelled element stays cancelled"
    );
    assert_eq!(work.found("out"), expected);
    let status = work.status();
    assert!(
        status.contains("21 of 21 trials done") && !status.contains("Slurm"),
        "{status}"
    );
    let output = work.harness(&["submit", "recipes/own.toml", "--out", "out"]);
    assert!(stdout(&output).contains("Results: "), "{}", stdout(&output));
    assert_eq!(work.found("out"), expected);
}

/// The last job of each round runs on a node and hands over the next one.
#[test]
fn rounds_of_seeds_follow_one_another_by_themselves() {
    let Some(slurm) = Loopback::start() else {
        return;
    };
    let two = "question = 'q'\nreference = 'a'\n[[each]]\nlabel = 'a'\n\
        [[each]]\nlabel = 'b'\nset.'method.effects.weighting' = 1.0\n";
    // At four seeds no evidence is strong enough, so there are three rounds.
    let seeds = "seeds = { at-least = 2, at-most = 4, until = 'decided' }\n";
    let work = Work::new(&slurm, two, seeds);
    let sweep = work.harness(&["sweep", "recipes/own.toml", "--out", "undisturbed"]);
    assert_eq!(code(&sweep), 0, "{}", stderr(&sweep));
    let expected = work.found("undisturbed");
    assert_eq!(expected.len(), 3 + 4 * 8, "eight trials");
    work.submit();
    work.await_end();
    let submissions = fs::read_dir(work.rig.at("out/.store/submissions")).unwrap();
    let submissions = submissions.flatten().map(|entry| entry.path());
    let submissions: Vec<PathBuf> = submissions
        .filter(|folder| folder.join("elements.json").exists())
        .collect();
    assert_eq!(submissions.len(), 3);
    assert_eq!(work.found("out"), expected);
    let status = work.status();
    assert!(status.contains("8 of 8 trials done"), "{status}");
}

#[test]
fn a_failed_shared_stage_cancels_its_own_trials_and_no_others() {
    let Some(slurm) = Loopback::start() else {
        return;
    };
    // Two variants share a burn-in that fails.
    let sweep = "question = 'q'\nreference = 'a'\n[[each]]\nlabel = 'a'\n\
        [[each]]\nlabel = 'b'\nset.'method.modules.filter' = false\n\
        [[each]]\nlabel = 'c'\nset.'method.fail-at' = 3\n\
        [[each]]\nlabel = 'd'\nset.'method.fail-at' = 3\nset.'method.modules.filter' = false\n";
    let work = Work::new(&slurm, sweep, "seeds = [0]\n");
    let text = work.submit();
    assert!(text.contains("6 elements in 3 arrays"), "{text}");
    work.await_end();
    let queue = slurm.queue();
    let ended = |state: &str| {
        queue
            .iter()
            .filter(|job| job.name.starts_with("hs-") && job.state == state)
            .count()
    };
    assert_eq!(ended("CANCELLED"), 2, "{queue:?}");
    assert_eq!(ended("COMPLETED"), 1 + 2, "{queue:?}");
    let status = work.status();
    for part in ["2 of 4 trials done", "failed: burn-in, seed 0", "over: "] {
        assert!(status.contains(part), "{part}: {status}");
    }
    let records = fs::read_to_string(work.rig.at("out/records.jsonl")).unwrap();
    assert_eq!(
        records.matches("\"failed\"").count(),
        2,
        "the last job wrote them: {records}"
    );
}

#[test]
fn packs_chains_setup_and_a_wrapper_that_dies_of_the_signal_leave_the_bytes_of_a_sweep() {
    let Some(slurm) = Loopback::start() else {
        return;
    };
    let work = Work::new(&slurm, SEVEN, "seeds = [0]\n[method]\nsleep-ms = 40\n");
    let expected = work.undisturbed(7);
    // The shell does not replace itself by the program, and has no trap for the signal.
    work.profile(&format!(
        "{PROFILE}pack = 2\nchain = 2\nsetup = ['export FROM_SETUP=\"a word\"']\nextra = ['--nice=1']\n\
         wrapper = ['bash', '-c', 'echo \"wrapped: $FROM_SETUP\"; \"$@\"; exit $?', 'wrapper']\n"
    ));
    let text = work.submit();
    // A burn-in, and seven trials in fours.
    assert!(text.contains("3 elements in 2 arrays"), "{text}");
    let mut place = String::new();
    slurm.wait(LONG, "a pack trains", |queue| {
        let trains = |job: &&Shown| job.state == "RUNNING" && job.name.contains("-1-");
        place = queue
            .iter()
            .find(trains)
            .map_or_else(String::new, Shown::place);
        let steps = work.rig.journals("out", "distill-");
        !place.is_empty() && steps.contains("\"step\":80,")
    });
    send("USR2", slurm.processes(&place)[0]);
    work.await_end();
    let shown = slurm.run("scontrol", &["show", "job", &place]);
    assert!(
        shown.contains("Restarts=1") && shown.contains("Nice=1"),
        "{shown}"
    );
    assert_eq!(work.found("out"), expected);
    let log = logs(&work.rig.at("out"))
        .into_iter()
        .find(|log| log.ends_with(format!("{place}.out")));
    let log = fs::read_to_string(log.expect("every job has a log")).unwrap();
    assert_eq!(log.matches("wrapped: a word").count(), 2, "{log}");
    assert!(
        log.contains("yielded: "),
        "the program wrote its checkpoint: {log}"
    );
}

#[test]
fn a_submit_that_dies_behind_sbatch_hands_nothing_over_twice() {
    let Some(slurm) = Loopback::start() else {
        return;
    };
    let work = Work::new(&slurm, SEVEN, "seeds = [0]\n");
    let expected = work.undisturbed(7);
    // A shell between the two: Slurm has the array, and `harness submit` dies before it hears of it.
    let bin = work.rig.at("bin");
    fs::create_dir(&bin).unwrap();
    let text =
        "#!/bin/sh\nPATH=${PATH#*:} sbatch \"$@\"\ncase \"$*\" in *-1-0*) kill -9 $PPID ;; esac\n";
    fs::write(bin.join("sbatch"), text).unwrap();
    fs::set_permissions(bin.join("sbatch"), fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = work.slurm.command(env!("CARGO_BIN_EXE_harness"));
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    command.args(["submit", "recipes/own.toml", "--out", "out"]);
    let output = command
        .current_dir(work.rig.at(""))
        .env("PATH", path)
        .output();
    assert_eq!(output.unwrap().status.code(), None, "it was killed");
    let output = work.harness(&["submit", "recipes/own.toml", "--out", "out"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert!(
        stdout(&output).contains("Nothing to submit: "),
        "{}",
        stdout(&output)
    );
    work.await_end();
    let queue = slurm.queue();
    let elements = queue.iter().filter(|job| job.index.is_some());
    assert_eq!(elements.count(), 1 + 7, "{queue:?}");
    work.submit();
    assert_eq!(work.found("out"), expected);
}

#[test]
#[ignore = "minutes: Slurm looks at time limits every 30 seconds"]
fn the_time_limit_is_told_and_the_element_goes_on() {
    let Some(slurm) = Loopback::start() else {
        return;
    };
    let sweep = "question = 'q'\nreference = 'a'\n[[each]]\nlabel = 'a'\n";
    // Two minutes of steps, in jobs of three minutes that are told two minutes before.
    let work = Work::new(&slurm, sweep, "seeds = [0]\n[method]\nsleep-ms = 1200\n");
    let expected = work.undisturbed(1);
    work.profile(&PROFILE.replace("'60'", "'3'"));
    work.submit();
    slurm.wait(Duration::from_secs(600), "it is done", |_| {
        work.rig.files("out", "evaluate-", "metrics.json").len() == 1
    });
    let queue = slurm.queue();
    let element = queue
        .iter()
        .find(|job| job.index == Some(0))
        .unwrap()
        .place();
    let shown = slurm.run("scontrol", &["show", "job", &element]);
    assert!(!shown.contains("Restarts=0"), "{shown}");
    work.await_end();
    assert_eq!(work.found("out"), expected);
}

#[test]
#[ignore = "a minute: Slurm has to find out that a node is gone"]
fn an_orphan_of_a_lost_node_and_its_successor_leave_one_result() {
    let Some(mut slurm) = Loopback::start() else {
        return;
    };
    // Four elements without a burn-in fill both nodes. Those of the first one end soon, so that it has room for those
    // of the other one while their first processes still work.
    let row = |label: &str, milliseconds: u32| {
        format!(
            "[[each]]\nlabel = '{label}'\nset.'method.sleep-ms' = {milliseconds}\nset.'method.level' = {}\n",
            label.len()
        )
    };
    let rows = [("a", 200), ("bb", 200), ("ccc", 1200), ("dddd", 1200)];
    let rows: String = rows.map(|(label, time)| row(label, time)).concat();
    let sweep = format!("question = 'q'\nreference = 'a'\n{rows}");
    let work = Work::new(&slurm, &sweep, "seeds = [0]\n[method]\nburn-in = 0\n");
    let expected = work.undisturbed(4);
    work.submit();
    slurm.wait(
        LONG,
        "all train, the slow ones on the second node",
        |queue| {
            let runs = |job: &&Shown| job.state == "RUNNING" && job.index.is_some();
            let mut nodes: Vec<_> = queue.iter().filter(runs).collect();
            nodes.sort_by_key(|job| job.index);
            let nodes: Vec<&str> = nodes.iter().map(|job| job.node.as_str()).collect();
            nodes == ["n1", "n1", "n2", "n2"]
        },
    );
    wait(|| {
        let journals = work.rig.journals("out", "distill-");
        journals.matches("\"step\":10,").count() == 4
    });
    let rig = work.rig;
    slurm.kill_second_node();
    slurm.wait(LONG, "the node is missed", |queue| {
        let again = |job: &&Shown| {
            job.state == "PENDING" && job.name.starts_with("hs-") && job.index.is_some()
        };
        queue.iter().filter(again).count() == 2
    });
    slurm.wait(LONG, "all is done", |_| {
        rig.files("out", "evaluate-", "metrics.json").len() == 4
    });
    // Two stages were taken from processes that lived on, which gave up at their next file.
    let logs = logs(&rig.at("out"));
    let text: Vec<String> = logs
        .iter()
        .map(|log| fs::read_to_string(log).unwrap())
        .collect();
    let fenced = text
        .iter()
        .filter(|text| text.contains("another process has taken over"));
    assert_eq!(fenced.count(), 2, "{text:?}");
    let slurm = &slurm;
    let work = Work { rig, slurm };
    work.await_end();
    work.submit();
    assert_eq!(work.found("out"), expected);
}

#[test]
#[ignore = "needs slurmdbd and a database: what the queue has forgotten, the accounts tell"]
fn accounts_tell_what_the_queue_has_forgotten() {
    let Some(slurm) = Loopback::with_accounts() else {
        return;
    };
    let sweep = "question = 'q'\nreference = 'a'\n[[each]]\nlabel = 'a'\n[[each]]\nlabel = 'b'\nset.'method.level' = 3\n\
        [[each]]\nlabel = 'c'\nset.'method.level' = 4\n";
    let recipe = "seeds = [0]\n[method]\nburn-in = 0\nsleep-ms = 100\n";
    let work = Work::new(&slurm, sweep, recipe);
    let expected = work.undisturbed(3);
    work.submit();
    let mut places: Vec<String> = Vec::new();
    slurm.wait(LONG, "three train", |queue| {
        let runs = |job: &&Shown| job.state == "RUNNING" && job.index.is_some();
        places = queue.iter().filter(runs).map(Shown::place).collect();
        let begun = work.rig.journals("out", "distill-");
        places.len() == 3 && begun.matches("\"step\":20,").count() == 3
    });
    for process in slurm.processes(&places[0]) {
        send("KILL", process);
    }
    slurm.run("scancel", &[&places[1]]);
    slurm.wait(LONG, "the queue has forgotten all jobs", |queue| {
        queue.iter().all(|job| !job.name.starts_with("hs-"))
    });
    let status = work.status();
    for (part, place) in [
        ("over: it ended without its results: ", &places[0]),
        ("over: cancelled: ", &places[1]),
    ] {
        let line = status.lines().find(|line| line.contains(part));
        assert!(
            line.is_some_and(|line| line.contains(&format!("({place})"))),
            "{part}{place}: {status}"
        );
    }
    assert!(status.contains("2 elements not done"), "{status}");
    work.submit();
    slurm.wait(LONG, "all is done", |_| {
        work.rig.files("out", "evaluate-", "metrics.json").len() == 3
    });
    slurm.wait(LONG, "the last job ends", |queue| queue.is_empty());
    work.submit();
    assert_eq!(work.found("out"), expected);
}

/// The logs of all jobs of a results folder.
fn logs(out: &Path) -> Vec<PathBuf> {
    let inside = |folder: PathBuf| fs::read_dir(folder).into_iter().flatten().flatten();
    let submissions = inside(out.join(".store/submissions"));
    let logs = submissions.flat_map(|entry| inside(entry.path().join("log")));
    let mut logs: Vec<PathBuf> = logs.map(|entry| entry.path()).collect();
    logs.sort();
    logs
}
