//! Runs tasks that depend on each other on a number of workers, each task once.
//!
//! A worker takes the ready task with the longest chain of work after it, so that tasks needed by others
//! start first. The last task of a chain, which completes a result, comes before all others. If a task fails or
//! panics, only the tasks that need its result fail too, with the same reason; all others run. A task that
//! another process is working on is put aside, and checked again when nothing else can start. A task that must
//! run alone comes before all others, and no other task runs beside it.

use super::executor::Executor;
use super::outcome::{ExecutorOutcome, contained};
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

/// The time between two checks of tasks that another process is working on: short beside any training, long
/// beside a check.
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// One piece of work.
#[derive(Clone, Debug)]
pub struct Task<T> {
    /// The unique name of the task.
    pub key: String,
    /// The keys of the tasks that must have succeeded before.
    pub needs: Vec<String>,
    /// The expected work, in any unit that all tasks share.
    pub cost: u64,
    /// The input of the worker.
    pub work: T,
}

/// The rules for failures and requests to stop.
#[derive(Clone, Copy)]
pub struct Rules<'a> {
    /// The number of times that a failed task is tried again.
    pub retries: u32,
    /// True if no task starts after one has finally failed.
    pub fail_fast: bool,
    /// Called before a task starts. If it returns true, no more tasks start.
    pub stop: &'a (dyn Fn() -> bool + Sync),
    /// The keys of tasks that run alone; they come first.
    pub alone: &'a BTreeSet<String>,
}

/// The state that the workers share.
struct Board<E> {
    /// The number of unfinished needs of each task.
    missing: Vec<usize>,
    /// The tasks that can start, the most urgent last.
    ready: BTreeSet<(u64, std::cmp::Reverse<usize>)>,
    /// The tasks that another process is working on.
    held: Vec<usize>,
    /// The number of failures of each task so far.
    failures: Vec<u32>,
    /// True if a task has finally failed.
    failed: bool,
    /// The number of running tasks.
    running: usize,
    /// For each task, true if it has ended.
    over: Vec<bool>,
    /// The number of tasks that have not ended.
    left: usize,
    /// For each task, true if it runs alone.
    alone: Vec<bool>,
    /// True if one of them is running.
    one_alone: bool,
    /// Called at the end of every task.
    ended: E,
    /// The first error of `ended`. Nothing more starts after it.
    stopped: Option<anyhow::Error>,
}

/// Runs `tasks`, all of them unless a stop is requested. `executor` runs each of them. `ended` is called at
/// the end of each, one at a time, with the reason of a failure.
///
/// # Errors
/// An error of `ended` (for example a full disk). Running tasks finish, and no other task starts.
///
/// Panics if a task needs an unknown one, or if the needs form a cycle.
pub fn run<T: Sync>(
    tasks: &[Task<T>],
    executor: &dyn Executor<T>,
    rules: Rules,
    ended: impl FnMut(&Task<T>, Result<(), &str>) -> Result<()> + Send,
) -> Result<()> {
    let dependents = dependents(tasks);
    let ranks = ranks(tasks, &dependents);
    let last = |task: usize| dependents[task].is_empty() && !tasks[task].needs.is_empty();
    let alone = |task: usize| rules.alone.contains(&tasks[task].key);
    let urgency = |task: usize| match (alone(task), last(task)) {
        (true, _) => u64::MAX,
        (_, true) => u64::MAX - 1,
        _ => ranks[task],
    };
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
        alone: (0..tasks.len()).map(alone).collect(),
        one_alone: false,
        ended,
        stopped: None,
    };
    let (board, changed) = (Mutex::new(board), Condvar::new());

    let halted = |board: &Board<_>| {
        board.stopped.is_some() || (rules.fail_fast && board.failed) || (rules.stop)()
    };
    let worker = || {
        loop {
            let mut guard = board.lock().expect("no worker panics with the board");
            let task = loop {
                if guard.left == 0 || halted(&guard) {
                    return;
                }
                if guard.has_room()
                    && let Some((_, task)) = guard.ready.pop_last()
                {
                    break task.0;
                }
                let asked = !guard.held.is_empty();
                let (next, _) = changed
                    .wait_timeout_while(guard, ASK_AGAIN, |board| {
                        let idle = board.ready.is_empty() || !board.has_room();
                        board.left > 0 && idle && !halted(board)
                    })
                    .expect("no worker panics with the board");
                guard = next;
                if asked && guard.ready.is_empty() {
                    let held = std::mem::take(&mut guard.held);
                    guard.ready.extend(held.into_iter().map(entry));
                }
            };
            guard.one_alone = guard.alone[task];
            let others = if guard.one_alone {
                0
            } else {
                guard.ready.len()
            };
            let beside = guard.running + others;
            guard.running += 1;
            drop(guard);
            let outcome = contained(|| executor.run(&tasks[task].work, beside));
            let mut guard = board.lock().expect("no worker panics with the board");
            guard.running -= 1;
            guard.one_alone = false;
            match outcome {
                Ok(ExecutorOutcome::Held) => guard.held.push(task),
                Ok(ExecutorOutcome::Stopped) => {}
                Err(_) if guard.failures[task] < rules.retries => {
                    guard.failures[task] += 1;
                    guard.ready.insert(entry(task));
                }
                Ok(ExecutorOutcome::Done) => guard.end(task, tasks, &dependents, Ok(()), &entry),
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
        let threads: Vec<_> = (0..executor.slots().min(tasks.len()))
            .map(|_| scope.spawn(worker))
            .collect();
        for thread in threads {
            thread.join().expect("a worker contains panics");
        }
    });
    board
        .into_inner()
        .expect("all workers ended")
        .stopped
        .map_or(Ok(()), Err)
}

impl<E> Board<E> {
    /// Returns true if a task may start beside those that run.
    fn has_room(&self) -> bool {
        let next = self.ready.last();
        let next_alone = next.is_some_and(|(_, task)| self.alone[task.0]);
        self.running == 0 || !(self.one_alone || next_alone)
    }

    /// Records the end of `task` and of all tasks that cannot run without it.
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

/// For every task, the tasks that need it.
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
mod tests;
