//! Seeds until decided on Slurm, with stand-ins for its commands: one round after the other.

use crate::rig::{Rig, stderr};
use crate::stand_in::{Cluster, code, elements_of, stdout};
use std::process::Output;

/// Two, three, then four seeds: with two compared rows, no evidence is strong enough at four.
const SEEDS: &str = "seeds={at-least=2,at-most=4,until='decided'}";
/// The row `- b` fails in its own training, at every attempt.
const FAILING: &str = "question = 'Which part?'\nreference = 'both'\n[[each]]\nlabel = 'both'\n\
    [[each]]\nlabel = '- a'\nset.'method.modules.a' = false\n\
    [[each]]\nlabel = '- b'\nset.'method.modules.b' = false\nset.'method.fail-at' = 30\n";

/// Runs all elements of a submission as their jobs would, and returns how many failed. Then no job is left in the
/// queue.
fn run_all(cluster: &Cluster, submission: usize) -> usize {
    let folder = cluster.submissions()[submission].clone();
    let mut failed = 0;
    for element in 0..elements_of(&folder).len() {
        let words = ["work", folder.to_str().unwrap(), "--element"];
        let mut command = cluster.harness(&words);
        command.args([&element.to_string(), "--device", "cpu", "--patience", "1"]);
        let output = command.output().unwrap();
        match code(&output) {
            0 => {}
            1 => failed += 1,
            other => panic!("{other}: {}", stderr(&output)),
        }
    }
    cluster.put("queue", "");
    failed
}

/// Runs the last job of a submission. `path` replaces the path in which Slurm's commands are.
fn last_job(cluster: &Cluster, submission: usize, path: Option<&str>) -> Output {
    let folder = cluster.submissions()[submission].clone();
    let mut command = cluster.harness(&["work", folder.to_str().unwrap(), "--finish"]);
    if let Some(path) = path {
        command.env("PATH", path);
    }
    command.output().unwrap()
}

fn told(output: &Output, part: &str) {
    let text = stdout(output) + &stderr(output);
    assert!(text.contains(part), "`{part}` is not in: {text}");
}

#[test]
fn the_last_job_of_a_round_hands_over_the_next_until_nothing_is_left() {
    let rig = Rig::new();
    let mut sweep = rig.sweep("undisturbed");
    assert_eq!(code(&sweep.args(["--set", SEEDS]).output().unwrap()), 0);
    let expected = rig.found("undisturbed");
    let cluster = Cluster::submitted(&rig, &[SEEDS]);
    for (round, (elements, next)) in [(8, true), (4, true), (4, false)].into_iter().enumerate() {
        assert_eq!(cluster.submissions().len(), round + 1);
        assert_eq!(cluster.elements(), elements);
        assert_eq!(run_all(&cluster, round), 0);
        let calls = cluster.noted("calls").len();
        let output = last_job(&cluster, round, None);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        let more = match next {
            true => {
                told(
                    &output,
                    "Next round of seeds: Submitted: 4 elements in 2 arrays",
                );
                3
            }
            false => 0,
        };
        assert_eq!(cluster.noted("calls").len(), calls + more);
    }
    assert_eq!(rig.found("out"), expected);
    let finished = cluster.submit(&rig, &[SEEDS], &[]);
    told(&finished, "Results: ");
}

#[test]
fn a_trial_that_always_fails_keeps_no_other_row_from_its_seeds() {
    let rig = Rig::with(FAILING);
    let cluster = Cluster::submitted(&rig, &[SEEDS]);
    assert_eq!(run_all(&cluster, 0), 2, "two seeds of one row");
    // The last job goes on with the other rows, and does not try the failed trials again.
    let output = last_job(&cluster, 0, None);
    assert_eq!(code(&output), 1);
    told(&output, "Submitted: 3 elements in 2 arrays");
    assert_eq!(run_all(&cluster, 1), 0);
    // The last job of this round is lost. The command hands over the next round, and the failed trials with it.
    let output = cluster.submit(&rig, &[SEEDS], &[]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    told(&output, "Submitted: 5 elements in ");
    assert_eq!(run_all(&cluster, 2), 2);
    let output = last_job(&cluster, 2, None);
    assert_eq!(code(&output), 1);
    let csv = std::fs::read_to_string(rig.at("out/parts.csv")).unwrap();
    let seeds: Vec<&str> = csv
        .lines()
        .skip(1)
        .map(|line| line.split(',').nth(1).unwrap())
        .collect();
    assert_eq!(seeds, ["4", "4", "0"], "{csv}");
    // Only what has failed is left.
    let output = cluster.submit(&rig, &[SEEDS], &[]);
    told(&output, "Submitted: 2 elements in ");
}

#[test]
fn where_the_last_job_was_lost_the_command_begins_the_next_round() {
    let rig = Rig::new();
    let cluster = Cluster::submitted(&rig, &[SEEDS]);
    run_all(&cluster, 0);
    let output = cluster.submit(&rig, &[SEEDS], &[]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    told(&output, "Submitted: 4 elements in 2 arrays");
}

#[test]
fn where_jobs_may_not_submit_the_next_round_waits_for_the_user() {
    let rig = Rig::new();
    let cluster = Cluster::submitted(&rig, &[SEEDS]);
    run_all(&cluster, 0);
    let calls = cluster.noted("calls").len();
    let output = last_job(&cluster, 0, Some("/nowhere"));
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    told(
        &output,
        "The next round of seeds is not handed over: sbatch: cannot run sbatch",
    );
    told(&output, "`harness submit` with the same recipe does that");
    assert_eq!(cluster.noted("calls").len(), calls);
    let output = cluster.submit(&rig, &[SEEDS], &[]);
    told(&output, "Submitted: 4 elements in 2 arrays");
}

#[test]
fn the_last_job_hands_nothing_over_if_a_trial_is_lost_or_the_recipe_was_submitted_anew() {
    let rig = Rig::new();
    let cluster = Cluster::submitted(&rig, &[SEEDS]);
    // No element was done: all are lost.
    cluster.put("queue", "");
    let calls = cluster.noted("calls").len();
    let output = last_job(&cluster, 0, None);
    told(&output, "not finished: 6 trials left");
    run_all(&cluster, 0);
    let other = [SEEDS, "method.effects.a=3"];
    assert_eq!(code(&cluster.submit(&rig, &other, &[])), 0);
    let after = cluster.noted("calls").len();
    assert!(after > calls);
    let output = last_job(&cluster, 0, None);
    told(&output, "submitted again with other trials");
    assert_eq!(cluster.noted("calls").len(), after);
}
