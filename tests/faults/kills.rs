//! Tests a process that is killed at any moment.

use crate::rig::Rig;
use harness::rng::Stream;
use std::process::Stdio;
use std::time::{Duration, Instant};

const KILLS: usize = 20;

#[test]
fn twenty_kills_at_random_moments_change_no_byte() {
    let rig = Rig::new();
    let start = Instant::now();
    let expected = rig.expected();
    let whole = start.elapsed().as_secs_f64();
    let mut stream = Stream::new(20, "kills");
    let (mut kills, mut runs) = (0, 0);
    while kills < KILLS {
        let out = format!("killed-{runs}");
        let mut child = rig.sweep(&out).stderr(Stdio::null()).spawn().unwrap();
        // Most of a run's time is its start. Later moments are more interesting.
        let moment = Duration::from_secs_f64(whole * stream.uniform().sqrt());
        std::thread::sleep(moment);
        if child.try_wait().unwrap().is_none() {
            // The next run begins while the process under this one ends.
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
        } else {
            assert_eq!(
                rig.found(&out),
                expected,
                "{out}, after {kills} kills in all"
            );
            runs += 1;
        }
    }
    let out = format!("killed-{runs}");
    rig.finish(&out);
    assert_eq!(rig.found(&out), expected, "{out}");
    let left = std::fs::read_dir(rig.at(&out)).unwrap().flatten();
    let unfinished = left.filter(|entry| entry.file_name().to_string_lossy().ends_with(".tmp"));
    assert_eq!(
        unfinished.count(),
        0,
        "what a killed process left is cleaned up"
    );
}

#[test]
fn a_run_killed_inside_a_stage_goes_on_from_its_last_checkpoint() {
    let rig = Rig::new();
    let expected = rig.expected();
    let begun = || !rig.checkpoints("out", "distill-").is_empty();
    rig.killed_when("out", begun);
    let text = rig.finish("out");
    assert_eq!(rig.found("out"), expected);
    // The burn-ins are not done again.
    assert!(
        !text.contains("burn-in, seed 0 started") && !text.contains("burn-in, seed 1 started"),
        "{text}"
    );
}
