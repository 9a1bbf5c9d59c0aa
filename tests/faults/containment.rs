//! A trial that fails in any way costs only its own row and no earlier results.

use crate::rig::{Rig, stderr};
use std::fs;

const FAILING: &str = "question = 'q'\nreference = 'well'\n[[each]]\nlabel = 'well'\n\
    [[each]]\nlabel = 'error'\nset.method.fail-at = 42\n\
    [[each]]\nlabel = 'panic'\nset.method.fail-at = 43\nset.method.failure = 'panic'\n\
    [[each]]\nlabel = 'no number'\nset.method.fail-at = 44\nset.method.failure = 'non-finite'\n\
    [[each]]\nlabel = 'twice'\nset.method.fail-at = 45\nset.method.fail-times = 2\n";

#[test]
fn errors_panics_and_losses_that_are_no_numbers_stay_with_their_trial() {
    let rig = Rig::with(FAILING);
    let run = || {
        let output = rig.sweep("out").output().unwrap();
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        (text, fs::read_to_string(rig.at("out/parts.csv")).unwrap())
    };
    let (text, table) = run();
    for reason in [
        "failed: error, seed 0: the settings ask for a failure at step 42",
        "failed: panic, seed 1: panic: the settings ask for a panic at step 43",
        "failed: no number, seed 0: the loss is NaN at step 44",
    ] {
        assert!(text.contains(reason), "`{reason}` is not in: {text}");
    }
    let rows: Vec<&str> = table.lines().collect();
    assert!(
        rows[1].starts_with("well,2,") && rows[1].contains(",ok,"),
        "{table}"
    );
    assert!(
        rows[2..].iter().all(|row| row.contains("failed: ")),
        "{table}"
    );

    // For a failure, even a panic, the message contains the last lines of the log and its path.
    for (label, step) in [("error", 41), ("panic", 42)] {
        let after = text.split(&format!("failed: {label}, seed 0")).nth(1);
        let mut lines = after.unwrap().lines().skip(1);
        let path = lines
            .next()
            .unwrap()
            .trim()
            .strip_suffix(", last lines:")
            .unwrap();
        let log = fs::read_to_string(path).unwrap();
        let last = log.lines().last().unwrap();
        assert!(
            last.starts_with(&format!("{{\"step\":{step},")),
            "up to the failure: {log}"
        );
        assert!(lines.take(3).any(|line| line.trim() == last), "{text}");
    }
    let status = rig.at("out/.store/trials");
    let failed = fs::read_dir(status).unwrap().flatten();
    let status = failed.map(|trial| fs::read_to_string(trial.path().join("status.json")).unwrap());
    assert_eq!(status.filter(|text| text.contains("\"failed\"")).count(), 8);

    // Only the failed trial is run again.
    let (text, _) = run();
    assert!(!text.contains(" well, seed"), "{text}");
    assert!(text.contains("failed: twice, seed 0"), "{text}");
    let (_, table) = run();
    let row = table.lines().last().unwrap();
    assert!(
        row.starts_with("twice,2,") && row.contains(",ok,"),
        "{table}"
    );
}

#[test]
fn a_failure_does_not_take_an_earlier_result_away() {
    let sweep = "question = 'q'\n[[each]]\nlabel = 'once'\nset.method.fail-at = 30\nset.method.fail-times = 1\n";
    let rig = Rig::with(sweep);
    rig.sweep("out").output().unwrap();
    rig.finish("out");
    let names = ["records.jsonl", "parts.csv"];
    let texts = || names.map(|name| fs::read_to_string(rig.at("out").join(name)).unwrap());
    let earlier = texts();
    assert!(earlier[1].contains("once,2,"), "{}", earlier[1]);
    // Without the store, the work is done again and fails again.
    fs::remove_dir_all(rig.at("out/.store")).unwrap();
    let output = rig.sweep("out").output().unwrap();
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("failed: once, seed 0"), "{text}");
    assert!(
        text.contains("the result of an earlier run stays"),
        "{text}"
    );
    assert_eq!(texts(), earlier);
}
