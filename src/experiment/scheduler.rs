//! Runs tasks that depend on each other on a number of workers, each task once.
//!
//! A worker takes the ready task with the longest chain of work behind it, so that what others wait for starts first; but the
//! last task of a chain, which makes a result complete, goes before all others. It runs inside a rayon pool of its own, so that
//! trials do not share threads; a task that runs alone has all of them. A task that fails or panics ends alone: only the
//! tasks that need its result fail with it, by its reason; all others run. A task that another process has in hand is put aside
//! and asked for again when nothing else can start.

use anyhow::Result;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

/// Between two looks at tasks that another process has in hand: short beside any training, long beside a look.
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// One piece of work.
#[derive(Clone, Debug)]
pub struct Task<T> {
    /// What others name it by; unique.
    pub key: String,
    /// Keys of the tasks that must have succeeded before.
    pub needs: Vec<String>,
    /// Expected work, in any unit that all tasks share.
    pub cost: u64,
    /// What the worker is handed.
    pub work: T,
}

/// How a worker's turn at a task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The task is done.
    Done,
    /// Another process is at it: to be asked for again.
    Held,
    /// It was asked to stop, and is not done.
    Stopped,
}

/// What becomes of failures and of a request to stop.
#[derive(Clone, Copy)]
pub struct Rules<'a> {
    /// How often a task that failed is tried again.
    pub retries: u32,
    /// Whether no task starts after one has failed for good.
    pub fail_fast: bool,
    /// Asked before a task starts: whether no more shall.
    pub stop: &'a (dyn Fn() -> bool + Sync),
}

/// How many tasks run at once, and on how many threads all together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workers {
    /// Tasks at once, at most.
    pub count: usize,
    /// Threads that the running tasks share.
    pub cores: usize,
}

impl Workers {
    /// `count` workers on the machine's `cores`; 0: one per core.
    pub fn new(count: usize, cores: usize) -> Self {
        let cores = cores.max(1);
        let count = if count == 0 { cores } else { count };
        Self { count, cores }
    }

    /// Threads of a task that starts while `running` others run and `ready` more could start. What every task computes does
    /// not depend on it, so a lone burn-in may have all the threads that later are shared.
    fn threads(&self, running: usize, ready: usize) -> usize {
        (self.cores / (running + 1 + ready).min(self.count)).max(1)
    }
}

/// What the workers share.
struct Board<E> {
    /// Unfinished needs per task.
    missing: Vec<usize>,
    /// Tasks that can start, the most urgent last.
    ready: BTreeSet<(u64, std::cmp::Reverse<usize>)>,
    /// Tasks that another process has in hand.
    held: Vec<usize>,
    /// Failures of each task so far.
    failures: Vec<u32>,
    /// Whether a task has failed for good.
    failed: bool,
    /// Number of tasks at work.
    running: usize,
    /// Whether a task has ended.
    over: Vec<bool>,
    /// Number of tasks that have not.
    left: usize,
    /// Called at every end.
    ended: E,
    /// The first error of `ended`: nothing more starts.
    stopped: Option<anyhow::Error>,
}

/// Runs `tasks`, all of them if nothing asks it to stop; `work` does one, `ended` hears of every end, one at a time, with the reason
/// of a failure.
///
/// # Errors
/// What `ended` refuses (a full disk, say): running tasks finish, no other starts.
///
/// Panics if a task needs an unknown one or the needs form a circle.
pub fn run<T: Sync>(
    tasks: &[Task<T>],
    workers: Workers,
    rules: Rules,
    work: impl Fn(&T) -> Result<Turn> + Sync,
    ended: impl FnMut(&Task<T>, Result<(), &str>) -> Result<()> + Send,
) -> Result<()> {
    let dependents = dependents(tasks);
    let ranks = ranks(tasks, &dependents);
    let last = |task: usize| dependents[task].is_empty() && !tasks[task].needs.is_empty();
    let urgency = |task: usize| if last(task) { u64::MAX } else { ranks[task] };
    let entry = |task: usize| (urgency(task), std::cmp::Reverse(task));
    let missing: Vec<usize> = tasks.iter().map(|task| task.needs.len()).collect();
    let ready = (0..tasks.len())
        .filter(|task| missing[*task] == 0)
        .map(entry)
        .collect();
    let over = vec![false; tasks.len()];
    let board = Board {
        missing,
        ready,
        held: Vec::new(),
        failures: vec![0; tasks.len()],
        failed: false,
        running: 0,
        over,
        left: tasks.len(),
        ended,
        stopped: None,
    };
    let (board, changed) = (Mutex::new(board), Condvar::new());

    let halted = |board: &Board<_>| {
        board.stopped.is_some() || (rules.fail_fast && board.failed) || (rules.stop)()
    };
    let worker = || -> Result<()> {
        // Kept from task to task: most have as many threads as the one before.
        let mut pool = None;
        loop {
            let mut guard = board.lock().expect("no worker panics with the board");
            let task = loop {
                if guard.left == 0 || halted(&guard) {
                    return Ok(());
                }
                if let Some((_, task)) = guard.ready.pop_last() {
                    break task.0;
                }
                let asked = !guard.held.is_empty();
                let (next, _) = changed
                    .wait_timeout_while(guard, ASK_AGAIN, |board| {
                        board.left > 0 && board.ready.is_empty() && !halted(board)
                    })
                    .expect("no worker panics with the board");
                guard = next;
                if asked && guard.ready.is_empty() {
                    let held = std::mem::take(&mut guard.held);
                    guard.ready.extend(held.into_iter().map(entry));
                }
            };
            let threads = workers.threads(guard.running, guard.ready.len());
            guard.running += 1;
            drop(guard);
            let pool = pool_of(&mut pool, threads)?;
            let outcome = contained(|| pool.install(|| work(&tasks[task].work)));
            let mut guard = board.lock().expect("no worker panics with the board");
            guard.running -= 1;
            match outcome {
                Ok(Turn::Held) => guard.held.push(task),
                Ok(Turn::Stopped) => {}
                Err(_) if guard.failures[task] < rules.retries => {
                    guard.failures[task] += 1;
                    guard.ready.insert(entry(task));
                }
                Ok(Turn::Done) => guard.end(task, tasks, &dependents, Ok(()), &entry),
                Err(reason) => {
                    guard.failed = true;
                    guard.end(task, tasks, &dependents, Err(reason), &entry);
                }
            }
            drop(guard);
            changed.notify_all();
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers.count.min(tasks.len()))
            .map(|_| scope.spawn(worker))
            .collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().expect("a worker contains panics"))
    })?;
    board
        .into_inner()
        .expect("all workers ended")
        .stopped
        .map_or(Ok(()), Err)
}

impl<E> Board<E> {
    /// Notes the end of `task` and of all that cannot run without it.
    fn end<T>(
        &mut self,
        task: usize,
        tasks: &[Task<T>],
        dependents: &[Vec<usize>],
        outcome: Result<(), String>,
        entry: &impl Fn(usize) -> (u64, std::cmp::Reverse<usize>),
    ) where
        E: FnMut(&Task<T>, Result<(), &str>) -> Result<()>,
    {
        let mut ends = BTreeSet::from([task]);
        if outcome.is_err() {
            let mut reached = vec![task];
            while let Some(task) = reached.pop() {
                reached.extend(dependents[task].iter().filter(|next| ends.insert(**next)));
            }
        } else {
            for next in &dependents[task] {
                self.missing[*next] -= 1;
                if self.missing[*next] == 0 && !self.over[*next] {
                    self.ready.insert(entry(*next));
                }
            }
        }
        for task in ends {
            if std::mem::replace(&mut self.over[task], true) {
                continue;
            }
            self.left -= 1;
            let outcome = outcome.as_ref().copied().map_err(String::as_str);
            if let (Err(error), None) = ((self.ended)(&tasks[task], outcome), &self.stopped) {
                self.stopped = Some(error);
            }
        }
    }
}

/// The pool in `kept`, made anew where it has another number of threads.
fn pool_of(kept: &mut Option<ThreadPool>, threads: usize) -> Result<&ThreadPool> {
    let pool = match kept.take() {
        Some(pool) if pool.current_num_threads() == threads => pool,
        _ => ThreadPoolBuilder::new().num_threads(threads).build()?,
    };
    Ok(kept.insert(pool))
}

/// The outcome of `work` with a panic turned into its message.
pub fn contained<T>(work: impl FnOnce() -> Result<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(outcome) => outcome.map_err(|error| format!("{error:#}")),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Err(format!("panic: {}", text.unwrap_or("without a message")))
        }
    }
}

/// For every task those that need it.
fn dependents<T>(tasks: &[Task<T>]) -> Vec<Vec<usize>> {
    let index: BTreeMap<&str, usize> = tasks
        .iter()
        .enumerate()
        .map(|(i, task)| (task.key.as_str(), i))
        .collect();
    assert_eq!(index.len(), tasks.len(), "every task has a key of its own");
    let mut dependents = vec![Vec::new(); tasks.len()];
    for (i, task) in tasks.iter().enumerate() {
        for need in &task.needs {
            let need = index.get(need.as_str());
            dependents[*need.unwrap_or_else(|| panic!("a task needs an unknown one"))].push(i);
        }
    }
    dependents
}

/// The cost of the longest chain that starts at each task.
fn ranks<T>(tasks: &[Task<T>], dependents: &[Vec<usize>]) -> Vec<u64> {
    let mut missing: Vec<usize> = tasks.iter().map(|task| task.needs.len()).collect();
    let mut order: Vec<usize> = (0..tasks.len())
        .filter(|task| missing[*task] == 0)
        .collect();
    let mut next = 0;
    while next < order.len() {
        for after in &dependents[order[next]] {
            missing[*after] -= 1;
            if missing[*after] == 0 {
                order.push(*after);
            }
        }
        next += 1;
    }
    assert_eq!(order.len(), tasks.len(), "the needs form no circle");
    let mut ranks = vec![0; tasks.len()];
    for task in order.into_iter().rev() {
        let after = dependents[task].iter().map(|next| ranks[*next]).max();
        ranks[task] = tasks[task].cost + after.unwrap_or(0);
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;
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
    };

    /// The ends of `tasks` in order, where `work` is run by `count` workers.
    fn ends(
        tasks: &[Task<String>],
        count: usize,
        work: impl Fn(&str) -> Result<()> + Sync,
    ) -> Vec<String> {
        let mut ends = Vec::new();
        let workers = Workers { count, cores: 1 };
        let ended = |task: &Task<String>, end: Result<(), &str>| {
            ends.push(match end {
                Ok(()) => task.key.clone(),
                Err(reason) => format!("{}: {reason}", task.key),
            });
            Ok(())
        };
        run(
            tasks,
            workers,
            TO_THE_END,
            |key| work(key).map(|()| Turn::Done),
            ended,
        )
        .unwrap();
        ends
    }

    #[test]
    fn running_tasks_share_the_cores() {
        let workers = Workers::new(0, 4);
        assert_eq!(workers.count, 4);
        assert_eq!(workers.threads(0, 0), 4, "alone");
        assert_eq!((workers.threads(0, 1), workers.threads(1, 0)), (2, 2));
        assert_eq!(workers.threads(3, 9), 1);
        assert_eq!(Workers::new(2, 4).threads(1, 9), 2, "two at once");
        assert_eq!(Workers::new(9, 4).threads(8, 0), 1);
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
                    return Ok(Turn::Held);
                }
                runs.lock().unwrap().push(key.clone());
                Ok(Turn::Done)
            };
            let ended = |task: &Task<String>, _: Result<(), &str>| {
                ends.push(task.key.clone());
                Ok(())
            };
            run(&tasks, Workers { count, cores: 1 }, TO_THE_END, work, ended).unwrap();
            assert_eq!(ends, ["own", "held", "after"]);
            assert_eq!(*runs.lock().unwrap(), ends, "each once");
        }
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
        let workers = Workers::new(1, 1);
        let work = |_: &String| {
            runs.fetch_add(1, Ordering::SeqCst);
            Ok(Turn::Done)
        };
        let error = run(&tasks, workers, TO_THE_END, work, |_, _| {
            anyhow::bail!("disk full")
        })
        .unwrap_err();
        assert_eq!(
            (error.to_string().as_str(), runs.load(Ordering::SeqCst)),
            ("disk full", 1)
        );
    }

    /// The attempts and the ends of three tasks, of which the first fails `failures` times.
    fn attempts(failures: usize, rules: Rules) -> (Vec<String>, Vec<String>) {
        let tasks = [task("a", &[], 9), task("b", &["a"], 1), task("c", &[], 5)];
        let (tried, mut ends) = (Mutex::new(Vec::new()), Vec::new());
        let work = |key: &String| {
            let mut tried = tried.lock().unwrap();
            tried.push(key.clone());
            let before = tried.iter().filter(|other| *other == key).count();
            anyhow::ensure!(key != "a" || before > failures, "no luck");
            Ok(Turn::Done)
        };
        let ended = |task: &Task<String>, end: Result<(), &str>| {
            ends.push(format!(
                "{}: {}",
                task.key,
                if end.is_ok() { "ok" } else { "failed" }
            ));
            Ok(())
        };
        run(&tasks, Workers::new(1, 1), rules, work, ended).unwrap();
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
            Ok(Turn::Stopped)
        };
        let ended = |_: &Task<String>, _: Result<(), &str>| {
            ends += 1;
            Ok(())
        };
        run(&tasks, Workers::new(1, 1), rules, work, ended).unwrap();
        assert_eq!(ends, 0);
    }
}
