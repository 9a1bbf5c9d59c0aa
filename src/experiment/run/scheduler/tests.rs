//! Tests the order of tasks, their failures, and requests to stop.

use super::*;
use crate::experiment::run::executor::mock::Mock;
use std::sync::atomic::{AtomicUsize, Ordering};

fn task(key: &str, needs: &[&str], cost: u64) -> Task<String> {
    let needs = needs.iter().map(|need| need.to_string()).collect();
    Task {
        key: key.into(),
        needs,
        cost,
        work: key.into(),
    }
}

const TO_THE_END: Rules = Rules {
    retries: 0,
    fail_fast: false,
    stop: &|| false,
    alone: &BTreeSet::new(),
};

/// The ends of `tasks` in order, with `work` run by `count` workers.
fn ends(
    tasks: &[Task<String>],
    count: usize,
    work: impl Fn(&str) -> Result<()> + Sync,
) -> Vec<String> {
    let mut ends = Vec::new();
    let ended = |task: &Task<String>, end: Result<(), &str>| {
        ends.push(match end {
            Ok(()) => task.key.clone(),
            Err(reason) => format!("{}: {reason}", task.key),
        });
        Ok(())
    };
    let executor = Mock {
        slots: count,
        work: |key: &String| work(key).map(|()| ExecutorOutcome::Done),
    };
    run(tasks, &executor, TO_THE_END, ended).unwrap();
    ends
}

#[test]
fn what_others_wait_for_starts_first() {
    let tasks = [
        task("short", &[], 5),
        task("start", &[], 1),
        task("end", &["start"], 9),
        task("same", &[], 5),
    ];
    assert_eq!(
        ends(&tasks, 1, |_| Ok(())),
        ["start", "end", "short", "same"]
    );
}

#[test]
fn a_chain_is_finished_before_another_begins() {
    let tasks = [
        task("train a", &[], 9),
        task("train b", &[], 9),
        task("evaluate a", &["train a"], 1),
        task("evaluate b", &["train b"], 1),
    ];
    assert_eq!(
        ends(&tasks, 1, |_| Ok(())),
        ["train a", "evaluate a", "train b", "evaluate b"]
    );
}

#[test]
fn a_failure_takes_only_its_dependents() {
    let tasks = [
        task("a", &[], 9),
        task("b", &["a"], 1),
        task("c", &["b", "p"], 1),
        task("p", &[], 3),
        task("d", &[], 1),
    ];
    let ends = ends(&tasks, 1, |key| match key {
        "a" => anyhow::bail!("no luck"),
        "p" => panic!("wrong shape {}", 3),
        _ => Ok(()),
    });
    let expected = [
        "a: no luck",
        "b: no luck",
        "c: no luck",
        "p: panic: wrong shape 3",
        "d",
    ];
    assert_eq!(ends, expected);
}

#[test]
fn every_task_runs_once_and_after_its_needs_on_any_number_of_workers() {
    let names: Vec<String> = (0..40).map(|i| i.to_string()).collect();
    let tasks: Vec<Task<String>> = (0..40)
        .map(|i| {
            let needs: Vec<&str> = [i / 2, i / 3]
                .into_iter()
                .filter(|n| *n < i)
                .map(|n| names[n].as_str())
                .collect();
            task(&names[i], &needs, i as u64 % 7)
        })
        .map(|mut task| {
            task.needs.dedup();
            task
        })
        .collect();
    for count in [1, 2, 5] {
        let runs: Vec<AtomicUsize> = (0..40).map(|_| AtomicUsize::new(0)).collect();
        ends(&tasks, count, |key| {
            let i: usize = key.parse()?;
            for need in &tasks[i].needs {
                assert_eq!(runs[need.parse::<usize>()?].load(Ordering::SeqCst), 1);
            }
            runs[i].fetch_add(1, Ordering::SeqCst);
            Ok(())
        });
        assert!(
            runs.iter().all(|run| run.load(Ordering::SeqCst) == 1),
            "{count} workers"
        );
    }
}

#[test]
fn what_another_process_has_in_hand_is_asked_for_again_after_all_else() {
    let tasks = [
        task("held", &[], 9),
        task("after", &["held"], 1),
        task("own", &[], 1),
    ];
    for count in [1, 2] {
        let asked = AtomicUsize::new(0);
        let (mut ends, runs) = (Vec::new(), Mutex::new(Vec::new()));
        let work = |key: &String| {
            if key == "held" && asked.fetch_add(1, Ordering::SeqCst) < 3 {
                return Ok(ExecutorOutcome::Held);
            }
            runs.lock().unwrap().push(key.clone());
            Ok(ExecutorOutcome::Done)
        };
        let ended = |task: &Task<String>, _: Result<(), &str>| {
            ends.push(task.key.clone());
            Ok(())
        };
        run(&tasks, &Mock { slots: count, work }, TO_THE_END, ended).unwrap();
        assert_eq!(ends, ["own", "held", "after"]);
        assert_eq!(*runs.lock().unwrap(), ends, "each once");
    }
}

#[test]
fn what_is_to_run_alone_comes_first_and_has_nothing_beside_it() {
    let tasks = [
        task("big", &[], 99),
        task("a", &[], 1),
        task("b", &[], 2),
        task("after b", &["b"], 1),
        task("other", &[], 50),
    ];
    let alone = BTreeSet::from(["a", "b"].map(String::from));
    let rules = Rules {
        alone: &alone,
        ..TO_THE_END
    };
    let (running, asked) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let (begun, together) = (Mutex::new(Vec::new()), AtomicUsize::new(0));
    let work = |key: &String| {
        // Another process is working on one of them for a while. Others then run, but not beside it when it
        // comes back.
        if key == "a" && asked.fetch_add(1, Ordering::SeqCst) < 3 {
            return Ok(ExecutorOutcome::Held);
        }
        begun.lock().unwrap().push(key.clone());
        let beside = running.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(30));
        if alone.contains(key) {
            assert_eq!((beside, running.load(Ordering::SeqCst)), (0, 1), "{key}");
        } else {
            together.fetch_max(beside + 1, Ordering::SeqCst);
        }
        running.fetch_sub(1, Ordering::SeqCst);
        Ok(ExecutorOutcome::Done)
    };
    let mut failed = Vec::new();
    let ended = |task: &Task<String>, end: Result<(), &str>| {
        failed.extend(end.err().map(|reason| format!("{}: {reason}", task.key)));
        Ok(())
    };
    run(&tasks, &Mock { slots: 3, work }, rules, ended).unwrap();
    assert!(failed.is_empty(), "{failed:?}");
    assert_eq!(begun.lock().unwrap()[0], "b");
    assert_eq!(begun.lock().unwrap().len(), 5);
    let found = together.load(Ordering::SeqCst);
    assert!(
        found >= 2,
        "after them as many as there are workers, not {found}"
    );
}

#[test]
#[should_panic(expected = "the needs form no circle")]
fn a_circle_is_refused() {
    let tasks = [task("a", &["b"], 1), task("b", &["a"], 1)];
    ends(&tasks, 1, |_| Ok(()));
}

#[test]
fn a_refused_end_stops_the_rest() {
    let tasks = [task("a", &[], 2), task("b", &[], 1)];
    let runs = AtomicUsize::new(0);
    let work = |_: &String| {
        runs.fetch_add(1, Ordering::SeqCst);
        Ok(ExecutorOutcome::Done)
    };
    let error = run(&tasks, &Mock { slots: 1, work }, TO_THE_END, |_, _| {
        anyhow::bail!("disk full")
    })
    .unwrap_err();
    assert_eq!(
        (error.to_string().as_str(), runs.load(Ordering::SeqCst)),
        ("disk full", 1)
    );
}

/// The attempts and the ends of three tasks. The first one fails `failures` times.
fn attempts(failures: usize, rules: Rules) -> (Vec<String>, Vec<String>) {
    let tasks = [task("a", &[], 9), task("b", &["a"], 1), task("c", &[], 5)];
    let (tried, mut ends) = (Mutex::new(Vec::new()), Vec::new());
    let work = |key: &String| {
        let mut tried = tried.lock().unwrap();
        tried.push(key.clone());
        let before = tried.iter().filter(|other| *other == key).count();
        anyhow::ensure!(key != "a" || before > failures, "no luck");
        Ok(ExecutorOutcome::Done)
    };
    let ended = |task: &Task<String>, end: Result<(), &str>| {
        ends.push(format!(
            "{}: {}",
            task.key,
            if end.is_ok() { "ok" } else { "failed" }
        ));
        Ok(())
    };
    run(&tasks, &Mock { slots: 1, work }, rules, ended).unwrap();
    (tried.into_inner().unwrap(), ends)
}

#[test]
fn a_failure_is_tried_again_as_often_as_the_rules_say() {
    let rules = Rules {
        retries: 2,
        ..TO_THE_END
    };
    let (tried, ends) = attempts(2, rules);
    assert_eq!(tried, ["a", "a", "a", "b", "c"]);
    assert_eq!(ends, ["a: ok", "b: ok", "c: ok"]);
    let (tried, ends) = attempts(3, rules);
    assert_eq!(tried, ["a", "a", "a", "c"]);
    assert_eq!(ends, ["a: failed", "b: failed", "c: ok"]);
}

#[test]
fn the_first_failure_for_good_may_end_all() {
    let rules = Rules {
        retries: 1,
        fail_fast: true,
        ..TO_THE_END
    };
    assert_eq!(attempts(1, rules).1, ["a: ok", "b: ok", "c: ok"]);
    let (tried, ends) = attempts(2, rules);
    assert_eq!(tried, ["a", "a"]);
    assert_eq!(ends, ["a: failed", "b: failed"]);
}

#[test]
fn nothing_starts_after_a_request_to_stop_and_what_was_stopped_has_no_end() {
    let tasks = [task("a", &[], 2), task("b", &["a"], 1), task("c", &[], 1)];
    let requested = std::sync::atomic::AtomicBool::new(false);
    let rules = Rules {
        stop: &|| requested.load(Ordering::SeqCst),
        ..TO_THE_END
    };
    let mut ends = 0;
    let work = |_: &String| {
        requested.store(true, Ordering::SeqCst);
        Ok(ExecutorOutcome::Stopped)
    };
    let ended = |_: &Task<String>, _: Result<(), &str>| {
        ends += 1;
        Ok(())
    };
    run(&tasks, &Mock { slots: 1, work }, rules, ended).unwrap();
    assert_eq!(ends, 0);
}
